import { randomBytes } from 'node:crypto'
import type { ByteRange } from '../../core/byte-range.ts'
import { formatHttpRange } from '../../core/byte-range.ts'
import type { CallOptions } from '../../core/call-options.ts'
import { ScoreError } from '../../core/errors.ts'
import { toFileError } from '../../files/file-error.ts'
import type {
  GetOptions,
  MultipartRef,
  ObjectAddress,
  PresignedUrl,
  PresignRequest,
  StorageBackend,
  StoredPart,
} from '../storage-backend.ts'
import { abortUpload, completeUpload } from './completion.ts'
import { addressText } from './key-path.ts'
import { listKeyFolders, listObjects } from './listing.ts'
import { type OpenObject, openObject, readWhole, statObject } from './object-reader.ts'
import { deleteObject, putObject } from './object-writer.ts'
import { type PartBody, writePart } from './part-writer.ts'
import { createRecentMap } from './recent-map.ts'
import { type SignatureVerdict, type SignedRequest, signUrl, verifySignature } from './signed-url.ts'
import { type ObjectPlace, placeOf, type Store } from './store.ts'
import { type SweepOptions, type SweepResult, sweepStore } from './sweep.ts'
import { createUpload, listUploadParts } from './uploads.ts'

export interface LocalBackendOptions {
  /** Holds one folder per bucket; made on demand. Several processes may serve it at once. */
  readonly folder: string
  /** Address under which clients reach the data plane, with its prefix if any: `https://score.example.org/api`. */
  readonly publicUrl: string
  /** See `loadOrCreateSigningKey`. */
  readonly signingKey: Uint8Array
  /** Whether parts, documents and completions survive a power cut (fsync); default true. */
  readonly durable?: boolean
  /** Unix time in ms; default the system's. */
  readonly now?: () => number
  /** Ids of uploads: 8 to 64 of `A-Z a-z 0-9 _ -`, never the same twice; default 32 random hexadecimal digits. */
  readonly randomId?: () => string
}

/** A {@link StorageBackend} on plain files, with what its data plane needs besides. */
export interface LocalBackend extends StorageBackend {
  /** The version of an object that is current now; close it. `undefined` when there is none. `start` is the first byte wanted. */
  open(address: ObjectAddress, options?: CallOptions & { readonly start?: number }): Promise<OpenObject | undefined>
  /**
   * Stores a part; a later try takes the place of an earlier one at once. Survives a power cut once it resolves.
   *
   * @throws `upload-not-found`; `part-mismatch` when the body is shorter or longer than announced; `checksum-mismatch`;
   *   `local-storage`; what the body throws.
   */
  writePart(multipart: MultipartRef, part: PartBody, options?: CallOptions): Promise<StoredPart>
  /** Whether a request is what its signature allows, now. */
  verify(request: Omit<SignedRequest, 'now'>): SignatureVerdict
  /** Removes what crashes left; to be called once in a while, beside any number of running processes. */
  sweep(options?: SweepOptions): Promise<SweepResult>
}

function toStored(part: { readonly number: number; readonly md5: string; readonly size: number }): StoredPart {
  return { number: part.number, etag: part.md5, size: part.size }
}

function checkedRange(range: ByteRange | undefined, size: number, address: ObjectAddress): ByteRange {
  if (!range) return { start: 0, end: size }
  if (range.start >= 0 && range.start < range.end && range.end <= size) return range
  throw new ScoreError(
    'invalid-range',
    `bytes ${range.start} to ${range.end} lie outside '${addressText(address)}', which has ${size} bytes`,
  )
}

/** Where a document lies never changes, and to work it out costs as much as to ask whether the document has. */
function rememberPlaces(store: Store): (address: ObjectAddress) => ObjectPlace {
  const places = createRecentMap<ObjectPlace>(512)
  return (address) => {
    const name = addressText(address)
    const known = places.get(name, '')
    if (known) return known
    const place = placeOf(store, address)
    places.set(name, '', place)
    return place
  }
}

/**
 * The object store of a single machine, or of several over one shared folder (docs/decisions/0004-local-store-layout.md).
 * What is visible is whole: a `kill -9` at any moment leaves the old object or the new one. ETags are those of S3.
 *
 * Two limits of its own: a key between slashes may take 249 bytes on disk, and of two keys that were *put*, none may be a
 * folder of the other. User metadata is not kept.
 */
export function createLocalBackend(options: LocalBackendOptions): LocalBackend {
  const { folder, publicUrl, signingKey, durable = true, now = Date.now, randomId = () => randomBytes(16).toString('hex') } = options
  const store: Store = { folder, durable, now, randomId }

  const documentPlace = rememberPlaces(store)

  async function* get(address: ObjectAddress, call: GetOptions = {}): AsyncGenerator<Uint8Array> {
    call.signal?.throwIfAborted()
    const object = await openObject(placeOf(store, address), call.range?.start)
    if (!object) throw new ScoreError('object-not-found', `there is no object '${addressText(address)}'`)
    try {
      yield* object.stream(checkedRange(call.range, object.stat.size, address), call)
    } catch (error) {
      throw toFileError(error, 'read', addressText(address))
    } finally {
      await object.close()
    }
  }

  function presignNow(request: PresignRequest): PresignedUrl {
    const expires = Math.floor(now() / 1000) + request.expiresInSeconds
    const sign = { publicUrl, key: signingKey }
    const expiresAt = new Date(expires * 1000)
    if (request.action === 'put-part') {
      const { bucket, key, uploadId } = request.multipart
      return { url: signUrl({ method: 'PUT', bucket, key, uploadId, partNumber: request.partNumber, expires }, sign), expiresAt }
    }
    const range = request.range ? { range: formatHttpRange(request.range) } : {}
    return { url: signUrl({ method: 'GET', ...request.address, ...range, expires }, sign), expiresAt }
  }

  return {
    name: 'local',
    get,
    presign: async (request) => presignNow(request),
    presignNow,
    async head(address, call) {
      call?.signal?.throwIfAborted()
      return statObject(placeOf(store, address))
    },
    readDocument: async (address, call) => readWhole(documentPlace(address), call),
    put: async (address, body, call) => putObject(store, placeOf(store, address), body, call),
    delete: async (address, call) => deleteObject(store, placeOf(store, address), call),
    list: (prefix, call) => listObjects(store, prefix, call),
    listFolders: (prefix, call) => listKeyFolders(store, prefix, call),
    async createMultipart(address, call) {
      call?.signal?.throwIfAborted()
      return createUpload(store, address)
    },
    async *listParts(multipart, call) {
      for await (const part of listUploadParts(store, multipart, call)) yield toStored(part)
    },
    completeMultipart: (multipart, parts, call) => completeUpload(store, multipart, parts, call),
    abortMultipart: (multipart, call) => abortUpload(store, multipart, call),
    open: async (address, call) => openObject(placeOf(store, address), call?.start),
    writePart: async (multipart, part, call) => toStored(await writePart(store, multipart, part, call)),
    verify: (request) => verifySignature({ ...request, now: now() }, signingKey),
    sweep: (call) => sweepStore(store, call),
  }
}
