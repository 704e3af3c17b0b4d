import { coalesceRanges } from '../bytes/read-ahead.ts'
import { type ByteRange, rangeLength } from '../core/byte-range.ts'
import type { Region } from '../core/region.ts'
import { maximumBlockBytes } from '../formats/bgzf-block.ts'
import type { Chunk } from '../formats/chunk.ts'
import { earlierVirtualOffset, type VirtualOffset } from '../formats/virtual-offset.ts'
import { clipSpan, joinSpans, subtractSpans } from './offset-spans.ts'
import type { ReferenceBounds } from './reference-bounds.ts'

/** A region with its reference's number; -1 and all of it for the reads without a place. */
export interface PlacedRegion extends Region {
  readonly referenceId: number
}

/** A stretch of records, in file order. */
export interface SliceSpan extends Chunk {
  /** Absent: records of any reference, in any order. */
  readonly referenceId?: number
  /** `keep`: every record of it belongs to the slice. `sift`: each record is looked at. */
  readonly mode: 'keep' | 'sift'
  /** No record of a kept span lies before; -1 for the reads without a place. */
  readonly leastPosition: number
  /** Of sifted spans: what need not be looked at. In order; spans of one reference share them. */
  readonly leaps?: readonly Leap[]
}

/** Once a record at `position` or behind it was met, none belongs to the slice before the place `to`; without one, none of the reference. */
export interface Leap {
  readonly position: number
  readonly to?: VirtualOffset
}

/** What is done with the blocks, in file order. */
export type BlockMove =
  /** Inflate the blocks that begin from `first` to `last`, both included. */
  | { readonly kind: 'inflate'; readonly first: number; readonly last: number }
  /** Copy from where the last move ended up to `until`. */
  | { readonly kind: 'copy'; readonly until: number }

export interface SpanRequest {
  /** Of references, merged, in file order. */
  readonly regions: readonly PlacedRegion[]
  readonly contained: boolean
  readonly boundsOf: (referenceId: number) => ReferenceBounds | undefined
}

/** Shorter stretches of kept records are not worth a copy of their own: at both their ends a block is inflated anyway. */
const leastCopyBytes = 128 * 1024
/** Reads closer together than this become one: a round trip costs more than these bytes. */
const gapBytes = 64 * 1024

interface Stretches {
  readonly sift: Chunk[]
  readonly keep: (Chunk & { readonly leastPosition: number })[]
}

function stretchesOf(region: PlacedRegion, bounds: ReferenceBounds, contained: boolean): Stretches {
  const { start, end } = region
  const from = start <= 0 ? bounds.span.start : bounds.lower(start)
  const certain = start <= 0 ? bounds.span.start : bounds.upper(start)
  const until = bounds.lower(end)
  const behind = bounds.upper(end)
  const clip = (chunks: readonly Chunk[], first: VirtualOffset, last: VirtualOffset): Chunk[] =>
    chunks.flatMap((chunk) => clipSpan(chunk, first, last) ?? [])
  const prefix = contained ? [] : clip(bounds.crossing(start), bounds.earliest(start), from)
  const leaving = contained ? clip(bounds.crossing(end), from, behind) : []
  const middle = clipSpan({ start: certain, end: until }, bounds.span.start, bounds.span.end)
  if (!middle) return { sift: [...prefix, { start: from, end: behind }], keep: [] }
  const edges = [...prefix, { start: from, end: certain }, { start: until, end: behind }]
  const kept = subtractSpans([middle], joinSpans(leaving))
  const long = kept.filter((span) => span.end.block - span.start.block >= leastCopyBytes)
  const short = kept.filter((span) => span.end.block - span.start.block < leastCopyBytes)
  return { sift: [...edges, ...leaving, ...short], keep: long.map((span) => ({ ...span, leastPosition: start })) }
}

/** Behind the end of each region, the next records that can belong to the slice are those of the regions behind it. */
function leapsOf(regions: readonly PlacedRegion[], stretches: readonly Stretches[]): Leap[] {
  const leaps: Leap[] = []
  let to: VirtualOffset | undefined
  for (let at = regions.length - 1; at >= 0; at -= 1) {
    leaps.push({ position: (regions[at] as PlacedRegion).end, ...(to && { to }) })
    const { sift, keep } = stretches[at] as Stretches
    for (const { start } of [...sift, ...keep]) to = to ? earlierVirtualOffset(to, start) : start
  }
  return leaps.reverse()
}

