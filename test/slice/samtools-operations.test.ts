import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { createMemorySource } from '../../src/bytes/memory-source.ts'
import { recordFlags } from '../../src/formats/bam-record.ts'
import { encodeIndex } from '../../src/formats/encode-index.ts'
import { parseIndex } from '../../src/formats/parse-index.ts'
import { createBamSlicer } from '../../src/slice/bam-slicer.ts'
import { buildBamIndex } from '../../src/slice/build-bam-index.ts'
import { createFlagTally, formatFlagCounts } from '../../src/slice/flag-counts.ts'
import { flagstat } from '../../src/slice/flagstat.ts'
import { mergeSlices } from '../../src/slice/merge-slices.ts'
import { quickCheck } from '../../src/slice/quick-check.ts'
import { formatReferenceCounts } from '../../src/slice/reference-counts.ts'
import { createRandom, fixtureHeader, makeBam, sortedRecords } from '../formats/bam-fixture.ts'
import { suite } from '../support/suite.ts'
import { gather } from './slice-fixture.ts'

const missing = spawnSync('samtools', ['--version']).status === 0 ? undefined : 'samtools is not installed; apt-get install samtools'
const folder = mkdtempSync(join(tmpdir(), 'score-samtools-operations-'))
const random = createRandom(1_216)
const { first, last, mateUnmapped, paired, properPair, secondary, supplementary, duplicate, failedChecks } = recordFlags
const bits = [paired, properPair, mateUnmapped, first, last, secondary, supplementary, duplicate, failedChecks]

/** Flags of every kind, also such as no machine writes. */
const records = sortedRecords(random, 3_000).map((record) => ({
  ...record,
  flags: bits.reduce((flags, bit) => (random.below(3) === 0 ? flags | bit : flags), record.flags),
}))

function samtools(...args: readonly string[]): string {
  const run = spawnSync('samtools', args, { encoding: 'latin1', maxBuffer: 2 ** 30 })
  assert.is(run.status, 0, `samtools ${args.join(' ')}: ${run.stderr}`)
  return run.stdout
}

