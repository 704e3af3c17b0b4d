import type { CallOptions } from '../core/call-options.ts'
import type { ObjectSpec, Part, PartReceipt, SignedPart, UploadProgress, UploadRef } from '../core/object-spec.ts'

export interface OpenUpload {
  readonly objectId: string
  /** Bytes; at least 1. */
  readonly size: number
  /** MD5 of the whole, hex. Compared with the catalogue's before anything is stored. */
  readonly md5?: string
  /** Replace an object that exists. Default false. */
  readonly overwrite?: boolean
  /**
   * Where clients of the original write the object by themselves (profile `az`): one URL for the whole, whose upload id is
   * the object's id. The service hears no more of it; the object exists once its bytes do. Elsewhere without effect.
   * Default false.
   */
  readonly direct?: boolean
}

export interface DownloadQuery {
  readonly objectId: string
  /** A sub-range; `end` absent = to the object's end. Absent = the whole object, with the parts as uploaded. */
  readonly range?: { readonly start: number; readonly end?: number }
}

/** One URL for the whole object, free of a signed range: random access and foreign clients. */
export interface ObjectUrl {
  readonly objectId: string
  readonly url: string
  readonly expiresAt: Date
  /** Key inside the bucket, where the service tells. */
  readonly objectKey?: string
  /** Bytes, where the service tells. */
  readonly size?: number
  readonly md5?: string
}

export interface ObjectInfo {
  readonly objectId: string
  readonly size: number
  readonly lastModified: Date
}

/**
 * What a Score service can be asked: the one port between moving bytes and whoever gives leave to.
 * Spoken in process by the service, over HTTP by the client; one contract suite holds both.
 *
 * Every call may throw `unauthenticated`, `access-denied`, `entity-not-found` and `unavailable` besides what is named.
 */
export interface ScoreApi {
  /**
   * Begins an upload; one in progress for the same object ends.
   *
   * @throws `object-exists`, `analysis-state` (not UNPUBLISHED), `checksum-mismatch` and `size-changed` against the
   *   catalogue, `invalid-request`.
   */
  openUpload(request: OpenUpload, options?: CallOptions): Promise<ObjectSpec<SignedPart>>
  /** The upload in progress, with fresh URLs. @throws `upload-not-found`; `size-changed` when it was begun with another size. */
  resumeUpload(request: { readonly objectId: string; readonly size: number }, options?: CallOptions): Promise<UploadProgress>
  /** @throws `upload-not-found`; `part-mismatch` when the store holds no such part, which on Azure is found out only at the end. */
  finalizePart(upload: UploadRef, receipt: PartReceipt, options?: CallOptions): Promise<void>
  /** Forgets that a part arrived. No error when it had not. */
  deletePart(upload: UploadRef, partNumber: number, options?: CallOptions): Promise<void>
  /** Joins the parts; repeating it is safe. @throws `upload-incomplete`, `upload-not-found`. */
  finalizeUpload(upload: UploadRef, options?: CallOptions): Promise<void>
  /** @throws `upload-not-found`. */
  cancelUpload(objectId: string, options?: CallOptions): Promise<void>
  objectExists(objectId: string, options?: CallOptions): Promise<boolean>
  /** @throws `object-not-found`, `analysis-state` (not PUBLISHED), `invalid-range`. */
  downloadSpec(query: DownloadQuery, options?: CallOptions): Promise<ObjectSpec<SignedPart>>
  /** The spec without URLs, also of objects not yet published: what Song asks before it publishes. */
  describeObject(objectId: string, options?: CallOptions): Promise<ObjectSpec<Part>>
  objectUrl(objectId: string, options?: CallOptions): Promise<ObjectUrl>
  listObjects(options?: CallOptions): AsyncIterable<ObjectInfo>
  /** URL of an object that is always there: proves that the store can be reached from here. */
  sentinelUrl(options?: CallOptions): Promise<string>
  /** Which dialect part URLs speak. */
  profile(options?: CallOptions): Promise<'s3' | 'az'>
}