function spansOfReference(regions: readonly PlacedRegion[], bounds: ReferenceBounds, contained: boolean): SliceSpan[] {
  const referenceId = (regions[0] as PlacedRegion).referenceId
  const stretches = regions.map((region) => stretchesOf(region, bounds, contained))
  const keep = stretches.flatMap((one) => one.keep)
  const sift = joinSpans(stretches.flatMap((one) => one.sift))
  const leaps = leapsOf(regions, stretches)
  // With `contained`, kept spans were cut around what must be sifted; else what one region keeps no other needs to sift.
  return [
    ...keep.map((span): SliceSpan => ({ ...span, referenceId, mode: 'keep' })),
    ...subtractSpans(sift, joinSpans(keep)).map((span): SliceSpan => ({ ...span, referenceId, mode: 'sift', leastPosition: -1, leaps })),
  ].sort((a, b) => a.start.block - b.start.block || a.start.within - b.start.within)
}

/** The stretches of the file in which the records of the regions lie, in file order, none overlapping another. */
export function planSpans(request: SpanRequest): SliceSpan[] {
  const spans: SliceSpan[] = []
  const { regions, contained, boundsOf } = request
  for (let at = 0; at < regions.length; ) {
    const { referenceId } = regions[at] as PlacedRegion
    const first = at
    while (at < regions.length && regions[at]?.referenceId === referenceId) at += 1
    const bounds = boundsOf(referenceId)
    if (bounds) spans.push(...spansOfReference(regions.slice(first, at), bounds, contained))
  }
  return spans
}

/** @param copying false: every block is inflated, as records are wanted and not a file. */
export function planMoves(spans: readonly SliceSpan[], copying: boolean): BlockMove[] {
  const moves: BlockMove[] = []
  const inflate = (first: number, last: number): void => {
    const before = moves.at(-1)
    if (before?.kind === 'inflate' && first <= before.last) moves[moves.length - 1] = { ...before, last: Math.max(last, before.last) }
    else moves.push({ kind: 'inflate', first, last })
  }
  for (const { start, end, mode } of spans) {
    // A span that ends at the begin of a block does not need that block.
    const last = end.within > 0 ? end.block : end.block - 1
    if (mode === 'sift' || !copying || end.block === start.block) inflate(start.block, Math.max(start.block, last))
    else {
      inflate(start.block, start.block)
      moves.push({ kind: 'copy', until: end.block })
      if (end.within > 0) inflate(end.block, end.block)
    }
  }
  return moves
}

/** The compressed bytes that the moves need, joined where they lie close together. */
export function rangesOfMoves(moves: readonly BlockMove[], size: number): ByteRange[] {
  const ranges: ByteRange[] = []
  let at = 0
  for (const move of moves) {
    // How long a block is stands in the block itself, so its last byte is not known before it is read.
    if (move.kind === 'inflate') ranges.push({ start: move.first, end: Math.min(size, move.last + maximumBlockBytes) })
    else ranges.push({ start: at, end: move.until })
    at = move.kind === 'inflate' ? move.last : move.until
  }
  return coalesceRanges(ranges, gapBytes)
}

/** Compressed bytes that the moves copy, at most: how long their first block is, is not known yet. */
export function copiedRanges(moves: readonly BlockMove[]): ByteRange[] {
  const ranges: ByteRange[] = []
  let at = 0
  for (const move of moves) {
    if (move.kind === 'copy') ranges.push({ start: at, end: move.until })
    at = move.kind === 'inflate' ? move.last : move.until
  }
  return ranges.filter((range) => rangeLength(range) > 0)
}

/** Compressed bytes that the moves inflate, at most. */
export function inflatedRanges(moves: readonly BlockMove[], size: number): ByteRange[] {
  return moves.flatMap((move) => (move.kind === 'inflate' ? { start: move.first, end: Math.min(size, move.last + maximumBlockBytes) } : []))
}
