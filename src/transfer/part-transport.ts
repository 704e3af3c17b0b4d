import type { ByteSource } from '../bytes/byte-source.ts'
import type { ByteRange } from '../core/byte-range.ts'
import type { CallOptions } from '../core/call-options.ts'

export interface PartCallOptions extends CallOptions {
  /** Told now and then how many bytes more have passed; negative when a failed attempt takes them back. */
  readonly onBytes?: (count: number) => void
}

/** GET of one range of an object into its place in a local file. */
export interface FetchPart {
  /** Pre-signed; used verbatim, for the signature covers every character. */
  readonly url: string
  /** Range in the object; becomes the `Range` header. */
  readonly range: ByteRange
  /** Size of the whole object, where known: a 200 is right only for a part that is the whole of it. */
  readonly objectSize?: number
  /** Working file; exists, and is at least `position + length` long. */
  readonly path: string
  /** Where the range's first byte goes in the file. */
  readonly position: number
  /** MD5 the bytes must have, lower-case hex. */
  readonly md5?: string
  /** ETag the object must still have (`If-Match`), unquoted. */
  readonly ifMatch?: string
}

export interface FetchedPart {
  readonly bytes: number
  /** MD5 of what was written, lower-case hex. */
  readonly md5: string
  /** The object's ETag as the store gave it, unquoted. */
  readonly etag?: string
}

/** PUT of one range of a local file, or of any byte source, to a pre-signed URL. */
export interface SendPart {
  readonly url: string
  /** A path is read by the transport itself (in a worker); a source is read through its stream. */
  readonly from: { readonly path: string } | { readonly source: ByteSource }
  /** Range in the file or source. */
  readonly range: ByteRange
  /** Headers that the URL's dialect needs, besides `Content-Length`. None for S3. */
  readonly headers?: Readonly<Record<string, string>>
}

export interface SentPart {
  readonly bytes: number
  /** MD5 of what was sent, lower-case hex. */
  readonly md5: string
  /** As the store answered, unquoted. */
  readonly etag: string
  /** The store's ETag is an MD5 of the body unless it encrypts with a key of its own (SSE-KMS, SSE-C). */
  readonly etagIsMd5: boolean
}

/** MD5 of a file that is being filled in any order: follows the parts as they are done. */
export interface TrailingHash {
  /** The bytes of this part (index in the plan, from 0) are in the file and verified. */
  done(partIndex: number): void
  /** Resolves once every part is done and hashed. */
  readonly digest: Promise<string>
  /** Bytes hashed so far. */
  readonly hashedBytes: number
  cancel(): void
}

/**
 * The data plane of the transfer engine: bytes between local files and pre-signed URLs, hashed while they pass.
 * One call is one attempt: retries, fresh URLs and the journal are the engine's.
 *
 * Failures: `url-expired` (403 that may be an expiry), `access-denied` (403 that is none, such as a wrong signature),
 * `object-not-found`, `upload-not-found`, `object-changed` (412, another ETag), `invalid-range` (416),
 * `checksum-mismatch`, `store-protocol` (an answer that no repeat mends: 200 to a range, wrong Content-Range),
 * `unavailable` with `retryAfterSeconds` (5xx, 429, resets, stalls, short bodies), `size-changed` (the local file is
 * shorter than the range), `local-storage` (disk full, read error).
 */
export interface PartTransport {
  fetchPart(request: FetchPart, options?: PartCallOptions): Promise<FetchedPart>
  sendPart(request: SendPart, options?: PartCallOptions): Promise<SentPart>
  /** MD5 of a range of a local file, lower-case hex. */
  hashRange(request: { readonly path: string; readonly range: ByteRange }, options?: CallOptions): Promise<string>
  /** MD5 of a whole file, part by part as the caller says they are there. `partEnds`: the exclusive end of each part in the file. */
  trailingHash(request: { readonly path: string; readonly partEnds: readonly number[] }): TrailingHash
  /** Makes what was written to the file so far survive a power cut. */
  sync(path: string): Promise<void>
  /** Closes the transport's handles on the file, so that it can be renamed or removed everywhere. */
  release(path: string): Promise<void>
  /** Ends workers and connections. */
  close(): Promise<void>
}
