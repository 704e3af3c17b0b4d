import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { createFileSource } from '../../src/bytes/file-source.ts'
import { createMemorySource } from '../../src/bytes/memory-source.ts'
import { formatRegion, type Region } from '../../src/core/region.ts'
import { createBgzfWriter } from '../../src/formats/bgzf-writer.ts'
import { parseCrai } from '../../src/formats/crai.ts'
import { encodeIndex } from '../../src/formats/encode-index.ts'
import { createFastaReference } from '../../src/formats/fasta.ts'
import { buildCramIndex } from '../../src/slice/build-cram-index.ts'
import { createSlicer } from '../../src/slice/create-slicer.ts'
import { formatFlagCounts } from '../../src/slice/flag-counts.ts'
import { flagstat } from '../../src/slice/flagstat.ts'
import { formatReferenceCounts } from '../../src/slice/reference-counts.ts'
import { createSamtoolsTool } from '../../src/slice/samtools-tool.ts'
import type { Slicer } from '../../src/slice/slicer.ts'
import { createRandom } from '../formats/bam-fixture.ts'
import { type CramLayout, cramLayouts, makeCramFixture } from '../formats/cram-fixture.ts'
import { suite } from '../support/suite.ts'
import { gather } from './slice-fixture.ts'

const missing =
  spawnSync('samtools', ['--version']).status === 0 ? undefined : 'samtools is not installed; get it by: apt-get install samtools'
const folder = mkdtempSync(join(tmpdir(), 'score-cram-samtools-'))
const random = createRandom(3_030)
const layouts = Object.keys(cramLayouts) as CramLayout[]
const path = (name: string): string => join(folder, name)

function samtools(...args: readonly string[]): string {
  const run = spawnSync('samtools', args, { cwd: folder, encoding: 'latin1', maxBuffer: 2 ** 30 })
  assert.is(run.status, 0, `samtools ${args.join(' ')}: ${run.stderr}`)
  return run.stdout
}

function openLayout(layout: CramLayout): Slicer {
  const read = (name: string) => createMemorySource(readFileSync(path(name)))
  const reference = createFastaReference({ fasta: createFileSource(path('ref.fa')), fai: read('ref.fa.fai') }, { name: 'ref.fa' })
  const sources = { data: read(`${layout}.cram`), index: read(`${layout}.cram.crai`), reference }
  return createSlicer({ ...sources, samtools: createSamtoolsTool({ reference: path('ref.fa') }) }, { name: `${layout}.cram` })
}

/** Regions of references whose names `samtools view -M` can read. */
function someRegions(): Region[] {
  return Array.from({ length: random.pick([1, 1, 2, 5]) }, () => {
    const start = random.below(119_000)
    return { reference: 'ctgA', start, end: start + 1 + random.below(random.pick([1, 300, 3000, 60_000])) }
  })
}

const textOf = async (pieces: AsyncIterable<Uint8Array>): Promise<string> => (await gather(pieces)).toString('latin1')

