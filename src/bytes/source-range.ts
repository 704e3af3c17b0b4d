import type { ByteRange } from '../core/byte-range.ts'
import { ScoreError } from '../core/errors.ts'

/** @throws `invalid-range` when the range passes the end of a source, or is none. */
export function requireWithin(range: ByteRange, size: number, what: string): void {
  if (Number.isSafeInteger(range.start) && range.start >= 0 && range.start <= range.end && range.end <= size) return
  throw new ScoreError('invalid-range', `bytes ${range.start} to ${range.end} lie outside ${what}, which has ${size} bytes`)
}