suite('the operations of samtools', (plain) => {
  const test = missing === undefined ? plain : (name: string) => plain.skip(name, missing)
  const bam = join(folder, 'in.bam')
  let bytes: Uint8Array = new Uint8Array(0)

  plain.after(() => rmSync(folder, { recursive: true }))
  plain.before(async () => {
    bytes = (await makeBam(records)).bam
    writeFileSync(bam, bytes)
  })

  test('flagstat, byte for byte', async () => {
    assert.is(formatFlagCounts(await flagstat(createBamSlicer({ data: createMemorySource(bytes) }))), samtools('flagstat', bam))
    writeFileSync(join(folder, 'none.bam'), (await makeBam([])).bam)
    assert.is(formatFlagCounts(createFlagTally().counts()), samtools('flagstat', join(folder, 'none.bam')))
  })

  test('shares in percent where they round to even, and where single precision tells', () => {
    // 1 and 3 of 32 are 3.125 % and 9.375 %, exact ties; 97 of 800 is 12.125 %, which single precision moves.
    for (const [mapped, all] of [
      [97, 800],
      [1, 32],
      [3, 32],
      [1, 16],
      [1, 800],
      [3, 800],
      [2, 3],
      [10_001, 16_000],
      [13, 29],
      [7_777, 7_999],
    ] as const) {
      const lines = Array.from({ length: all }, (_, at) => `r\t${at < mapped ? 0 : 4}\tctgA\t1\t0\t1M\t*\t0\t0\tA\tI`)
      const sam = join(folder, 'share.sam')
      writeFileSync(sam, `${fixtureHeader.text}${lines.join('\n')}\n`)
      const tally = createFlagTally()
      for (let at = 0; at < all; at += 1) tally.add({ flags: at < mapped ? 0 : 4, referenceId: 0, mateReferenceId: -1, mappingQuality: 0 })
      assert.is(formatFlagCounts(tally.counts()), samtools('flagstat', sam), `${mapped} of ${all}`)
    }
  })

  test('an index that answers as samtools’ own; idxstats from either, byte for byte', async () => {
    samtools('index', bam)
    samtools('index', '-c', '-m', '12', bam, join(folder, 'samtools.csi'))
    const ours = {
      bai: await encodeIndex(await buildBamIndex(createMemorySource(bytes))),
      csi: await encodeIndex(await buildBamIndex(createMemorySource(bytes), { kind: 'csi', minShift: 12 })),
    }
    const statistics = samtools('idxstats', bam)
    for (const [kind, theirs] of [
      ['bai', `${bam}.bai`],
      ['csi', join(folder, 'samtools.csi')],
    ] as const) {
      const path = join(folder, `ours.${kind}`)
      writeFileSync(path, ours[kind].bytes)
      assert.equal(await parseIndex(ours[kind].bytes), await parseIndex(readFileSync(theirs)))
      assert.is(samtools('view', '-X', bam, path, 'ctgA:5000-900000'), samtools('view', '-X', bam, theirs, 'ctgA:5000-900000'))
      const slicer = createBamSlicer({ data: createMemorySource(bytes), index: createMemorySource(ours[kind].bytes) })
      assert.is(formatReferenceCounts(await slicer.referenceCounts()), statistics)
      assert.is(formatReferenceCounts(await slicer.referenceCounts({ scan: true })), statistics)
    }
  })

  test('quickcheck finds what samtools finds', async () => {
    const files: readonly (readonly [name: string, bytes: Uint8Array])[] = [
      ['whole', bytes],
      ['cut', bytes.subarray(0, -40)],
      ['short', bytes.subarray(0, 100)],
      ['text', Buffer.from('hello, world, this is no BAM file at all')],
      ['bare', (await makeBam([], { text: '@HD\tVN:1.6\n', references: [] })).bam],
    ]
    for (const [name, content] of files) {
      const path = join(folder, name)
      writeFileSync(path, content)
      const theirs = spawnSync('samtools', ['quickcheck', path]).status === 0
      assert.is((await quickCheck(createMemorySource(content))).problems.length === 0, theirs, name)
    }
  })

  test('a merged file has the reads of samtools merge, and passes its checks', async () => {
    const others = sortedRecords(random, 1_000)
    const second = join(folder, 'second.bam')
    const more = (await makeBam(others)).bam
    writeFileSync(second, more)
    const inputs = [bytes, more].map((content, at) => ({
      name: `${at}.bam`,
      slicer: createBamSlicer({ data: createMemorySource(content) }),
    }))
    const slice = mergeSlices(inputs, 'all')
    const out = join(folder, 'merged.bam')
    writeFileSync(out, await gather(slice))
    writeFileSync(`${out}.bai`, (await encodeIndex(slice.sliceIndex())).bytes)
    samtools('merge', '-f', '-o', join(folder, 'theirs.bam'), bam, second)
    samtools('quickcheck', out)
    const sorted = (path: string): string[] => samtools('view', path).split('\n').sort()
    assert.equal(sorted(out), sorted(join(folder, 'theirs.bam')))
    const places = (path: string): string[] =>
      samtools('view', path)
        .split('\n')
        .map((line) => line.split('\t').slice(2, 4).join(' '))
    assert.equal(places(out), places(join(folder, 'theirs.bam')))
    samtools('index', join(folder, 'theirs.bam'))
    assert.is(samtools('idxstats', out), samtools('idxstats', join(folder, 'theirs.bam')))
    assert.is(samtools('view', '-c', out, 'ctgA:5000-900000'), samtools('view', '-c', join(folder, 'theirs.bam'), 'ctgA:5000-900000'))
  })

  test('regions that are written oddly mean what they mean to samtools', async () => {
    const slicer = createBamSlicer({ data: createMemorySource(bytes), index: await buildBamIndex(createMemorySource(bytes)) })
    for (const region of [
      'ctgA:',
      'ctgA:5-0',
      'ctgA:1,000,000-0',
      'ctgA:0-0',
      'ctgA:-0',
      'ctgA:-500,000',
      'ctgA:1e6',
      '{ctgA}:5-9000',
      '{HLA:A*01}',
      'HLA:A*01:100000',
    ])
      assert.is(String(await slicer.count([region])), samtools('view', '-c', bam, region).trim(), region)
  })

  test('a slice by a scan is what samtools view -L gives without an index', async () => {
    const bed = join(folder, 'targets.bed')
    writeFileSync(bed, 'ctgA\t1000\t200000\nHLA:A*01\t500\t90000\n')
    const theirs = samtools('view', '-L', bed, bam)
    const regions = [
      { reference: 'HLA:A*01', start: 500, end: 90_000 },
      { reference: 'ctgA', start: 1000, end: 200_000 },
    ]
    const ours = await gather(
      createBamSlicer({ data: createMemorySource(bytes) }).slice(regions, { scan: true, format: 'sam', header: 'original' }),
    )
    assert.ok(theirs.length > 10_000)
    assert.is(ours.toString('latin1'), fixtureHeader.text + theirs)
  })
})
