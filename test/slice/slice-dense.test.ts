import * as assert from 'uvu/assert'
import { createMemorySource } from '../../src/bytes/memory-source.ts'
import { formatRegion } from '../../src/core/region.ts'
import type { BamRecord } from '../../src/formats/bam-record.ts'
import { createBamSlicer } from '../../src/slice/bam-slicer.ts'
import { createRandom } from '../formats/bam-fixture.ts'
import { suite } from '../support/suite.ts'
import { encodeAll, fullScan, gather, layBam, recordBytes } from './slice-fixture.ts'

const random = createRandom(31)

/** Long reads, so many bytes a window that its bin stays one of its own; some are spliced over several windows. */
function longRead(position: number): BamRecord {
  const spliced = random.below(40) === 0
  return {
    name: `r${random.below(1e9)}`,
    flags: 0,
    referenceId: 0,
    position,
    mappingQuality: 60,
    cigar: spliced
      ? [
          { length: 500, code: 'M' },
          { length: 30_000, code: 'N' },
          { length: 500, code: 'M' },
        ]
      : [{ length: 1000, code: 'M' }],
    mateReferenceId: -1,
    matePosition: -1,
    templateLength: 0,
    sequence: Array.from({ length: 1000 }, () => random.pick(['A', 'C', 'G', 'T'])).join(''),
    qualities: Uint8Array.from({ length: 1000 }, () => random.below(60)),
    tags: [],
  }
}

suite('slices of dense files agree with a full scan', (test) => {
  for (const contained of [false, true]) {
    test(contained ? 'contained' : 'overlapping', async () => {
      const positions = Array.from({ length: 1800 }, () => random.below(200_000)).sort((a, b) => a - b)
      const records = positions.map(longRead)
      const laid = await layBam(records, { blockBytes: () => 0xff00, aligned: true })
      const slicer = createBamSlicer({ data: createMemorySource(laid.bam), index: laid.index })
      let copied = 0
      for (let round = 0; round < 15; round += 1) {
        const region = { reference: 'ctgA', start: random.below(60_000), end: 120_000 + random.below(80_000) }
        const got = await recordBytes(await gather(slicer.slice([region], { contained, level: 1 })))
        assert.ok(got.equals(encodeAll(fullScan(records, [region], contained))), formatRegion(region))
        copied += (await slicer.plan([region], { contained })).copied.length
      }
      assert.ok(copied >= 10, `${copied} copies`)
    })
  }
})
