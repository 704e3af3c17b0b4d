import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { createMemorySource } from '../../src/bytes/memory-source.ts'
import { formatRegion, type Region } from '../../src/core/region.ts'
import { encodeBai } from '../../src/formats/bai.ts'
import { createBgzfWriter } from '../../src/formats/bgzf-writer.ts'
import { csiSchemeFor, encodeCsi } from '../../src/formats/csi.ts'
import { createBamSlicer } from '../../src/slice/bam-slicer.ts'
import { createRandom, fixtureHeader, sortedRecords } from '../formats/bam-fixture.ts'
import { suite } from '../support/suite.ts'
import { gather, layBam, randomRegions } from './slice-fixture.ts'

const missing = spawnSync('samtools', ['--version']).status === 0 ? undefined : 'samtools is not installed'
const folder = mkdtempSync(join(tmpdir(), 'score-slice-samtools-'))
const random = createRandom(5_150)
const records = sortedRecords(random, 4_000)

function samtools(...args: readonly string[]): string {
  const run = spawnSync('samtools', args, { encoding: 'latin1', maxBuffer: 2 ** 30 })
  assert.is(run.status, 0, `samtools ${args.join(' ')}: ${run.stderr}`)
  return run.stdout
}

async function bgzip(bytes: Uint8Array): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  const writer = createBgzfWriter((piece) => void pieces.push(piece))
  await writer.write(bytes)
  await writer.finish()
  return Buffer.concat(pieces)
}

/** Regions of references whose names `samtools view -M` can read, and no region twice. */
function plainRegions(): Region[] {
  const regions = randomRegions(random, records).filter(({ reference }) => reference === 'ctgA' || reference === 'empty')
  return regions.length > 0 ? regions : [{ reference: 'ctgA', start: random.below(1_000_000), end: 1_500_000 }]
}

suite('slices agree with samtools', (plain) => {
  const test = missing === undefined ? plain : (name: string) => plain.skip(name, missing)
  const bam = join(folder, 'in.bam')

  plain.after(() => rmSync(folder, { recursive: true }))
  plain.before(async () => {
    const laid = await layBam(records, { blockBytes: () => 12_000 })
    writeFileSync(bam, laid.bam)
  })

  const read = (path: string) => createMemorySource(readFileSync(path))
  const open = () => createBamSlicer({ data: read(bam), index: read(`${bam}.bai`) })

  test('SAM text of one region and of many, byte for byte, with the index that samtools makes', async () => {
    samtools('index', bam)
    const slicer = open()
    let lines = 0
    for (let round = 0; round < 25; round += 1) {
      const regions = plainRegions()
      const theirs = samtools('view', '-M', bam, ...regions.map(formatRegion))
      const ours = (await gather(slicer.slice(regions, { format: 'sam', header: 'original' }))).toString('latin1')
      assert.ok(ours === fixtureHeader.text + theirs, regions.map(formatRegion).join(' '))
      lines += theirs.split('\n').length - 1
    }
    assert.ok(lines > 1000, `${lines} lines`)
  })

  test('a name with colons, the open end of chr:100, and the reads without a place', async () => {
    const slicer = open()
    for (const region of ['{HLA:A*01}:5000-300000', 'HLA:A*01', 'ctgA:1500000', 'ctgA:1,000,000-1,100,000', '*']) {
      const theirs = samtools('view', bam, region)
      assert.ok(theirs.length > 100, region)
      assert.ok(
        (await gather(slicer.slice([region], { format: 'sam', header: 'original' }))).toString('latin1') === fixtureHeader.text + theirs,
        region,
      )
      assert.is(String(await slicer.count([region])), samtools('view', '-c', bam, region).trim())
    }
  })

  test('BAM slices pass quickcheck and can be indexed; their derived index answers as samtools’ own', async () => {
    const slicer = open()
    const out = join(folder, 'out.bam')
    for (let round = 0; round < 4; round += 1) {
      const regions = round === 0 ? [{ reference: 'ctgA', start: 1000, end: 1_999_000 }] : randomRegions(random, records)
      const slice = slicer.slice(regions)
      writeFileSync(out, await gather(slice))
      samtools('quickcheck', out)
      samtools('index', out, join(folder, 'theirs.bai'))
      writeFileSync(join(folder, 'ours.bai'), encodeBai(slice.sliceIndex()))
      for (let query = 0; query < 8; query += 1) {
        const within = plainRegions().slice(0, 1).map(formatRegion)
        const theirs = samtools('view', '-X', out, join(folder, 'theirs.bai'), ...within)
        assert.ok(samtools('view', '-X', out, join(folder, 'ours.bai'), ...within) === theirs, `${within} of ${regions.map(formatRegion)}`)
      }
    }
  })

  test('the derived index of a slice by CSI', async () => {
    const laid = await layBam(records, { blockBytes: () => 12_000, csiScheme: csiSchemeFor(2_000_000, 12) })
    const path = join(folder, 'csi.bam')
    writeFileSync(path, laid.bam)
    const slice = createBamSlicer({ data: read(path), index: laid.index }).slice(['ctgA:200001-1800000'])
    const out = join(folder, 'csi-out.bam')
    writeFileSync(out, await gather(slice))
    writeFileSync(join(folder, 'ours.csi'), await bgzip(encodeCsi(slice.sliceIndex())))
    samtools('index', out, join(folder, 'theirs.bai'))
    for (let query = 0; query < 10; query += 1) {
      const within = plainRegions().slice(0, 1).map(formatRegion)
      const theirs = samtools('view', '-X', out, join(folder, 'theirs.bai'), ...within)
      assert.ok(samtools('view', '-X', out, join(folder, 'ours.csi'), ...within) === theirs, within.join(' '))
    }
  })
})
