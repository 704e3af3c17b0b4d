import { addressableBases, type BinningScheme, parentBin, regionToBin, regionToBinRanges } from './binning.ts'
import { type Chunk, mergeChunks } from './chunk.ts'
import { compareVirtualOffsets, laterVirtualOffset, type VirtualOffset } from './virtual-offset.ts'

/** What BAI's pseudo-bin says about a reference (SAMv1 5.2). */
export interface ReferenceStatistics {
  /** From its first record to behind its last. */
  readonly span: Chunk
  readonly mapped: number
  /** Unmapped, but placed beside their mate. */
  readonly unmapped: number
}

export interface ReferenceIndex {
  /** Chunks by bin, the pseudo-bin left out. */
  readonly bins: ReadonlyMap<number, readonly Chunk[]>
  /** BAI: by window of `2 ** minShift` bases, the first record that overlaps it. Empty in CSI. */
  readonly linear: readonly VirtualOffset[]
  /** CSI: by bin, the first record that overlaps the bin's region (`loff`). Absent in BAI. */
  readonly lowest?: ReadonlyMap<number, VirtualOffset>
  readonly statistics?: ReferenceStatistics
}

/** A BAI or CSI index in memory. */
export interface BinningIndex {
  readonly scheme: BinningScheme
  /** In the order of the header's references; an index may hold fewer. */
  readonly references: readonly ReferenceIndex[]
  /** Records without a place at the end of the file; absent when the index does not say. */
  readonly unplaced?: number
}

/** Where a record overlapping `start` or later can begin at the earliest: a lower bound, the file's begin when the index does not say. */
export function earliestOffset(reference: ReferenceIndex, start: number, scheme: BinningScheme): VirtualOffset {
  const none = { block: 0, within: 0 }
  if (reference.lowest) return lowestOffset(reference.lowest, start, scheme) ?? none
  let window = Math.min(Math.floor(start / 2 ** scheme.minShift), reference.linear.length - 1)
  // Some writers leave windows without records zero; the nearest one to the left is still a lower bound.
  while (window > 0 && reference.linear[window]?.block === 0 && reference.linear[window]?.within === 0) window -= 1
  return reference.linear[window] ?? none
}

/** The nearest indexed bin to the left of the leaf, else of its parent, and so on: entries rise with the place, so each is a lower bound. */
function lowestOffset(lowest: ReadonlyMap<number, VirtualOffset>, start: number, scheme: BinningScheme): VirtualOffset | undefined {
  let bin = regionToBin(start, start + 1, scheme)
  while (bin > 0 && !lowest.has(bin)) {
    const parent = parentBin(bin)
    bin = bin > parent * 8 + 1 ? bin - 1 : parent
  }
  return lowest.get(bin)
}

/**
 * The chunks that hold every record overlapping `[start, end)` (zero-based) of a reference, merged and in file order; they
 * hold others too.
 *
 * @param gapBytes joins chunks at most this many compressed bytes apart; default 0.
 */
export function chunksOverlapping(index: BinningIndex, referenceId: number, start: number, end: number, gapBytes = 0): Chunk[] {
  const reference = index.references[referenceId]
  if (!reference || end <= start || start >= addressableBases(index.scheme)) return []
  const earliest = earliestOffset(reference, Math.max(0, start), index.scheme)
  const ranges = regionToBinRanges(start, end, index.scheme)
  const found: Chunk[] = []
  for (const [bin, chunks] of reference.bins) {
    if (!ranges.some(({ first, last }) => bin >= first && bin <= last)) continue
    for (const chunk of chunks) {
      if (compareVirtualOffsets(chunk.end, earliest) > 0) found.push({ start: laterVirtualOffset(chunk.start, earliest), end: chunk.end })
    }
  }
  return mergeChunks(found, gapBytes)
}

/** Where the records without a place begin: behind the last record that has one. `undefined` when no record has. */
export function unplacedStart(index: BinningIndex): VirtualOffset | undefined {
  let last: VirtualOffset | undefined
  for (const { bins } of index.references) {
    for (const chunks of bins.values()) for (const { end } of chunks) last = last ? laterVirtualOffset(last, end) : end
  }
  return last
}
