import type { ByteRange } from './byte-range.ts'
import { ScoreError } from './errors.ts'
import type { Part } from './object-spec.ts'

/** Floor of the part size: 20 MiB, as the original's calculator (score-server.md 2.2). */
export const minimumPartSizeBytes = 20 * 1024 * 1024
/** More parts no S3 upload may have. */
export const maximumParts = 10_000
/** The original's client maps a part into memory, so no part may be larger than a signed 32-bit length. */
export const maximumPartSizeBytes = 2 ** 31 - 1

export interface PartPlanOptions {
  /** Wanted part size in bytes; default and least {@link minimumPartSizeBytes}. */
  readonly partSizeBytes?: number
  /** Lets tests plan many small parts; default {@link minimumPartSizeBytes}. */
  readonly floorBytes?: number
  /** What the store joins at most, where that is less than {@link maximumParts}: parts grow until they are no more. */
  readonly maximumParts?: number
}

function mostParts({ maximumParts: ofStore = maximumParts }: PartPlanOptions): number {
  return Math.min(maximumParts, ofStore)
}

/** Part size for `length` bytes: at least the floor and the wanted size, grown so that 10,000 parts (or as many as the store joins) hold all. */
export function partSizeFor(length: number, options: PartPlanOptions = {}): number {
  const floor = Math.max(options.partSizeBytes ?? 0, options.floorBytes ?? minimumPartSizeBytes)
  return Math.max(floor, Math.floor(length / mostParts(options)) + 1)
}

/**
 * Cuts a byte range into consecutive parts, numbered from 1; the last one takes the rest. An empty range gives no
 * parts. The same arithmetic plans uploads, sub-range downloads and objects without `.meta`, and agrees with the
 * original's part for part (score-server.md 2.2), so that mixed fleets resume each other's uploads.
 *
 * @throws `invalid-request` when a part would pass {@link maximumPartSizeBytes} (objects above 19.5 TiB).
 */
export function planParts(range: ByteRange, options: PartPlanOptions = {}): Part[] {
  const size = partSizeFor(range.end - range.start, options)
  if (size > maximumPartSizeBytes) {
    throw new ScoreError(
      'invalid-request',
      `${range.end - range.start} bytes need parts of ${size} bytes; the largest part is ${maximumPartSizeBytes} bytes and there can be ${mostParts(options)} of them`,
    )
  }
  const parts: Part[] = []
  for (let start = range.start; start < range.end; start += size) {
    parts.push({ number: parts.length + 1, range: { start, end: Math.min(range.end, start + size) } })
  }
  return parts
}
