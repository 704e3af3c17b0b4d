import type { BinningIndex, ReferenceIndex } from '../formats/binning-index.ts'
import type { Chunk } from '../formats/chunk.ts'
import type { VirtualOffset } from '../formats/virtual-offset.ts'
import { isEmptySpan, joinSpans } from './offset-spans.ts'
import type { PlaceMap } from './place-map.ts'

export interface SliceIndexTask {
  readonly index: BinningIndex
  readonly map: Pick<PlaceMap, 'resolve'>
  /** References of which records were taken over. */
  readonly referenceIds: ReadonlySet<number>
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

/**
 * The index of a slice, made of the input's: the place of every byte taken over is known, so chunks and lower bounds are
 * moved there and nothing is decoded (slicing.md 7). It holds no counts of mapped and unmapped reads: these are not known.
 */
export function deriveSliceIndex(task: SliceIndexTask): BinningIndex {
  const { index, map, referenceIds, referenceCount, unplaced } = task
  const nothing: ReferenceIndex = { bins: new Map(), linear: [], ...(index.references[0]?.lowest && { lowest: new Map() }) }
  const references = Array.from({ length: referenceCount }, (_, referenceId) => {
    const reference = index.references[referenceId]
    return reference && referenceIds.has(referenceId) ? mapReference(reference, map.resolve) : nothing
  })
  return { scheme: index.scheme, references, ...(unplaced !== undefined && { unplaced }) }
}
