import { formatHttpRange, parseHttpRange } from '../../core/byte-range.ts'
import { md5Hex, normalizeMd5, unquoteEtag } from '../../core/checksum.ts'
import { isScoreError } from '../../core/errors.ts'
import type { MultipartRef, ObjectAddress, ObjectStat, PresignedUrl, PresignRequest } from '../storage-backend.ts'

/** What the answers to signed URLs need of the store. */
export interface SignedStore {
  object(address: ObjectAddress): { readonly body: Uint8Array; readonly stat: ObjectStat } | undefined
  /** @throws `upload-not-found`. */
  storePart(multipart: MultipartRef, partNumber: number, body: Uint8Array): string
}

export interface SignedRequests {
  presign(request: PresignRequest): PresignedUrl
  /** What a client gets that sends this to a URL of ours: a stand-in for `fetch`. */
  send(url: string, init?: RequestInit): Promise<Response>
}

interface Grant {
  readonly request: PresignRequest
  readonly expiresAt: number
}

function answer(status: number, headers: Record<string, string> = {}, body: Uint8Array | null = null): Response {
  return new Response(body === null ? null : Uint8Array.from(body), { status, headers })
}

function answerGet(found: ReturnType<SignedStore['object']>, headers: Headers, isHead: boolean): Response {
  if (!found) return answer(404)
  const { body, stat } = found
  const match = headers.get('if-match')
  if (match !== null && unquoteEtag(match) !== stat.etag) return answer(412)
  const described = { etag: `"${stat.etag}"`, 'last-modified': stat.lastModified.toUTCString(), 'accept-ranges': 'bytes' }
  const reply = (status: number, piece: Uint8Array, more: Record<string, string> = {}): Response =>
    answer(status, { ...described, ...more, 'content-length': String(piece.length) }, isHead ? null : piece)
  const header = headers.get('range')
  if (header === null) return reply(200, body)
  try {
    const range = parseHttpRange(header, body.length)
    if (!range) return reply(200, body)
    return reply(206, body.subarray(range.start, range.end), { 'content-range': `bytes ${range.start}-${range.end - 1}/${body.length}` })
  } catch (error) {
    if (isScoreError(error, 'invalid-range')) return answer(416, { 'content-range': `bytes */${body.length}` })
    throw error
  }
}

function answerPut(
  store: SignedStore,
  grant: PresignRequest & { readonly action: 'put-part' },
  headers: Headers,
  body: Uint8Array,
): Response {
  const md5 = md5Hex(body)
  const expected = headers.get('content-md5')
  if (expected !== null && normalizeMd5(expected) !== md5) return answer(400)
  try {
    return answer(200, { etag: `"${store.storePart(grant.multipart, grant.partNumber, body)}"` })
  } catch (error) {
    if (isScoreError(error, 'upload-not-found')) return answer(404)
    throw error
  }
}

/** Signs by remembering: a URL is good when it was given out, letter for letter. */
export function createSignedRequests(
  store: SignedStore,
  options: { readonly now: () => number; readonly randomId: () => string },
): SignedRequests {
  const grants = new Map<string, Grant>()
  return {
    presign(request) {
      const place = request.action === 'get' ? request.address : request.multipart
      const part = request.action === 'get' ? '' : `uploadId=${request.multipart.uploadId}&partNumber=${request.partNumber}&`
      const key = place.key.split('/').map(encodeURIComponent).join('/')
      const expiresAt = options.now() + request.expiresInSeconds * 1000
      const url = `https://memory.invalid/${encodeURIComponent(place.bucket)}/${key}?${part}Expires=${Math.floor(expiresAt / 1000)}&Signature=${options.randomId()}`
      grants.set(url, { request, expiresAt })
      return { url, expiresAt: new Date(expiresAt) }
    },
    async send(url, init = {}) {
      const grant = grants.get(url)
      const method = init.method ?? 'GET'
      const headers = new Headers(init.headers)
      if (!grant || grant.expiresAt <= options.now()) return answer(403)
      const { request } = grant
      if (request.action === 'put-part')
        return method === 'PUT'
          ? answerPut(store, request, headers, new Uint8Array(await new Response(init.body ?? null).arrayBuffer()))
          : answer(403)
      if (method !== 'GET' && method !== 'HEAD') return answer(403)
      if (request.range && headers.get('range') !== formatHttpRange(request.range)) return answer(403)
      return answerGet(store.object(request.address), headers, method === 'HEAD')
    },
  }
}
