import { ScoreError } from './errors.ts'

/** Zero-based, half-open range of bytes: `end` is the first byte left out. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** Bytes in the range; 0 when it is empty. */
export function rangeLength(range: ByteRange): number {
  return range.end - range.start
}

/** `{ start: 0, end: 100 }` → `bytes=0-99`, the closed form of RFC 9110 14.1.2. The range must not be empty. */
export function formatHttpRange(range: ByteRange): string {
  if (range.end <= range.start)
    throw new ScoreError('invalid-range', `an empty byte range (${range.start} to ${range.end}) has no HTTP form`)
  return `bytes=${range.start}-${range.end - 1}`
}

/**
 * Reads one `Range` header against an object of `size` bytes (RFC 9110 14.1.2): `bytes=a-b`, `bytes=a-`, `bytes=-n`.
 *
 * @returns the range cut to the object, or `undefined` for a header that a server must ignore
 *   (another unit, several ranges, bad syntax).
 * @throws `invalid-range` when no byte of the object is in it (HTTP 416).
 */
export function parseHttpRange(header: string, size: number): ByteRange | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header.trim())
  if (!match || (match[1] === '' && match[2] === '')) return undefined
  const first = match[1] === '' ? undefined : Number(match[1])
  const last = match[2] === '' ? undefined : Number(match[2])
  if (first !== undefined && last !== undefined && last < first) return undefined
  const range =
    first === undefined
      ? { start: Math.max(0, size - (last as number)), end: size }
      : { start: first, end: Math.min(size, (last ?? size - 1) + 1) }
  if (range.start >= range.end) throw new ScoreError('invalid-range', `range '${header}' lies outside the object of ${size} bytes`)
  return range
}

/** Reads `Content-Range: bytes a-b/size`; `size` is absent for `/*`. `undefined` when it is not of that form. */
export function parseContentRange(header: string | undefined): { readonly range: ByteRange; readonly size?: number } | undefined {
  const match = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(header?.trim() ?? '')
  if (!match) return undefined
  const range = { start: Number(match[1]), end: Number(match[2]) + 1 }
  return match[3] === '*' ? { range } : { range, size: Number(match[3]) }
}
