import { randomUUID } from 'node:crypto'
import type { ByteRange } from '../../core/byte-range.ts'
import { md5Hex, multipartEtag } from '../../core/checksum.ts'
import { ScoreError } from '../../core/errors.ts'
import type { ListedObject, MultipartRef, ObjectAddress, ObjectStat, StorageBackend, StoredPart } from '../storage-backend.ts'
import { createSignedRequests } from './signed-requests.ts'

export interface MemoryBackendOptions {
  readonly now?: () => number
  readonly randomId?: () => string
}

export interface MemoryPutOptions {
  readonly metadata?: Readonly<Record<string, string>>
}

/** A store in memory, for tests and examples. */
export interface MemoryBackend extends StorageBackend {
  /** What a client gets that sends this to a URL of the store: a stand-in for `fetch`. */
  send(url: string, init?: RequestInit): Promise<Response>
  /** Writes an object with user metadata, as other tools do. */
  putObject(address: ObjectAddress, body: Uint8Array, options?: MemoryPutOptions): void
}

interface StoredObject {
  readonly body: Uint8Array
  readonly stat: ObjectStat
}

interface Multipart {
  readonly ref: MultipartRef
  readonly begunAt: Date
  /** By part number; gaps are parts that did not come. */
  readonly parts: ({ readonly body: Uint8Array; readonly etag: string } | undefined)[]
}

const placeOf = (address: ObjectAddress): string => `${address.bucket}\n${address.key}`

function compareKeys(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right))
}

function joinBodies(bodies: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(bodies)
}

function requireRange(range: ByteRange, size: number, address: ObjectAddress): ByteRange {
  if (range.start >= 0 && range.start < range.end && range.end <= size) return range
  throw new ScoreError('invalid-range', `bytes ${range.start} to ${range.end} lie outside '${address.key}' of ${size} bytes`)
}

/** Keeps everything in this process, and nothing after it. */
export function createMemoryBackend(options: MemoryBackendOptions = {}): MemoryBackend {
  const { now = Date.now, randomId = randomUUID } = options
  const objects = new Map<string, StoredObject>()
  const multiparts = new Map<string, Multipart>()

  const save = (address: ObjectAddress, body: Uint8Array, etag: string, metadata: Readonly<Record<string, string>>, md5?: string): void => {
    const stat = { size: body.length, etag, lastModified: new Date(now()), metadata, ...(md5 === undefined ? {} : { md5 }) }
    objects.set(placeOf(address), { body, stat })
  }
  const found = (address: ObjectAddress): StoredObject => {
    const object = objects.get(placeOf(address))
    if (object) return object
    throw new ScoreError('object-not-found', `there is no object '${address.key}' in '${address.bucket}'`)
  }
  const opened = (ref: MultipartRef): Multipart => {
    const multipart = multiparts.get(ref.uploadId)
    if (multipart && placeOf(multipart.ref) === placeOf(ref)) return multipart
    throw new ScoreError('upload-not-found', `there is no multipart upload '${ref.uploadId}' of '${ref.key}'`)
  }
  const matching = (prefix: ObjectAddress): readonly (ListedObject & { readonly key: string })[] => {
    const start = placeOf(prefix)
    const rows: ListedObject[] = []
    for (const [place, { stat }] of objects)
      if (place.startsWith(start))
        rows.push({
          bucket: prefix.bucket,
          key: place.slice(prefix.bucket.length + 1),
          size: stat.size,
          lastModified: stat.lastModified,
        })
    return rows.sort((left, right) => compareKeys(left.key, right.key))
  }
  const urls = createSignedRequests(
    {
      object: (address) => objects.get(placeOf(address)),
      storePart(multipart, number, body) {
        const etag = md5Hex(body)
        opened(multipart).parts[number] = { body: body.slice(), etag }
        return etag
      },
    },
    { now, randomId },
  )

  return {
    name: 'memory',
    head: async (address, call) => {
      call?.signal?.throwIfAborted()
      return objects.get(placeOf(address))?.stat
    },
    async *get(address, call) {
      call?.signal?.throwIfAborted()
      const { body } = found(address)
      const range = call?.range ? requireRange(call.range, body.length, address) : { start: 0, end: body.length }
      if (range.end > range.start) yield body.slice(range.start, range.end)
    },
    put: async (address, body, call) => {
      call?.signal?.throwIfAborted()
      save(address, body.slice(), md5Hex(body), {}, md5Hex(body))
    },
    delete: async (address, call) => {
      call?.signal?.throwIfAborted()
      objects.delete(placeOf(address))
    },
    async *list(prefix, call) {
      for (const row of matching(prefix)) {
        call?.signal?.throwIfAborted()
        yield row
      }
    },
    async *listFolders(prefix, call) {
      const folders = new Set<string>()
      for (const { key } of matching(prefix)) {
        const slash = key.indexOf('/', prefix.key.length)
        if (slash >= 0) folders.add(key.slice(0, slash + 1))
      }
      for (const folder of folders) {
        call?.signal?.throwIfAborted()
        yield folder
      }
    },
    presign: async (request) => urls.presign(request),
    createMultipart: async (address, call) => {
      call?.signal?.throwIfAborted()
      const ref = { bucket: address.bucket, key: address.key, uploadId: randomId() }
      multiparts.set(ref.uploadId, { ref, begunAt: new Date(now()), parts: [] })
      return ref
    },
    async *listParts(ref, call): AsyncIterable<StoredPart> {
      call?.signal?.throwIfAborted()
      const { parts } = opened(ref)
      let left = call?.limit ?? Number.POSITIVE_INFINITY
      for (let number = (call?.after ?? 0) + 1; number < parts.length && left > 0; number++) {
        const part = parts[number]
        if (!part) continue
        left--
        yield { number, etag: part.etag, size: part.body.length }
      }
    },
    async *listMultiparts(prefix, call) {
      for (const { ref, begunAt } of [...multiparts.values()]) {
        call?.signal?.throwIfAborted()
        if (placeOf(ref).startsWith(placeOf(prefix))) yield { ...ref, begunAt }
      }
    },
    completeMultipart: async (ref, parts, call) => {
      call?.signal?.throwIfAborted()
      const multipart = opened(ref)
      const bodies = parts.map(({ number, etag }) => {
        const part = multipart.parts[number]
        if (part?.etag === etag) return part.body
        throw new ScoreError('part-mismatch', `part ${number} of '${ref.key}' is not there, or has another ETag`)
      })
      if (bodies.length === 0) throw new ScoreError('part-mismatch', `'${ref.key}' can't be joined from no parts`)
      if (call?.ifAbsent && objects.has(placeOf(ref))) throw new ScoreError('object-exists', `'${ref.key}' is there already`)
      save(ref, joinBodies(bodies), multipartEtag(parts.map((part) => part.etag)), {})
      multiparts.delete(ref.uploadId)
    },
    abortMultipart: async (ref, call) => {
      call?.signal?.throwIfAborted()
      multiparts.delete(ref.uploadId)
    },
    send: urls.send,
    putObject: (address, body, put = {}) => save(address, body.slice(), md5Hex(body), put.metadata ?? {}, undefined),
  }
}
