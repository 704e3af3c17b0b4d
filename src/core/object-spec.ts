import type { ByteRange } from './byte-range.ts'

/** One contiguous range of an object, moved by one request. */
export interface Part {
  /** From 1, ascending. */
  readonly number: number
  /** Where the part lies in the *object* (absolute, also in a spec of a sub-range). */
  readonly range: ByteRange
  /** MD5 of the part as uploaded, lower-case hex; `sourceMd5` on the wire. In an upload's progress: the part is held. */
  readonly md5?: string
}

/**
 * How a part is sent to its URL. `azure-block`: an uncommitted block whose id, in the URL, is completed with the MD5 of the
 * bytes. Without one: as to S3, a plain PUT that is answered with an ETag.
 */
export type PartDialect = 'azure-block'

/** A {@link Part} with the pre-signed URL that moves it. */
export interface SignedPart extends Part {
  readonly url: string
  /** Of an upload only. */
  readonly dialect?: PartDialect
}

/** What is needed to move one object; the document stored as `<object>.meta`. */
export interface ObjectSpec<P extends Part = Part> {
  readonly objectId: string
  /** Key inside the bucket, e.g. `data/<objectId>`. Informative for clients. */
  readonly objectKey: string
  /** The store's multipart id; equals the object id where there is none (sub-ranges, objects without `.meta`). */
  readonly uploadId: string
  /** Bytes described: the object's size, or the length of the range asked for. */
  readonly size: number
  /** MD5 of the whole object, lower-case hex. Absent when unknown, and for a true sub-range. */
  readonly md5?: string
  readonly parts: readonly P[]
}

/** One attempt to fill an object. */
export interface UploadRef {
  readonly objectId: string
  readonly uploadId: string
}

/** An upload in progress: all planned parts, those already held carrying their `md5`. */
export interface UploadProgress extends UploadRef {
  readonly parts: readonly SignedPart[]
}

/** Proof that the object store holds a part. `etag` is unquoted. */
export interface PartReceipt {
  readonly number: number
  readonly md5: string
  readonly etag: string
}
