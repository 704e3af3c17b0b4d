import { spawnSync } from 'node:child_process'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { makeDemoBam } from '../../../examples/demo/make-bam.ts'
import { suite } from '../../support/suite.ts'
import { type CliWorld, createCliWorld, type Ended } from './cli-world.ts'

const missing = spawnSync('samtools', ['--version']).status === 0 ? undefined : 'samtools is not installed; apt-get install samtools'
const region = 'chr2:50,000-250,000'
let world: CliWorld
let objectId = ''

function samtools(...args: readonly string[]): string {
  const run = spawnSync('samtools', args, { cwd: world.folder, encoding: 'latin1', maxBuffer: 2 ** 30 })
  if (run.status !== 0) throw new Error(`samtools ${args.join(' ')}: ${run.stderr}`)
  return run.stdout
}

async function score(...args: readonly string[]): Promise<Ended> {
  const ended = await world.run(args)
  assert.is(ended.code, 0, ended.stderr)
  return ended
}

suite('score view of CRAM', (plain) => {
  const test = missing === undefined ? plain : (name: string) => plain.skip(name, missing)
  plain.before(async () => {
    if (missing !== undefined) return
    world = await createCliWorld()
    await makeDemoBam({ path: join(world.folder, 'demo.bam'), targetBytes: 1_500_000 })
    // Without a reference, as none is at hand; small containers, so that a region takes few of many.
    samtools('view', '-C', '--output-fmt-option', 'no_ref=1', '--output-fmt-option', 'seqs_per_slice=300', '-o', 'x.cram', 'demo.bam')
    samtools('index', 'x.cram')
    const { stdout } = await score('upload', '--study', 'S', 'x.cram', 'x.cram.crai')
    objectId = stdout.split('\t')[0] ?? ''
  })
  plain.after(() => world?.close())

  test('SAM text, here and stored, as samtools prints it', async () => {
    const wanted = samtools('view', 'x.cram', region)
    assert.ok(wanted.length > 10_000)
    for (const input of ['x.cram', objectId]) {
      const { stdout } = await score('view', input, region, '--output-original-header')
      assert.is(stdout.replace(/^(@[^\n]*\n)+/, ''), wanted)
      assert.is((await score('view', input, region, '--count')).stdout, `${region}\t${wanted.split('\n').length - 1}\n`)
    }
  })

  test('BAM with its index; containers, which say that they are more; exact CRAM', async () => {
    const wanted = samtools('view', 'x.cram', region)
    const files = ['--output-index', '--output-dir', 'cut', '--output-format']
    await score('view', objectId, region, ...files, 'bam')
    const name = 'x.chr2_50,000-250,000'
    assert.is(samtools('view', `cut/${name}.bam`), wanted)
    assert.is(samtools('view', '-c', `cut/${name}.bam`, 'chr2:60000-90000'), samtools('view', '-c', 'x.cram', 'chr2:60000-90000'))
    const superset = await score('view', objectId, region, ...files, 'cram')
    assert.match(superset.stderr, /other reads are in it too/)
    assert.equal(readdirSync(join(world.folder, 'cut')).sort(), [`${name}.bam`, `${name}.bam.bai`, `${name}.cram`, `${name}.cram.crai`])
    samtools('quickcheck', `cut/${name}.cram`)
    assert.is(samtools('view', `cut/${name}.cram`, region), wanted)
    assert.ok(Number(samtools('view', '-c', `cut/${name}.cram`)) > wanted.split('\n').length - 1)
    const exact = await score('view', 'x.cram', region, '--exact', '--output-format', 'cram', '--output-dir', 'exact', '--json')
    assert.is(samtools('view', `exact/${name}.cram`), wanted)
    assert.match(exact.stdout, /"exact":true/)
    await score('view', 'demo.bam', region, '--output-format', 'cram', '--output-index', '--output-dir', 'exact')
    const made = 'exact/demo.chr2_50,000-250,000.cram'
    assert.is(samtools('view', '-c', made).trim(), String(wanted.split('\n').length - 1))
    assert.is(samtools('view', '-c', made, 'chr2:60000-90000'), samtools('view', '-c', 'demo.bam', 'chr2:60000-90000'))
  })

  test('a merged file of a BAM and a CRAM', async () => {
    const { stdout } = await score('upload', '--study', 'S', 'demo.bam', 'demo.bam.bai')
    const ids = [objectId, stdout.split('\t')[0] ?? '']
    const heading = '\t'.repeat(10)
    writeFileSync(join(world.folder, 'both.tsv'), `h${heading}\n${ids.map((id) => `\t\t${id}${'\t'.repeat(8)}`).join('\n')}\n`)
    await score(
      'view',
      '--manifest',
      'both.tsv',
      '--query',
      region,
      '--output-type',
      'merged',
      '--output-format',
      'bam',
      '--output-dir',
      'one',
    )
    const reads = Number(samtools('view', '-c', 'x.cram', region))
    assert.is(Number(samtools('view', '-c', 'one/merged.chr2_50,000-250,000.bam')), 2 * reads)
  })

  test('an index that samtools can use', async () => {
    await score('index', '--output', 'made.crai', objectId)
    assert.is(samtools('view', '-X', 'x.cram', 'made.crai', region), samtools('view', 'x.cram', region))
    const refused = await world.run(['index', '--index-format', 'bai', 'x.cram'])
    assert.is(refused.code, 2)
    assert.match(refused.stderr, /x\.cram is a CRAM file, whose index is a CRAI/)
  })

  test('quickcheck, flagstat, and counts by reference', async () => {
    assert.is((await score('quickcheck', 'x.cram', objectId)).stdout, `x.cram\tok\n${objectId}\tok\n`)
    assert.is((await score('flagstat', objectId)).stdout, samtools('flagstat', 'x.cram'))
    assert.is((await score('idxstats', '--scan', objectId)).stdout, samtools('idxstats', 'demo.bam'))
  })
})
