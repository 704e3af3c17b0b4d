import type { ByteRange } from '../core/byte-range.ts'
import type { CallOptions } from '../core/call-options.ts'
import type { PartDialect } from '../core/object-spec.ts'

/** Where something lives in a store. `key` is the plain name, never percent-encoded. */
export interface ObjectAddress {
  readonly bucket: string
  readonly key: string
}

export interface MultipartRef extends ObjectAddress {
  readonly uploadId: string
}

/** An upload that was begun, and neither completed nor aborted. */
export interface OpenMultipart extends MultipartRef {
  readonly begunAt: Date
}

export interface ObjectStat {
  readonly size: number
  /** Unquoted. The MD5 of an object put at once; `<md5 of md5s>-<parts>` of a multipart one, where the store does so. */
  readonly etag: string
  readonly lastModified: Date
  /** MD5 of the whole, lower-case hex, where the store knows it. */
  readonly md5?: string
  /** User metadata, names in lower case. */
  readonly metadata: Readonly<Record<string, string>>
  /** The upload that made it, where the store remembers. */
  readonly uploadId?: string
}

export interface ListedObject extends ObjectAddress {
  readonly size: number
  readonly lastModified: Date
}

export interface StoredPart {
  readonly number: number
  /** Unquoted. */
  readonly etag: string
  /** Bytes; absent where the store does not tell. */
  readonly size?: number
}

export interface PresignedUrl {
  readonly url: string
  readonly expiresAt: Date
  /** How a part is sent to it; absent: as to S3. */
  readonly dialect?: PartDialect
}

export type PresignRequest =
  | {
      readonly action: 'get'
      readonly address: ObjectAddress
      /** When given, only exactly this `Range` may be asked for (signed header). */
      readonly range?: ByteRange
      readonly expiresInSeconds: number
    }
  | { readonly action: 'put-part'; readonly multipart: MultipartRef; readonly partNumber: number; readonly expiresInSeconds: number }

export interface GetOptions extends CallOptions {
  readonly range?: ByteRange
}

export interface ListPartsOptions extends CallOptions {
  /** Begin after this part number. */
  readonly after?: number
  /** Give at most so many. */
  readonly limit?: number
}

export interface CompleteOptions extends CallOptions {
  /** Refuse with `object-exists` when an object has appeared at the address in the meantime. Default false. */
  readonly ifAbsent?: boolean
  /** MD5 of the whole, lower-case hex, for stores that keep what they are told. */
  readonly md5?: string
}

/**
 * One object store. Drivers translate; they never retry, log, authorize or know what a study is.
 *
 * Failures are `ScoreError`s with the cause attached: `object-not-found` and `upload-not-found` as named below,
 * `access-denied` for a refusal by the store, `unavailable` for what a repeat may mend, `invalid-configuration` for a
 * bucket that does not exist, `internal` for the rest.
 */
export interface StorageBackend {
  /** For messages and the profile on the wire: `local`, `s3`, `azure`, … */
  readonly name: string
  /**
   * Set where asking for one part costs a list of all (Azure: its list has no pages). Reports of parts are then taken at their word,
   * and proven when the parts are listed anyway: before an upload is gone on with, and before it is completed.
   */
  readonly listsAllParts?: true
  /** `undefined` when there is no such object. */
  head(address: ObjectAddress, options?: CallOptions): Promise<ObjectStat | undefined>
  /** @throws `object-not-found`, before the first piece; `invalid-range`. */
  get(address: ObjectAddress, options?: GetOptions): AsyncIterable<Uint8Array>
  /**
   * All bytes of a small document, not to be changed; `undefined` when there is none. Where a store has a shorter way to them
   * than `get`; absent elsewhere.
   */
  readDocument?(address: ObjectAddress, options?: CallOptions): Promise<Uint8Array | undefined>
  /** Writes or replaces a small document (state, `.meta`, sentinel) at once: readers see all of it or none. */
  put(address: ObjectAddress, body: Uint8Array, options?: CallOptions): Promise<void>
  /** No error when there is nothing. */
  delete(address: ObjectAddress, options?: CallOptions): Promise<void>
  /**
   * Deletes all of them, any number, in any order; no error for those that are not there. After a failure, which names one
   * that is still there, others may be gone. Absent where the store has no request for many at once.
   */
  deleteMany?(addresses: readonly ObjectAddress[], options?: CallOptions): Promise<void>
  /** Every object whose key begins with `prefix.key`, in ascending order of UTF-8 bytes, streamed. */
  list(prefix: ObjectAddress, options?: CallOptions): AsyncIterable<ListedObject>
  /** The folders right below: each distinct key up to and including the first `/` after the prefix, ascending. */
  listFolders(prefix: ObjectAddress, options?: CallOptions): AsyncIterable<string>
  presign(request: PresignRequest): Promise<PresignedUrl>
  /** As `presign`, of stores that wait for nothing to sign: it is done for each part of each download. Absent elsewhere. */
  presignNow?(request: PresignRequest): PresignedUrl
  /**
   * A URL to write the whole object by, in whatever way the store's own clients do. Only of stores whose clients do so
   * without telling the service (Azure): there an object is what the bytes are, whatever a document says of it.
   */
  presignObjectWrite?(address: ObjectAddress, options: { readonly expiresInSeconds: number }): Promise<PresignedUrl>
  createMultipart(address: ObjectAddress, options?: CallOptions): Promise<MultipartRef>
  /** Ascending. @throws `upload-not-found`. */
  listParts(multipart: MultipartRef, options?: ListPartsOptions): AsyncIterable<StoredPart>
  /**
   * Uploads in progress whose keys begin with `prefix.key`, in any order, streamed. For the clean-up of those that lost
   * their state; absent where the store itself ends what is left alone.
   */
  listMultiparts?(prefix: ObjectAddress, options?: CallOptions): AsyncIterable<OpenMultipart>
  /**
   * Joins the parts, in the order given, into the object; replaces an older one at once.
   *
   * @throws `upload-not-found` (also when it is complete already), `part-mismatch` when a part is missing or has
   *   another ETag, `object-exists` with `ifAbsent`.
   */
  completeMultipart(multipart: MultipartRef, parts: readonly StoredPart[], options?: CompleteOptions): Promise<void>
  /** No error when there is no such upload. */
  abortMultipart(multipart: MultipartRef, options?: CallOptions): Promise<void>
}
