import * as assert from 'uvu/assert'
import { createMemorySource } from '../../src/bytes/memory-source.ts'
import { formatRegion } from '../../src/core/region.ts'
import { encodeBamRecord } from '../../src/formats/bam-record-codec.ts'
import type { BinningIndex } from '../../src/formats/binning-index.ts'
import { csiSchemeFor } from '../../src/formats/csi.ts'
import { createBamSlicer } from '../../src/slice/bam-slicer.ts'
import { createRandom, fixtureHeader, randomRecord, sortedRecords } from '../formats/bam-fixture.ts'
import { suite } from '../support/suite.ts'
import { encodeAll, fullScan, gather, type Layout, layBam, randomRegions, recordBytes } from './slice-fixture.ts'

const random = createRandom(7_007)
const records = sortedRecords(random, 3_000)
const full = 0xff00

/** As some old writers left it: no counts, and each window of the linear index only where it changes. */
function impoverish(index: BinningIndex): BinningIndex {
  const zero = { block: 0, within: 0 }
  const references = index.references.map(({ bins, linear }) => ({
    bins,
    linear: linear.map((offset, at) => {
      const left = linear[at - 1]
      return left && left.block === offset.block && left.within === offset.within ? zero : offset
    }),
  }))
  return { scheme: index.scheme, references }
}

interface Case {
  readonly layout: Layout
  readonly change?: (index: BinningIndex) => BinningIndex
}

const cases: Readonly<Record<string, Case>> = {
  'as htslib writes': { layout: { blockBytes: () => full, aligned: true } },
  'records across blocks, header in their block': { layout: { blockBytes: () => full } },
  'blocks of 1 to 4000 bytes, CSI with windows of 4 KiB': {
    layout: { blockBytes: () => 1 + random.below(4000), csiScheme: csiSchemeFor(2_000_000, 12) },
  },
  'empty blocks in the middle': { layout: { blockBytes: () => 500 + random.below(20_000), emptyEvery: 5 } },
  'an index without counts and with a thinned linear index': { layout: { blockBytes: () => full, aligned: true }, change: impoverish },
  CSI: { layout: { blockBytes: () => 30_000, aligned: true, csiScheme: csiSchemeFor(2_000_000) } },
}

suite('slices agree with a full scan', (test) => {
  for (const [name, { layout, change }] of Object.entries(cases)) {
    test(`${name}: 50 random sets of regions`, async () => {
      const laid = await layBam(records, layout)
      const index = change ? change(laid.index) : laid.index
      const slicer = createBamSlicer({ data: createMemorySource(laid.bam), index })
      let copied = 0
      for (let round = 0; round < 50; round += 1) {
        const regions = randomRegions(random, records)
        const contained = round % 5 === 4
        const what = `${contained ? 'contained in ' : ''}${regions.map(formatRegion).join(' ')}`
        const wanted = encodeAll(fullScan(records, regions, contained))
        const bam = await gather(slicer.slice(regions, { contained, level: 1, verify: round % 7 === 0 }))
        const got = await recordBytes(bam)
        assert.ok(got.equals(wanted), `${what}: ${got.length} bytes of records instead of ${wanted.length}`)
        for (const range of (await slicer.plan(regions, { contained })).copied) copied += range.end - range.start
      }
      assert.ok(copied > laid.bam.length, `only ${copied} bytes were copied`)
    })
  }

  test('records() and count() agree too', async () => {
    const laid = await layBam(records, { blockBytes: () => 3000 })
    const slicer = createBamSlicer({ data: createMemorySource(laid.bam), index: laid.index })
    for (let round = 0; round < 20; round += 1) {
      const regions = randomRegions(random, records)
      const contained = round % 3 === 2
      const wanted = fullScan(records, regions, contained)
      assert.is(await slicer.count(regions, { contained }), wanted.length)
      const got: Uint8Array[] = []
      for await (const record of slicer.records(regions, { contained })) got.push(encodeBamRecord(record))
      assert.ok(Buffer.concat(got).equals(encodeAll(wanted)))
    }
  })

  test('the index of a slice answers as the slice itself does', async () => {
    for (const layout of [cases['as htslib writes'], cases['empty blocks in the middle'], cases['CSI']] as const) {
      const laid = await layBam(records, (layout as Case).layout)
      const slicer = createBamSlicer({ data: createMemorySource(laid.bam), index: laid.index })
      for (let round = 0; round < 8; round += 1) {
        const regions = randomRegions(random, records)
        const slice = slicer.slice(regions, { level: 1, header: 'original' })
        const bam = await gather(slice)
        const inner = createBamSlicer({ data: createMemorySource(bam), index: slice.sliceIndex() })
        const first = fullScan(records, regions)
        for (let query = 0; query < 6; query += 1) {
          const within = randomRegions(random, records)
          const wanted = encodeAll(fullScan(first, within))
          const got = await recordBytes(await gather(inner.slice(within, { level: 1 })))
          assert.ok(got.equals(wanted), `${within.map(formatRegion).join(' ')} of ${regions.map(formatRegion).join(' ')}`)
        }
      }
    }
  })

  test('beyond 512 Mi bases', async () => {
    const header = {
      text: '@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:far\tLN:2000000000\n@SQ\tSN:near\tLN:1000\n',
      references: [
        { name: 'far', length: 2_000_000_000 },
        { name: 'near', length: 1000 },
      ],
    }
    const positions = Array.from({ length: 2000 }, () => random.pick([600_000_000, 1_999_000_000, 10]) + random.below(300_000)).sort(
      (a, b) => a - b,
    )
    const far = positions.map((position) => randomRecord(random, { referenceId: 0, position }))
    const laid = await layBam(far, { blockBytes: () => 20_000, csiScheme: csiSchemeFor(2_000_000_000) }, header)
    const slicer = createBamSlicer({ data: createMemorySource(laid.bam), index: laid.index })
    for (let round = 0; round < 40; round += 1) {
      const regions = randomRegions(random, far, header).concat(
        round % 2 ? { reference: 'far', start: 600_000_000 + round * 5000, end: 600_300_000 } : [],
      )
      const got = await recordBytes(await gather(slicer.slice(regions, { level: 1 })))
      assert.ok(got.equals(encodeAll(fullScan(far, regions, false, header))), regions.map(formatRegion).join(' '))
    }
  })

  test('the fixture has what it needs', () => {
    assert.ok(records.length > 3000)
    assert.ok(fullScan(records, [{ reference: 'HLA:A*01', start: 0, end: 1e9 }]).length > 1000)
    assert.ok(fixtureHeader.references.length === 3)
  })
})
