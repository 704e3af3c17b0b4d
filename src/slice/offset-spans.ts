import type { Chunk } from '../formats/chunk.ts'
import { compareVirtualOffsets, earlierVirtualOffset, laterVirtualOffset, type VirtualOffset } from '../formats/virtual-offset.ts'

export function isEmptySpan({ start, end }: Chunk): boolean {
  return compareVirtualOffsets(start, end) >= 0
}

/** What lies in both; `undefined` when nothing does. */
export function clipSpan(span: Chunk, start: VirtualOffset, end: VirtualOffset): Chunk | undefined {
  const clipped = { start: laterVirtualOffset(span.start, start), end: earlierVirtualOffset(span.end, end) }
  return isEmptySpan(clipped) ? undefined : clipped
}

/** The same bytes in as few spans as can be, in file order. Unlike `mergeChunks` it adds none, so nothing between two spans gets in. */
export function joinSpans(spans: readonly Chunk[]): Chunk[] {
  const joined: Chunk[] = []
  const sorted = spans.filter((span) => !isEmptySpan(span)).sort((a, b) => compareVirtualOffsets(a.start, b.start))
  for (const span of sorted) {
    const last = joined.at(-1)
    if (last && compareVirtualOffsets(span.start, last.end) <= 0)
      joined[joined.length - 1] = { start: last.start, end: laterVirtualOffset(last.end, span.end) }
    else joined.push(span)
  }
  return joined
}

/** What is left of the spans without the holes; both joined, as {@link joinSpans} gives them. */
export function subtractSpans(spans: readonly Chunk[], holes: readonly Chunk[]): Chunk[] {
  const left: Chunk[] = []
  let first = 0
  for (const span of spans) {
    while (first < holes.length && compareVirtualOffsets((holes[first] as Chunk).end, span.start) <= 0) first += 1
    let { start } = span
    for (let at = first; at < holes.length; at += 1) {
      const hole = holes[at] as Chunk
      if (compareVirtualOffsets(hole.start, span.end) >= 0) break
      const before = { start, end: hole.start }
      if (!isEmptySpan(before)) left.push(before)
      start = laterVirtualOffset(start, hole.end)
    }
    const rest = { start, end: span.end }
    if (!isEmptySpan(rest)) left.push(rest)
  }
  return left
}