suite('CRAM slices agree with samtools', (plain) => {
  const test = missing === undefined ? plain : (name: string) => plain.skip(name, missing)

  plain.after(() => rmSync(folder, { recursive: true }))
  plain.before(() => {
    if (missing !== undefined) return
    const { fasta, fai, sam } = makeCramFixture(random, 2_500, 6)
    writeFileSync(path('ref.fa'), fasta)
    writeFileSync(path('ref.fa.fai'), fai)
    writeFileSync(path('reads.sam'), sam)
    samtools('view', '--no-PG', '-b', '-o', 'reads.bam', 'reads.sam')
    samtools('index', 'reads.bam')
    for (const layout of layouts) {
      const name = `${layout}.cram`
      samtools('view', '--no-PG', '-T', 'ref.fa', '-O', ['cram', ...cramLayouts[layout]].join(','), '-o', name, 'reads.sam')
      samtools('index', name)
    }
  })

  for (const layout of layouts) {
    const name = `${layout}.cram`
    test(`${layout}: SAM text of the file and of random regions, byte for byte`, async () => {
      const slicer = openLayout(layout)
      const whole = await textOf(slicer.slice('all', { format: 'sam', header: 'original' }))
      assert.ok(whole === samtools('view', '-h', '--no-PG', '-T', 'ref.fa', name), 'the whole file')
      for (let round = 0; round < 6; round += 1) {
        const regions = someRegions()
        const theirs = samtools('view', '-h', '--no-PG', '-M', '-T', 'ref.fa', name, ...regions.map(formatRegion))
        const ours = await textOf(slicer.slice(regions, { format: 'sam', header: 'original' }))
        assert.ok(ours === theirs, regions.map(formatRegion).join(' '))
      }
    })

    test(`${layout}: slices of containers pass quickcheck, and hold the same reads by an index of either's making`, async () => {
      const slicer = openLayout(layout)
      // Names that a file leaves out are made of its own.
      const out = name
      const folderOf = mkdtempSync(join(folder, 'slice-'))
      for (const regions of [someRegions(), [...someRegions(), { reference: 'HLA:A*01', start: 100, end: 9000 }], ['*'] as const]) {
        const slice = slicer.slice(regions, { format: 'cram' })
        writeFileSync(join(folderOf, out), await gather(slice))
        const { bytes, extension } = await encodeIndex(slice.sliceIndex())
        writeFileSync(join(folderOf, `${out}.${extension}`), bytes)
        samtools('quickcheck', join(folderOf, out))
        const asked = regions
          .map((region) => (typeof region === 'string' ? region : formatRegion(region)))
          .filter((region) => !region.includes('{'))
        const theirs = samtools('view', '-M', '-T', 'ref.fa', name, ...asked)
        assert.ok(theirs.length > 0, `${asked}`)
        assert.ok(samtools('view', '-M', '-T', 'ref.fa', join(folderOf, out), ...asked) === theirs, `our index: ${asked}`)
        samtools('index', join(folderOf, out))
        assert.ok(samtools('view', '-M', '-T', 'ref.fa', join(folderOf, out), ...asked) === theirs, `its own index: ${asked}`)
      }
    })
  }

  test('an index made by going through the file: entry for entry as samtools makes it', async () => {
    for (const layout of layouts) {
      const data = createFileSource(path(`${layout}.cram`))
      const { entries } = await buildCramIndex(data)
      await data.close()
      const theirs = await parseCrai(readFileSync(path(`${layout}.cram.crai`)))
      assert.equal(entries, theirs.entries, layout)
    }
  })

  test('flagstat and idxstats, without a reference', async () => {
    for (const layout of ['version-3.0', 'several-references'] as const) {
      const data = createMemorySource(readFileSync(path(`${layout}.cram`)))
      const lone = createSlicer({ data })
      assert.is(formatFlagCounts(await flagstat(lone)), samtools('flagstat', `${layout}.cram`))
      assert.is(formatReferenceCounts(await lone.referenceCounts()), samtools('idxstats', `${layout}.cram`))
    }
  })

  test('BAM out of CRAM: the same lines, quickcheck, and an index that answers as samtools’ own', async () => {
    const slice = openLayout('version-3.0').slice(['ctgA:20001-90000', '*'])
    writeFileSync(path('out.bam'), await gather(slice))
    writeFileSync(path('ours.bai'), (await encodeIndex(slice.sliceIndex())).bytes)
    samtools('quickcheck', 'out.bam')
    samtools('index', 'out.bam', 'theirs.bai')
    assert.ok(samtools('view', 'out.bam') === samtools('view', '-M', '-T', 'ref.fa', 'version-3.0.cram', 'ctgA:20001-90000', '*'))
    for (let round = 0; round < 8; round += 1) {
      const region = formatRegion(someRegions()[0] as Region)
      assert.ok(samtools('view', '-X', 'out.bam', 'ours.bai', region) === samtools('view', '-X', 'out.bam', 'theirs.bai', region), region)
    }
  })

  test('exact CRAM by samtools, of CRAM and of BAM; whole reads in the regions and regions that are allowed', async () => {
    const cram = openLayout('version-3.0')
    const read = (name: string) => createMemorySource(readFileSync(path(name)))
    const samtoolsTool = createSamtoolsTool({ reference: path('ref.fa') })
    const bam = createSlicer({ data: read('reads.bam'), index: read('reads.bam.bai'), samtools: samtoolsTool }, { name: 'reads.bam' })
    const regions = ['ctgA:30001-50000', 'ctgA:70001-70500']
    for (const [slicer, input] of [[cram, 'version-3.0.cram'] as const, [bam, 'reads.bam'] as const]) {
      const selections = [
        [{ exact: true }, samtools('view', '-M', '-T', 'ref.fa', input, ...regions)],
        [{ allowedRegions: ['ctgA:40001-60000'] }, samtools('view', '-T', 'ref.fa', input, 'ctgA:40001-50000')],
        [
          { contained: true },
          samtools('view', '-M', '-T', 'ref.fa', '-e', '(pos>=30001 && endpos<=50000) || (pos>=70001 && endpos<=70500)', input, ...regions),
        ],
      ] as const
      for (const [options, theirs] of selections) {
        const slice = slicer.slice(regions, { format: 'cram', ...options })
        writeFileSync(path('exact.cram'), await gather(slice))
        assert.ok(slice.exact)
        samtools('quickcheck', 'exact.cram')
        const ours = samtools('view', '-T', 'ref.fa', 'exact.cram')
        // What was MD or NM in a BAM is stored; where it was not, CRAM gives it when it is read.
        const known = (text: string) => (input === 'reads.bam' ? text.replace(/^((?:[^\t\n]*\t){10}[^\t\n]*).*$/gm, '$1') : text)
        assert.ok(theirs.length > 1000)
        assert.ok(known(ours) === known(theirs), `${input} ${JSON.stringify(options)}`)
      }
    }
  })

  test('exact CRAM without a reference at hand needs none to be read', async () => {
    const data = createMemorySource(readFileSync(path('reads.bam')))
    const slicer = createSlicer({ data, samtools: createSamtoolsTool() }, { name: 'reads.bam' })
    writeFileSync(path('loose.cram'), await gather(slicer.slice('all', { format: 'cram', header: 'original' })))
    assert.ok(samtools('view', 'loose.cram').split('\n').length === samtools('view', 'reads.bam').split('\n').length)
  })

  test('a reference compressed as BGZF, with the .gzi that samtools makes', async () => {
    const pieces: Uint8Array[] = []
    const writer = createBgzfWriter((piece) => void pieces.push(piece))
    await writer.write(readFileSync(path('ref.fa')))
    await writer.finish()
    writeFileSync(path('packed.fa.gz'), Buffer.concat(pieces))
    samtools('faidx', 'packed.fa.gz')
    const [fasta, fai, gzi] = ['packed.fa.gz', 'packed.fa.gz.fai', 'packed.fa.gz.gzi'].map((name) =>
      createMemorySource(readFileSync(path(name))),
    )
    if (!fasta || !fai || !gzi) throw new Error('unreachable')
    const data = createMemorySource(readFileSync(path('version-3.0.cram')))
    const slicer = createSlicer({ data, reference: createFastaReference({ fasta, fai, gzi }) })
    const sam = await textOf(slicer.slice('all', { format: 'sam', header: 'original' }))
    assert.ok(sam === samtools('view', '-h', '--no-PG', '-T', 'ref.fa', 'version-3.0.cram'))
    const lone = createSlicer({ data, reference: createFastaReference({ fasta, fai }, { name: 'packed.fa.gz' }) })
    const error = await gather(lone.slice('all')).catch((caught: unknown) => caught)
    assert.match(String(error), /packed\.fa\.gz: it is compressed, so its \.gzi is needed/)
  })
})
