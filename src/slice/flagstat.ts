import { createFlagTally, type FlagCounts } from './flag-counts.ts'
import type { RegionSelection } from './place-regions.ts'
import type { ReadSelection } from './slice-preparation.ts'
import type { Slicer } from './slicer.ts'

/** Where the fields begin that are not in a record's core (SAMv1 4.2). */
const mappingQualityAt = 13
const mateReferenceAt = 24

/** Counts the reads by their flags, as `samtools flagstat` does; {@link formatFlagCounts} makes its text. Default: all of the file. */
export async function flagstat(
  slicer: Pick<Slicer, 'batches'>,
  regions: RegionSelection = 'all',
  options: ReadSelection = {},
): Promise<FlagCounts> {
  const tally = createFlagTally()
  for await (const batch of slicer.batches(regions, { ...options, fields: 'places' })) {
    for (const { bytes, core } of batch) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
      const mateReferenceId = view.getInt32(mateReferenceAt, true)
      tally.add({ flags: core.flags, referenceId: core.referenceId, mateReferenceId, mappingQuality: view.getUint8(mappingQualityAt) })
    }
  }
  return tally.counts()
}
