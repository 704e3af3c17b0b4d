import * as assert from 'uvu/assert'
import { createMemorySource } from '../../src/bytes/memory-source.ts'
import { isScoreError, type ProblemCode } from '../../src/core/errors.ts'
import { formatRegion } from '../../src/core/region.ts'
import { encodeBai } from '../../src/formats/bai.ts'
import { createBamReader } from '../../src/formats/bam-reader.ts'
import { decodeBamRecord } from '../../src/formats/bam-record-codec.ts'
import { eofMarker } from '../../src/formats/bgzf-block.ts'
import { csiSchemeFor } from '../../src/formats/csi.ts'
import { encodeIndex } from '../../src/formats/encode-index.ts'
import { parseIndex } from '../../src/formats/parse-index.ts'
import { createBamSlicer, type SliceOptions } from '../../src/slice/bam-slicer.ts'
import { buildBamIndex } from '../../src/slice/build-bam-index.ts'
import { countRegions } from '../../src/slice/count-regions.ts'
import { flagstat } from '../../src/slice/flagstat.ts'
import type { RegionSelection } from '../../src/slice/place-regions.ts'
import { quickCheck } from '../../src/slice/quick-check.ts'
import { createRandom, fixtureHeader, makeBam, sortedRecords } from '../formats/bam-fixture.ts'
import { suite } from '../support/suite.ts'
import { encodeAll, fullScan, gather, layBam, randomRegions, recordBytes } from './slice-fixture.ts'

const random = createRandom(314)
const records = sortedRecords(random, 3_000)
const laid = await layBam(records, { blockBytes: () => 9_000 })
const source = (bytes: Uint8Array) => createMemorySource(bytes)
const bare = createBamSlicer({ data: source(laid.bam) }, { name: 'x.bam' })
const indexed = createBamSlicer({ data: source(laid.bam), index: laid.index }, { name: 'x.bam' })

async function refusal(work: () => Promise<unknown>): Promise<{ readonly code: ProblemCode; readonly message: string }> {
  try {
    await work()
  } catch (error) {
    if (isScoreError(error)) return error
    throw error
  }
  throw new Error('nothing was refused')
}

/** Reads in an order that no index could be made of. */
const shuffled = records
  .filter((_, at) => at % 6 === 0)
  .map((record) => ({ record, key: random.unit() }))
  .sort((a, b) => a.key - b.key)
const unsorted = await layUnsorted()

async function layUnsorted(): Promise<Uint8Array> {
  const whole = await makeBam([], fixtureHeader, 1)
  const one = await Promise.all(shuffled.map(async ({ record }) => (await makeBam([record], fixtureHeader, 1)).bam))
  const header = whole.bam.subarray(0, -eofMarker.length)
  return Buffer.concat([header, ...one.map((bam) => bam.subarray(header.length, -eofMarker.length)), eofMarker])
}

