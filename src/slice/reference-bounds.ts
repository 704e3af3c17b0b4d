import { binToRegion, firstBinOfLevel, parentBin, regionToBin } from '../formats/binning.ts'
import { type BinningIndex, earliestOffset } from '../formats/binning-index.ts'
import type { Chunk } from '../formats/chunk.ts'
import { earlierVirtualOffset, laterVirtualOffset, type VirtualOffset } from '../formats/virtual-offset.ts'

/**
 * What an index says about where the records of one reference lie. `V(x)`, the place of the first record at `x` or
 * behind it, is not in an index; it lies between `lower(x)` and `upper(x)`.
 */
export interface ReferenceBounds {
  /** From the first record of the reference to behind its last; both exact. */
  readonly span: Chunk
  lower(position: number): VirtualOffset
  upper(position: number): VirtualOffset
  /** Chunks of the bins that hold both `position - 1` and `position`: every record that reaches from before `position` into it is in them. */
  crossing(position: number): Chunk[]
  /** No record that reaches to `position` or behind it begins before. */
  earliest(position: number): VirtualOffset
}

interface Step {
  readonly border: number
  readonly offset: VirtualOffset
}

/** How many of the ascending steps have a border that `isBefore` accepts. */
function countSteps(steps: readonly Step[], isBefore: (border: number) => boolean): number {
  let low = 0
  let high = steps.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (isBefore((steps[middle] as Step).border)) low = middle + 1
    else high = middle
  }
  return low
}

function collectSteps(index: BinningIndex, referenceId: number): { readonly ends: Step[]; readonly starts: Step[] } {
  const ends: Step[] = []
  const starts: Step[] = []
  for (const [bin, chunks] of index.references[referenceId]?.bins ?? []) {
    const [first, ...others] = chunks
    if (!first) continue
    const region = binToRegion(bin, index.scheme)
    starts.push({ border: region.start, offset: others.reduce((least, { start }) => earlierVirtualOffset(least, start), first.start) })
    ends.push({ border: region.end, offset: others.reduce((most, { end }) => laterVirtualOffset(most, end), first.end) })
  }
  ends.sort((a, b) => a.border - b.border)
  starts.sort((a, b) => a.border - b.border)
  for (let at = 1; at < ends.length; at += 1) {
    const { border, offset } = ends[at] as Step
    ends[at] = { border, offset: laterVirtualOffset(offset, (ends[at - 1] as Step).offset) }
  }
  for (let at = starts.length - 2; at >= 0; at -= 1) {
    const { border, offset } = starts[at] as Step
    starts[at] = { border, offset: earlierVirtualOffset(offset, (starts[at + 1] as Step).offset) }
  }
  return { ends, starts }
}

/**
 * The bounds rest on one property of BAI and CSI, kept by every writer known: a chunk begins at a record of its bin and ends
 * behind one. So records before the end of a chunk lie before the end of its bin, and records from its start on do not lie
 * before the start of its bin.
 *
 * @returns `undefined` when the reference has no records.
 */
export function createReferenceBounds(index: BinningIndex, referenceId: number): ReferenceBounds | undefined {
  const { scheme } = index
  const reference = index.references[referenceId]
  const { ends, starts } = collectSteps(index, referenceId)
  const first = starts[0]
  const last = ends.at(-1)
  if (!reference || !first || !last) return undefined
  const span = { start: first.offset, end: last.offset }
  const limit = (last.border - 1) as number
  const within = (offset: VirtualOffset): VirtualOffset => earlierVirtualOffset(laterVirtualOffset(offset, span.start), span.end)
  const earliest = (position: number): VirtualOffset => {
    return position <= 0 ? span.start : within(earliestOffset(reference, Math.min(position, limit), scheme))
  }
  return {
    span,
    earliest,
    lower(position) {
      const before = ends[countSteps(ends, (border) => border <= position) - 1]
      return before ? laterVirtualOffset(before.offset, earliest(position)) : earliest(position)
    },
    upper: (position) => starts[countSteps(starts, (border) => border < position)]?.offset ?? span.end,
    crossing(position) {
      if (position <= 0 || position > limit) return []
      const found: Chunk[] = []
      for (let bin = regionToBin(position, position + 1, scheme); ; bin = parentBin(bin)) {
        if (binToRegion(bin, scheme).start < position) found.push(...(reference.bins.get(bin) ?? []))
        if (bin === firstBinOfLevel(0)) return found
      }
    },
  }
}
