import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import type { ByteRange } from '../core/byte-range.ts'
import { unquoteEtag } from '../core/checksum.ts'
import type { MultipartRef, ObjectAddress, StorageBackend, StoredPart } from '../storage/storage-backend.ts'
import { collect } from './contract-case.ts'

/** A store under test. */
export interface StorageSubject {
  readonly backend: StorageBackend
  /** Exists, or is made on demand. Cases keep to prefixes of their own, so it may be shared and need not be empty. */
  readonly bucket: string
  /** Carries requests to pre-signed URLs; default `fetch`. */
  readonly send?: (url: string, init: RequestInit) => Promise<Response>
  /** Moves the store's clock on; where it can't be moved, the case waits for an expiry of one second. */
  readonly advance?: (ms: number) => void
  /** Bytes of every part but the last; default 1000. S3 itself asks for 5 MiB. */
  readonly partBytes?: number
  /** Headers that a PUT of a part needs besides. */
  readonly putHeaders?: Readonly<Record<string, string>>
  /** How many objects make more than one page of a listing; default 1050. */
  readonly manyObjects?: number
  close?(): Promise<void>
}

/** A subject and a prefix of its own, with the steps that cases are made of. */
export interface Workbench extends StorageSubject {
  /** An address whose key nobody else uses. */
  at(name: string): ObjectAddress
  read(address: ObjectAddress, range?: ByteRange): Promise<Buffer>
  keysUnder(name: string): Promise<string[]>
  request(url: string, init?: RequestInit): Promise<Response>
  /** PUTs a part through its URL. */
  upload(multipart: MultipartRef, number: number, body: Uint8Array): Promise<StoredPart>
  /** Begins, fills and completes. */
  assemble(address: ObjectAddress, ...bodies: readonly Uint8Array[]): Promise<MultipartRef>
  partsOf(multipart: MultipartRef): Promise<StoredPart[]>
  /** `count` full parts and a shorter last one, all different. */
  bodies(count: number): Buffer[]
}

/** Bytes that depend on the seed and don't repeat. */
export function patternBytes(length: number, seed: string): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, index) => createHash('sha256').update(`${seed} ${index}`).digest())
  return Buffer.concat(blocks).subarray(0, length)
}

export function workbench(subject: StorageSubject): Workbench {
  const { backend, bucket, partBytes = 1000, putHeaders = {}, send = (url, init) => fetch(url, init) } = subject
  const prefix = `contract/${randomBytes(6).toString('hex')}`
  const at = (name: string): ObjectAddress => ({ bucket, key: `${prefix}/${name}` })
  const request = (url: string, init: RequestInit = {}): Promise<Response> => send(url, init)

  async function upload(multipart: MultipartRef, number: number, body: Uint8Array): Promise<StoredPart> {
    const { url } = await backend.presign({ action: 'put-part', multipart, partNumber: number, expiresInSeconds: 600 })
    const answer = await request(url, { method: 'PUT', body: Uint8Array.from(body), headers: { ...putHeaders } })
    const text = await answer.text()
    assert.ok(answer.ok, `PUT of part ${number}: ${answer.status} ${text}`)
    const etag = answer.headers.get('etag')
    assert.ok(etag, `PUT of part ${number} answered no ETag`)
    return { number, etag: unquoteEtag(etag) }
  }

  return {
    ...subject,
    at,
    request,
    upload,
    read: async (address, range) => Buffer.concat(await collect(backend.get(address, range ? { range } : {}))),
    keysUnder: async (name) => {
      const found = await collect(backend.list(at(name)))
      return found.map((object) => object.key.slice(prefix.length + 1))
    },
    async assemble(address, ...bodies) {
      const multipart = await backend.createMultipart(address)
      const parts: StoredPart[] = []
      for (const [index, body] of bodies.entries()) parts.push(await upload(multipart, index + 1, body))
      await backend.completeMultipart(multipart, parts)
      return multipart
    },
    partsOf: (multipart) => collect(backend.listParts(multipart)),
    bodies: (count) => Array.from({ length: count + 1 }, (_, index) => patternBytes(index < count ? partBytes : 77, `${prefix} ${index}`)),
  }
}