suite('whole files and scans', (test) => {
  test('all of a file keeps its blocks; its index, derived, answers and has the counts', async () => {
    for (const layout of [
      { blockBytes: () => 9_000 },
      { blockBytes: () => 0xff00, aligned: true, csiScheme: csiSchemeFor(2_000_000, 12) },
    ]) {
      const file = await layBam(records, layout)
      const slicer = createBamSlicer({ data: source(file.bam), index: file.index })
      const slice = slicer.slice('all')
      const out = await gather(slice)
      assert.ok((await recordBytes(out)).equals(encodeAll(records)))
      const middle = Math.floor(file.bam.length / 2)
      assert.ok(out.includes(Buffer.from(file.bam.subarray(middle, middle + 500))))
      const index = await parseIndex((await encodeIndex(slice.sliceIndex())).bytes)
      const inner = createBamSlicer({ data: source(out), index })
      assert.equal(await inner.referenceCounts(), await slicer.referenceCounts())
      for (let round = 0; round < 10; round += 1) {
        const regions = randomRegions(random, records)
        assert.is(await inner.count(regions), fullScan(records, regions).length, regions.map(formatRegion).join(' '))
      }
    }
  })

  test('without an index: header, all, and scans; regions are refused with the way out', async () => {
    assert.equal(await bare.header(), fixtureHeader)
    assert.ok((await recordBytes(await gather(bare.slice('all')))).equals(encodeAll(records)))
    assert.is((await recordBytes(await gather(bare.slice([])))).length, 0)
    assert.is(await bare.count(['ctgA:1-500000'], { scan: true }), await indexed.count(['ctgA:1-500000']))
    const { code, message } = await refusal(() => bare.count(['ctgA']))
    assert.is(code, 'invalid-request')
    assert.match(message, /x\.bam: it has no index.*score index.*scan/)
    const slice = bare.slice('all')
    await gather(slice)
    assert.match((await refusal(async () => slice.sliceIndex())).message, /without an index/)
  })

  test('a scan chooses as an index does, in a file in any order', async () => {
    for (let round = 0; round < 25; round += 1) {
      const regions = randomRegions(random, records)
      const contained = round % 4 === 3
      const what = regions.map(formatRegion).join(' ')
      const wanted = encodeAll(fullScan(records, regions, contained))
      assert.ok((await recordBytes(await gather(bare.slice(regions, { scan: true, contained, level: 1 })))).equals(wanted), what)
      if (round > 8) continue
      const disordered = createBamSlicer({ data: source(unsorted) })
      const chosen = fullScan(
        shuffled.map(({ record }) => record),
        regions,
        contained,
      )
      const got = await recordBytes(await gather(disordered.slice(regions, { scan: true, contained, level: 1 })))
      assert.ok(got.equals(encodeAll(chosen)), `unsorted: ${what}`)
    }
  })

  test('a scan passes over an index that is wrong', async () => {
    const other = await layBam(sortedRecords(createRandom(315), 3_000), { blockBytes: () => 9_000 })
    const misled = createBamSlicer({ data: source(laid.bam), index: other.index }, { name: 'x.bam' })
    const { code, message } = await refusal(() => gather(misled.slice(['ctgA:100001-1900000'], { format: 'sam' })))
    assert.is(code, 'invalid-format')
    assert.match(message, /score index.*scan/)
    assert.is(await misled.count(['ctgA:100001-1900000'], { scan: true }), await indexed.count(['ctgA:100001-1900000']))
  })

  test('regions in the form of GA4GH', async () => {
    assert.is(await indexed.count([{ referenceName: 'ctgA' }]), await indexed.count(['ctgA']))
    const half = [{ referenceName: 'ctgA', start: 1_000_000 }]
    assert.is(await indexed.count(half), await indexed.count(['ctgA:1,000,001']))
    assert.is(await indexed.count([{ referenceName: '*' }]), await indexed.count(['*']))
    assert.match((await refusal(() => indexed.count([{ referenceName: '*', start: 5 }]))).message, /neither start nor end/)
    assert.match((await refusal(() => indexed.count([{ referenceName: 'ctgA', start: 9, end: 3 }]))).message, /end comes before/)
  })

  test('what is allowed bounds all of a file too, with and without an index', async () => {
    const allowedRegions = ['ctgA:200001-300000', '{HLA:A*01}:1-9000', 'ctgA:500001-600000', '*']
    const regions = [
      { reference: 'ctgA', start: 200_000, end: 300_000 },
      { reference: 'HLA:A*01', start: 0, end: 9_000 },
      { reference: 'ctgA', start: 500_000, end: 600_000 },
      { reference: '*', start: 0, end: 1 },
    ]
    const wanted = encodeAll(fullScan(records, regions))
    const selections: readonly (readonly [RegionSelection, SliceOptions])[] = [
      ['all', {}],
      ['all', { scan: true }],
      [['ctgA', '{HLA:A*01}', '*'], {}],
    ]
    for (const [selection, options] of selections) {
      const got = await recordBytes(await gather(indexed.slice(selection, { ...options, allowedRegions })))
      assert.ok(got.equals(wanted), `${String(selection)} ${JSON.stringify(options)}`)
    }
    assert.is((await refusal(() => gather(indexed.slice('all', { allowedRegions: [] })))).code, 'access-denied')
  })

  const cutOff: readonly (readonly [what: string, regions: RegionSelection, options: SliceOptions])[] = [
    ['all of it', 'all', {}],
    ['all of it as SAM', 'all', { format: 'sam' }],
    ['a scan', ['ctgA:1-10'], { scan: true }],
  ]
  for (const [what, regions, options] of cutOff) {
    test(`a file without its EOF marker: ${what} is refused`, async () => {
      const slicer = createBamSlicer({ data: source(laid.bam.subarray(0, -eofMarker.length)) })
      const { code, message } = await refusal(() => gather(slicer.slice(regions, options)))
      assert.is(code, 'invalid-format')
      assert.match(message, /EOF marker is missing/)
    })
  }
})

