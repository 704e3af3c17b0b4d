import type { ByteRange } from '../core/byte-range.ts'
import { ScoreError } from '../core/errors.ts'
import type { CraiEntry, CramIndex } from '../formats/crai.ts'
import type { CramContainerHeader } from '../formats/cram-container.ts'
import type { CramHead } from '../formats/cram-header.ts'
import type { PlacedRegion } from './slice-plan.ts'

/** A container that an index names. */
export interface IndexedContainer {
  /** Its bytes in the file. The last one's end is the file's, as an index tells only where containers begin. */
  readonly range: ByteRange
  readonly entries: readonly CraiEntry[]
}

/** Where reads lie: of an index's entry, or of a container's header. */
type Place = Pick<CraiEntry, 'referenceId' | 'start' | 'end'>

/** Says whether reads of the regions may lie there. Several references may hold anything. */
export type PlaceFilter = (place: Place) => boolean

/** @param regions merged, in file order */
export function createPlaceFilter(regions: readonly PlacedRegion[] | 'all'): PlaceFilter {
  if (regions === 'all') return () => true
  const ofReference = new Map<number, PlacedRegion[]>()
  for (const region of regions) {
    const known = ofReference.get(region.referenceId)
    if (known) known.push(region)
    else ofReference.set(region.referenceId, [region])
  }
  return ({ referenceId, start, end }) => {
    if (referenceId === -2) return regions.length > 0
    const own = ofReference.get(referenceId)
    if (!own || referenceId === -1) return own !== undefined
    let low = 0
    for (let high = own.length; low < high; ) {
      const middle = (low + high) >> 1
      if ((own[middle] as PlacedRegion).end <= start) low = middle + 1
      else high = middle
    }
    // Reads whose CIGAR covers no base count as one; writers give their slices a span of 0.
    return (own[low]?.start ?? Number.POSITIVE_INFINITY) < Math.max(end, start + 1)
  }
}

/** An index that does not fit its file. */
export function craiMisfit(indexName: string, what: string): ScoreError<'invalid-format'> {
  return new ScoreError(
    'invalid-format',
    `${indexName}: ${what}; it is old or of another file, or the file was cut off: make it anew with 'samtools index', or go without it (scan)`,
  )
}

/** The containers of an index, in file order. @throws `invalid-format` when they cannot be this file's. */
export function containersOf(index: CramIndex, head: CramHead, indexName: string): IndexedContainer[] {
  const containers: { range: { start: number; end: number }; entries: CraiEntry[] }[] = []
  for (const entry of index.entries) {
    const { container, referenceId } = entry
    const last = containers.at(-1)
    if (container < head.bytes.length || container >= head.size)
      throw craiMisfit(
        indexName,
        `it points to byte ${container}; the containers of reads lie from byte ${head.bytes.length} to ${head.size}`,
      )
    if (referenceId < -2 || referenceId >= head.header.references.length)
      throw craiMisfit(indexName, `it names reference ${referenceId}; the file has ${head.header.references.length}`)
    if (last?.range.start === container) last.entries.push(entry)
    else {
      if (last) last.range.end = container
      containers.push({ range: { start: container, end: head.size }, entries: [entry] })
    }
  }
  return containers
}

/** @throws `invalid-format` when the container is not the one that the index means. */
export function requireIndexed(container: IndexedContainer, header: CramContainerHeader, indexName: string): void {
  const { entries, range } = container
  const starts = new Set(header.landmarks)
  const wrong = entries.find(
    ({ slice, referenceId }) =>
      !starts.has(slice) || (header.referenceId !== -2 && referenceId !== -2 && referenceId !== header.referenceId),
  )
  if (wrong)
    throw craiMisfit(
      indexName,
      `in the container at byte ${range.start} no slice of reference ${wrong.referenceId} begins at its byte ${wrong.slice}`,
    )
}
