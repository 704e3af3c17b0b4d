/**
 * A driver for a store of your own: everything that a score asks of one, here over a `Map`, with signed URLs that a
 * small server answers. In a project of your own: `score-sdk`, and `score-sdk/testing` for the contract that proves it
 * (test/examples/own-storage-backend.test.ts).
 */
import { createHash, createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type MultipartRef, type ObjectAddress, type ObjectStat, ScoreError, type StorageBackend } from '../src/index.ts'

type Stored = { readonly body: Buffer; readonly stat: ObjectStat }
type Upload = { readonly place: string; readonly parts: Map<number, { readonly body: Buffer; readonly etag: string }> }

const md5 = (bytes: Uint8Array, encoding: 'hex' | 'base64' = 'hex'): string => createHash('md5').update(bytes).digest(encoding)
const placeOf = ({ bucket, key }: ObjectAddress): string => JSON.stringify([bucket, key])

type Shelf = ReturnType<typeof createShelf>
type Sign = (method: string, query: string) => Buffer

/** What lies in the store. */
function createShelf() {
  const objects = new Map<string, Stored>()
  const uploads = new Map<string, Upload>()
  const store = (address: ObjectAddress, body: Buffer, etag: string): void => {
    const stat = { size: body.length, etag, lastModified: new Date(), metadata: {}, ...(etag.includes('-') ? {} : { md5: etag }) }
    objects.set(placeOf(address), { body, stat })
  }
  const objectAt = (address: ObjectAddress): Stored => {
    const found = objects.get(placeOf(address))
    if (found) return found
    throw new ScoreError('object-not-found', `there is no object ${address.key} in ${address.bucket}`)
  }
  const uploadOf = (ref: MultipartRef): Upload => {
    const found = uploads.get(ref.uploadId)
    if (found?.place === placeOf(ref)) return found
    throw new ScoreError('upload-not-found', `there is no upload ${ref.uploadId} of ${ref.key}`)
  }
  const keysBelow = ({ bucket, key: prefix }: ObjectAddress): string[] => {
    const all = [...objects.keys()].map((place) => JSON.parse(place) as [string, string])
    const keys = all.filter(([its, key]) => its === bucket && key.startsWith(prefix)).map(([, key]) => key)
    return keys.sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)))
  }
  return { objects, uploads, store, objectAt, uploadOf, keysBelow }
}

/** What clients get who send requests to signed URLs. */
function createAnswers({ objectAt, uploadOf }: Shelf, sign: Sign) {
  const answerGet = (address: ObjectAddress, request: IncomingMessage, response: ServerResponse): void => {
    const { body, stat } = objectAt(address)
    const { range, 'if-match': match } = request.headers
    if (match !== undefined && match !== `"${stat.etag}"`) return void response.writeHead(412).end()
    const headers = { etag: `"${stat.etag}"`, 'accept-ranges': 'bytes' }
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? []
    if (from === undefined) return void response.writeHead(200, { ...headers, 'content-length': body.length }).end(body)
    if (Number(from) >= body.length) return void response.writeHead(416, { 'content-range': `bytes */${body.length}` }).end()
    const piece = body.subarray(Number(from), to ? Number(to) + 1 : body.length)
    const place = `bytes ${from}-${Number(from) + piece.length - 1}/${body.length}`
    response.writeHead(206, { ...headers, 'content-range': place, 'content-length': piece.length }).end(piece)
  }
  const answerPart = async (ref: MultipartRef, number: number, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Uint8Array[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    const digest = request.headers['content-md5']
    if (digest !== undefined && digest !== md5(body, 'base64')) return void response.writeHead(400).end()
    const etag = md5(body)
    uploadOf(ref).parts.set(number, { body, etag })
    response.writeHead(200, { etag: `"${etag}"` }).end()
  }
  return async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [query = '', signature = ''] = (request.url ?? '').replace(/^[^?]*\?/, '').split('&signature=')
    const given = Buffer.from(signature, 'hex')
    const wanted = sign(request.method ?? '', query)
    const fields = new URLSearchParams(query)
    const [bucket = '', key = '', uploadId = ''] = ['bucket', 'key', 'uploadId'].map((name) => fields.get(name) ?? '')
    const genuine = given.length === wanted.length && timingSafeEqual(given, wanted)
    const inRange = !fields.has('range') || fields.get('range') === request.headers.range
    if (!genuine || !inRange || Date.now() > Number(fields.get('expires'))) return void response.writeHead(403).end()
    if (request.method === 'GET') answerGet({ bucket, key }, request, response)
    else await answerPart({ bucket, key, uploadId }, Number(fields.get('partNumber')), request, response)
  }
}

