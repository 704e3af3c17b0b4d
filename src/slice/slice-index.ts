import type { BinningIndex, ReferenceIndex, ReferenceStatistics } from '../formats/binning-index.ts'
import type { Chunk } from '../formats/chunk.ts'
import type { VirtualOffset } from '../formats/virtual-offset.ts'
import { isEmptySpan, joinSpans } from './offset-spans.ts'
import type { PlaceMap } from './place-map.ts'

export interface SliceIndexTask {
  readonly index: BinningIndex
  readonly map: Pick<PlaceMap, 'resolve'>
  /** References of which records were taken over. */
  readonly referenceIds: ReadonlySet<number>
  /** Those of which all records were taken over, so that their counts stay right. */
  readonly wholeIds: ReadonlySet<number>
  readonly referenceCount: number
  /** Records without a place in the slice; absent when not known. */
  readonly unplaced?: number
}

const isZero = ({ block, within }: VirtualOffset): boolean => block === 0 && within === 0

/** An entry that was never set takes its left neighbour's, which is a lower bound too. */
function mapLinear(linear: readonly VirtualOffset[], resolve: (offset: VirtualOffset) => VirtualOffset): VirtualOffset[] {
  let last: VirtualOffset = { block: 0, within: 0 }
  return linear.map((offset) => {
    if (!isZero(offset)) last = resolve(offset)
    return last
  })
}

function mapReference(reference: ReferenceIndex, resolve: (offset: VirtualOffset) => VirtualOffset): ReferenceIndex {
  const bins = new Map<number, Chunk[]>()
  for (const [bin, chunks] of reference.bins) {
    const mapped = chunks.map(({ start, end }) => ({ start: resolve(start), end: resolve(end) })).filter((chunk) => !isEmptySpan(chunk))
    if (mapped.length > 0) bins.set(bin, joinSpans(mapped))
  }
  const linear = bins.size === 0 ? [] : mapLinear(reference.linear, resolve)
  if (!reference.lowest) return { bins, linear }
  const lowest = new Map<number, VirtualOffset>()
  for (const bin of bins.keys()) lowest.set(bin, resolve(reference.lowest.get(bin) ?? { block: 0, within: 0 }))
  return { bins, linear, lowest }
}

function withStatistics(mapped: ReferenceIndex, statistics: ReferenceStatistics | undefined, resolve: PlaceMap['resolve']): ReferenceIndex {
  if (!statistics) return mapped
  const { span, ...counts } = statistics
  return { ...mapped, statistics: { span: { start: resolve(span.start), end: resolve(span.end) }, ...counts } }
}

/**
 * The index of a slice, made of the input's: the place of every byte taken over is known, so chunks and lower bounds are
 * moved there and nothing is decoded (slicing.md 7). Counts of mapped and unmapped reads are known of whole references only.
 */
export function deriveSliceIndex(task: SliceIndexTask): BinningIndex {
  const { index, map, referenceIds, wholeIds, referenceCount, unplaced } = task
  const nothing: ReferenceIndex = { bins: new Map(), linear: [], ...(index.references[0]?.lowest && { lowest: new Map() }) }
  const references = Array.from({ length: referenceCount }, (_, referenceId) => {
    const reference = index.references[referenceId]
    if (!reference || !referenceIds.has(referenceId)) return nothing
    const mapped = mapReference(reference, map.resolve)
    return wholeIds.has(referenceId) ? withStatistics(mapped, reference.statistics, map.resolve) : mapped
  })
  return { scheme: index.scheme, references, ...(unplaced !== undefined && { unplaced }) }
}
