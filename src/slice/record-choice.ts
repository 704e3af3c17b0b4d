import type { RecordCore } from '../formats/bam-record-codec.ts'
import type { PlacedRegion } from './slice-plan.ts'

/** Says of each record whether it belongs to the slice. Quickest when records come in file order. */
export type RecordChoice = (core: RecordCore) => boolean

/**
 * As `samtools view -M` chooses: a record belongs when it overlaps a region; a placed record without alignment counts as one
 * base. With `contained`: when it lies wholly in one region.
 *
 * @param regions merged, in file order; `all` takes every record
 */
export function createRecordChoice(regions: readonly PlacedRegion[] | 'all', contained: boolean): RecordChoice {
  if (regions === 'all') return () => true
  let at = 0
  return ({ referenceId, position, end }) => {
    const before = regions[at - 1]
    // A record that lies before the last one, as in a file that is not sorted: the search begins anew.
    if (before && !liesBefore(before, referenceId, position)) at = firstNotBefore(regions, referenceId, position)
    while (at < regions.length && liesBefore(regions[at] as PlacedRegion, referenceId, position)) at += 1
    const region = regions[at]
    if (region?.referenceId !== referenceId) return false
    if (referenceId < 0) return true
    return contained ? region.start <= position && end <= region.end : region.start < end
  }
}

function firstNotBefore(regions: readonly PlacedRegion[], referenceId: number, position: number): number {
  let low = 0
  let high = regions.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (liesBefore(regions[middle] as PlacedRegion, referenceId, position)) low = middle + 1
    else high = middle
  }
  return low
}

/** Whether no record from this place on can belong to the region. Those without a place come last, whatever their number. */
function liesBefore(region: PlacedRegion, referenceId: number, position: number): boolean {
  if (region.referenceId !== referenceId) return region.referenceId >= 0 && (referenceId < 0 || region.referenceId < referenceId)
  return referenceId >= 0 && region.end <= position
}
