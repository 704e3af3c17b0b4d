import { compareVirtualOffsets, laterVirtualOffset, type VirtualOffset } from './virtual-offset.ts'

/** A stretch of records in a BGZF file, half-open: `end` is the place behind the last record (SAMv1 5.1.1). */
export interface Chunk {
  readonly start: VirtualOffset
  readonly end: VirtualOffset
}

/**
 * The same records in as few chunks as can be, in file order: chunks that overlap, touch, or lie in one block are joined.
 *
 * @param gapBytes also joins chunks whose blocks are at most this many compressed bytes apart; default 0.
 */
export function mergeChunks(chunks: readonly Chunk[], gapBytes = 0): Chunk[] {
  const sorted = [...chunks].sort((a, b) => compareVirtualOffsets(a.start, b.start) || compareVirtualOffsets(a.end, b.end))
  const merged: Chunk[] = []
  for (const chunk of sorted) {
    const last = merged.at(-1)
    if (last && chunk.start.block - last.end.block <= gapBytes) {
      merged[merged.length - 1] = { start: last.start, end: laterVirtualOffset(last.end, chunk.end) }
    } else merged.push(chunk)
  }
  return merged
}