suite('indexes that are built, and counts', (test) => {
  test('an index built by a scan is the one that was made while writing', async () => {
    const made = await makeBam(records)
    const bai = await encodeIndex(await buildBamIndex(source(made.bam)))
    assert.is(bai.extension, 'bai')
    assert.ok(Buffer.from(made.bai).equals(bai.bytes))
    const csi = await encodeIndex(await buildBamIndex(source(made.bam), { kind: 'csi', minShift: 12 }))
    assert.is(csi.extension, 'csi')
    const slicer = createBamSlicer({ data: source(made.bam), index: await parseIndex(csi.bytes) })
    assert.is(await slicer.count(['ctgA:5000-900000']), await indexed.count(['ctgA:5000-900000']))
  })

  test('no index of a file out of order, and no BAI of a reference too long for it', async () => {
    const disordered = await refusal(() => buildBamIndex(source(unsorted), { name: 'x.bam' }))
    assert.is(disordered.code, 'invalid-format')
    assert.match(disordered.message, /^x\.bam: .*coordinate order.*samtools sort/)
    const long = { text: '@SQ\tSN:far\tLN:600000000\n', references: [{ name: 'far', length: 600_000_000 }] }
    const { bam } = await makeBam([], long, 6, csiSchemeFor(600_000_000))
    assert.is((await encodeIndex(await buildBamIndex(source(bam)))).extension, 'csi')
    assert.match((await refusal(() => buildBamIndex(source(bam), { kind: 'bai' }))).message, /too long for BAI/)
  })

  test('counts: of each region, of each reference, by flags', async () => {
    const regions = ['ctgA:1-100000', { reference: 'ctgA', start: 50_000, end: 100_000 }, '*']
    const counts = await countRegions(indexed, regions)
    assert.equal(
      counts.map(({ region }) => region),
      regions,
    )
    for (const { region, reads } of counts) assert.is(reads, await indexed.count([region]))
    const byIndex = await indexed.referenceCounts()
    assert.equal(byIndex, await indexed.referenceCounts({ scan: true }))
    assert.is(
      byIndex.reduce((sum, { mapped, unmapped }) => sum + mapped + unmapped, 0),
      records.length,
    )
    const { total, mapped } = await flagstat(indexed)
    assert.is(total.passed, records.length)
    assert.is(mapped.passed, records.filter(({ flags }) => (flags & 4) === 0).length)
    assert.is((await flagstat(indexed, ['ctgA'])).total.passed, await indexed.count(['ctgA']))
  })

  test('an index without counts says so instead of zeros', async () => {
    const slice = indexed.slice(['ctgA:1-100000'])
    const out = createBamSlicer({ data: source(await gather(slice)), index: slice.sliceIndex() }, { name: 'slice.bam' })
    const { code, message } = await refusal(() => out.referenceCounts())
    assert.is(code, 'invalid-request')
    assert.match(message, /slice\.bam: its index does not say how many.*scan/)
    assert.is((await out.referenceCounts({ scan: true }))[0]?.mapped, (await flagstat(out)).mapped.passed)
    const reference = indexed.slice(['ctgA'])
    const inner = createBamSlicer({ data: source(await gather(reference)), index: reference.sliceIndex() })
    assert.equal((await inner.referenceCounts())[0], (await indexed.referenceCounts())[0])
  })

  const checks: readonly (readonly [what: string, bytes: () => Promise<Uint8Array> | Uint8Array, says: readonly RegExp[]])[] = [
    ['a whole file', () => laid.bam, []],
    ['a file cut off', () => laid.bam.subarray(0, -100), [/EOF marker is missing at its end \(byte \d+\)/]],
    ['a file cut off in its header', () => laid.bam.subarray(0, 60), [/ends inside its BAM header/]],
    ['a file without references', async () => (await makeBam([], { text: '', references: [] })).bam, [/no references/]],
    ['nothing', () => new Uint8Array(0), [/empty file/]],
    ['SAM text', () => Buffer.from(fixtureHeader.text), [/SAM text/]],
    ['an index', () => encodeBai(laid.index), [/no block begins here/]],
  ]
  for (const [what, bytes, says] of checks) {
    test(`quick check of ${what}`, async () => {
      const { problems } = await quickCheck(source(await bytes()), 'x.bam')
      assert.is(problems.length, says.length, problems.join())
      for (const [at, pattern] of says.entries()) assert.match(problems[at] as string, pattern)
    })
  }

  test('the reader and the slicer see the same file', async () => {
    const places: number[] = []
    for await (const { bytes } of createBamReader(source(unsorted)).records()) places.push(decodeBamRecord(bytes).position)
    assert.equal(
      places,
      shuffled.map(({ record }) => record.position),
    )
  })
})
