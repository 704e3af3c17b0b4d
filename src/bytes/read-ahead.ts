import type { ByteRange } from '../core/byte-range.ts'
import { rangeLength } from '../core/byte-range.ts'
import type { CallOptions } from '../core/call-options.ts'

export interface ReadAheadOptions extends CallOptions {
  /** Most bytes of one read; default 4 MiB. */
  readonly pieceBytes?: number
  /** Bound on the bytes that are read or wait to be used; at least one piece is read. Default 24 MiB. */
  readonly aheadBytes?: number
  /** Most reads at once; default 6. */
  readonly concurrency?: number
}

/** Gives all bytes of a range, in an array that stays as it is. */
export type ReadRange = (range: ByteRange, options: CallOptions) => Promise<Uint8Array>

/** Bytes of a source and where they lie in it. */
export interface PlacedBytes {
  readonly start: number
  readonly bytes: Uint8Array
}

/** The same bytes in as few ranges as can be, in order: ranges that overlap, touch, or are at most `gapBytes` apart are joined. */
export function coalesceRanges(ranges: readonly ByteRange[], gapBytes = 0): ByteRange[] {
  const joined: ByteRange[] = []
  for (const range of [...ranges].sort((a, b) => a.start - b.start)) {
    const last = joined.at(-1)
    if (rangeLength(range) <= 0) continue
    if (last && range.start - last.end <= gapBytes) joined[joined.length - 1] = { start: last.start, end: Math.max(last.end, range.end) }
    else joined.push(range)
  }
  return joined
}

function* cutRanges(ranges: readonly ByteRange[], pieceBytes: number): Generator<ByteRange> {
  for (const { start, end } of ranges) {
    for (let at = start; at < end; at += pieceBytes) yield { start: at, end: Math.min(end, at + pieceBytes) }
  }
}

/**
 * Reads ranges one after the other, several pieces at once, and gives the pieces in order: what is far away then costs
 * one round trip, not one a range. Leaving early ends the reads that are under way.
 *
 * @throws what `read` throws.
 */
export async function* readAhead(
  read: ReadRange,
  ranges: readonly ByteRange[],
  options: ReadAheadOptions = {},
): AsyncGenerator<PlacedBytes> {
  const { pieceBytes = 4 * 1024 * 1024, aheadBytes = 24 * 1024 * 1024, concurrency = 6, signal: outer } = options
  outer?.throwIfAborted()
  const stop = new AbortController()
  const forward = (): void => stop.abort(outer?.reason)
  outer?.addEventListener('abort', forward, { once: true })
  const pieces = cutRanges(ranges, pieceBytes)
  const reading: { readonly range: ByteRange; readonly bytes: Promise<Uint8Array> }[] = []
  let next = pieces.next()
  let ahead = 0
  const fill = (): void => {
    while (!next.done && reading.length < concurrency) {
      const range = next.value
      if (reading.length > 0 && ahead + rangeLength(range) > aheadBytes) return
      const bytes = read(range, { signal: stop.signal })
      // Awaited in its turn; until then its failure must not count as unhandled.
      bytes.catch(() => undefined)
      reading.push({ range, bytes })
      ahead += rangeLength(range)
      next = pieces.next()
    }
  }
  try {
    for (fill(); reading.length > 0; fill()) {
      const { range, bytes } = reading[0] as (typeof reading)[number]
      yield { start: range.start, bytes: await bytes }
      reading.shift()
      ahead -= rangeLength(range)
    }
    outer?.throwIfAborted()
  } finally {
    outer?.removeEventListener('abort', forward)
    stop.abort()
    await Promise.allSettled(reading.map(({ bytes }) => bytes))
  }
}