/** The port itself. */
function createDriver({ objects, uploads, store, objectAt, uploadOf, keysBelow }: Shelf, sign: Sign, base: string): StorageBackend {
  return {
    name: 'own',
    async head(address, call) {
      call?.signal?.throwIfAborted()
      return objects.get(placeOf(address))?.stat
    },
    async *get(address, call) {
      call?.signal?.throwIfAborted()
      const { body } = objectAt(address)
      const { start, end } = call?.range ?? { start: 0, end: body.length }
      if (call?.range && (start < 0 || start >= end || end > body.length))
        throw new ScoreError('invalid-range', `bytes ${start} to ${end} do not lie in ${address.key} of ${body.length} bytes`)
      yield body.subarray(start, end)
    },
    async put(address, body, call) {
      call?.signal?.throwIfAborted()
      store(address, Buffer.from(body), md5(body))
    },
    delete: async (address) => void objects.delete(placeOf(address)),
    async *list(prefix) {
      for (const key of keysBelow(prefix)) {
        const { size, lastModified } = objectAt({ ...prefix, key }).stat
        yield { bucket: prefix.bucket, key, size, lastModified }
      }
    },
    async *listFolders(prefix) {
      const folders = keysBelow(prefix).map((key) => key.slice(0, key.indexOf('/', prefix.key.length) + 1))
      yield* new Set(folders.filter((folder) => folder !== ''))
    },
    async presign(request) {
      const expiresAt = new Date(Date.now() + request.expiresInSeconds * 1000)
      const [method, place] = request.action === 'get' ? ['GET', request.address] : ['PUT', request.multipart]
      const fields = new URLSearchParams({ bucket: place.bucket, key: place.key, expires: String(expiresAt.getTime()) })
      if (request.action === 'put-part') fields.set('uploadId', request.multipart.uploadId)
      if (request.action === 'put-part') fields.set('partNumber', String(request.partNumber))
      else if (request.range) fields.set('range', `bytes=${request.range.start}-${request.range.end - 1}`)
      return { url: `${base}?${fields}&signature=${sign(method, String(fields)).toString('hex')}`, expiresAt }
    },
    async createMultipart(address) {
      const uploadId = randomUUID()
      uploads.set(uploadId, { place: placeOf(address), parts: new Map() })
      return { ...address, uploadId }
    },
    async *listParts(ref, { after = 0, limit = Number.POSITIVE_INFINITY } = {}) {
      const numbers = [...uploadOf(ref).parts].filter(([number]) => number > after).sort(([left], [right]) => left - right)
      for (const [number, { etag, body }] of numbers.slice(0, limit)) yield { number, etag, size: body.length }
    },
    async completeMultipart(ref, parts, { ifAbsent = false } = {}) {
      const { parts: held } = uploadOf(ref)
      if (parts.length === 0 || parts.some(({ number, etag }) => held.get(number)?.etag !== etag))
        throw new ScoreError('part-mismatch', `a part of ${ref.key} is not there, or has another ETag; send it again`)
      if (ifAbsent && objects.has(placeOf(ref))) throw new ScoreError('object-exists', `there is an object ${ref.key} already`)
      const digests = Buffer.concat(parts.map(({ etag }) => Buffer.from(etag, 'hex')))
      store(ref, Buffer.concat(parts.map(({ number }) => held.get(number)?.body ?? Buffer.alloc(0))), `${md5(digests)}-${parts.length}`)
      uploads.delete(ref.uploadId)
    },
    abortMultipart: async (ref) => void (uploads.get(ref.uploadId)?.place === placeOf(ref) && uploads.delete(ref.uploadId)),
  }
}

/** @returns the driver, and what ends its server. */
export async function openOwnStore(): Promise<{ readonly backend: StorageBackend; close(): Promise<void> }> {
  const secret = randomBytes(32)
  const sign: Sign = (method, query) => createHmac('sha256', secret).update(`${method} ${query}`).digest()
  const shelf = createShelf()
  const answer = createAnswers(shelf, sign)
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.writeHead(error instanceof ScoreError ? 404 : 500).end())
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const close = async (): Promise<void> => {
    server.close().closeAllConnections()
    await once(server, 'close')
  }
  return { backend: createDriver(shelf, sign, base), close }
}
