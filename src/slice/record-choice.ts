import type { RecordCore } from '../formats/bam-record-codec.ts'
import type { PlacedRegion } from './slice-plan.ts'

/** Says of each record whether it belongs to the slice. Records must come in file order. */
export type RecordChoice = (core: RecordCore) => boolean

/**
 * As `samtools view -M` chooses: a record belongs when it overlaps a region; a placed record without alignment counts as one
 * base. With `contained`: when it lies wholly in one region.
 *
 * @param regions merged, in file order
 */
export function createRecordChoice(regions: readonly PlacedRegion[], contained: boolean): RecordChoice {
  let at = 0
  return ({ referenceId, position, end }) => {
    while (at < regions.length && liesBefore(regions[at] as PlacedRegion, referenceId, position)) at += 1
    const region = regions[at]
    if (region?.referenceId !== referenceId) return false
    if (referenceId < 0) return true
    return contained ? region.start <= position && end <= region.end : region.start < end
  }
}

/** Whether no record from this place on can belong to the region. Those without a place come last, whatever their number. */
function liesBefore(region: PlacedRegion, referenceId: number, position: number): boolean {
  if (region.referenceId !== referenceId) return region.referenceId >= 0 && (referenceId < 0 || region.referenceId < referenceId)
  return referenceId >= 0 && region.end <= position
}
