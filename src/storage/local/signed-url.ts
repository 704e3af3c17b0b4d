import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { ScoreError } from '../../core/errors.ts'
import { createFileExclusive } from '../../files/atomic-write.ts'
import { errnoOf, toFileError } from '../../files/file-error.ts'

/** What one signed URL allows. */
export interface SignedGrant {
  /** `GET` allows `HEAD` as well. */
  readonly method: 'GET' | 'PUT'
  readonly bucket: string
  readonly key: string
  readonly uploadId?: string
  readonly partNumber?: number
  /** Value that the `Range` header must have, character for character. */
  readonly range?: string
  /** Unix time in seconds; the URL holds up to and including it. */
  readonly expires: number
}

/** A request as it came, to be checked against its own signature. */
export interface SignedRequest {
  readonly method: string
  readonly bucket: string
  readonly key: string
  readonly query: URLSearchParams
  readonly range?: string | undefined
  /** Unix time in ms. */
  readonly now: number
}

export type SignatureVerdict =
  | { readonly outcome: 'valid'; readonly grant: SignedGrant }
  | { readonly outcome: 'expired'; readonly grant: SignedGrant }
  | { readonly outcome: 'missing' }
  | { readonly outcome: 'mismatch' }

/** First part of the path of every signed URL, below the public URL. */
export const storePath = '/store/'

function signature(grant: SignedGrant, key: Uint8Array): Buffer {
  const { method, bucket, key: name, uploadId, partNumber, range, expires } = grant
  const signed = JSON.stringify(['score-store-1', method, bucket, name, uploadId ?? null, partNumber ?? null, range ?? null, expires])
  return createHmac('sha256', key).update(signed).digest()
}

const unreserved = /^[\w.~-]*$/

/** Percent-encoding of RFC 3986: everything but unreserved characters. */
function encodeStrict(text: string): string {
  if (unreserved.test(text)) return text
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

/**
 * `<publicUrl>/store/<bucket>/<key>?uploadId=…&partNumber=…&Expires=…&SignedHeaders=range&Signature=…`. Names in the
 * query are unique whatever their case, and `Expires` is Unix time in seconds: the original's client reads it
 * (score-client.md 9.1).
 */
export function signUrl(grant: SignedGrant, options: { readonly publicUrl: string; readonly key: Uint8Array }): string {
  const query: [string, string][] = []
  if (grant.uploadId !== undefined) query.push(['uploadId', grant.uploadId])
  if (grant.partNumber !== undefined) query.push(['partNumber', String(grant.partNumber)])
  query.push(['Expires', String(grant.expires)])
  if (grant.range !== undefined) query.push(['SignedHeaders', 'range'])
  query.push(['Signature', signature(grant, options.key).toString('hex')])
  const path = grant.key.split('/').map(encodeStrict).join('/')
  const search = query.map(([name, value]) => `${name}=${encodeStrict(value)}`).join('&')
  return `${options.publicUrl.replace(/\/+$/, '')}${storePath}${encodeStrict(grant.bucket)}/${path}?${search}`
}

function grantOf(request: SignedRequest): SignedGrant | undefined {
  const { query, method } = request
  const expires = query.get('Expires') ?? ''
  const partNumber = query.get('partNumber')
  const uploadId = query.get('uploadId')
  const headers = query.get('SignedHeaders')
  if (!/^\d{1,12}$/.test(expires) || (partNumber !== null && !/^\d{1,9}$/.test(partNumber))) return undefined
  return {
    method: method === 'PUT' ? 'PUT' : 'GET',
    bucket: request.bucket,
    key: request.key,
    expires: Number(expires),
    ...(uploadId === null ? {} : { uploadId }),
    ...(partNumber === null ? {} : { partNumber: Number(partNumber) }),
    ...(headers === null ? {} : { range: request.range ?? '' }),
  }
}

const known = new Set(['uploadId', 'partNumber', 'Expires', 'SignedHeaders', 'Signature'])

/** Whether a request is what its signature allows, and still in time. Compares in constant time; asks nothing but its arguments. */
export function verifySignature(request: SignedRequest, key: Uint8Array): SignatureVerdict {
  const given = request.query.get('Signature')
  if (given === null) return { outcome: 'missing' }
  const names = [...request.query.keys()]
  const grant = grantOf(request)
  const isClean = names.every((name) => known.has(name)) && new Set(names).size === names.length
  if (!grant || !isClean || !['GET', 'HEAD', 'PUT'].includes(request.method) || !/^[0-9a-f]{64}$/.test(given))
    return { outcome: 'mismatch' }
  if (!timingSafeEqual(Buffer.from(given, 'hex'), signature(grant, key))) return { outcome: 'mismatch' }
  return { outcome: request.now >= (grant.expires + 1) * 1000 ? 'expired' : 'valid', grant }
}

/**
 * The key of this store's URLs: 32 random bytes, made once and kept in a file that only its owner may read. Of several
 * processes that make it at once, all get the same.
 *
 * @throws `invalid-configuration` for a file that holds something else; `local-storage`.
 */
export async function loadOrCreateSigningKey(path: string): Promise<Uint8Array> {
  let text = await readIfThere(path)
  if (text === undefined) {
    await createFileExclusive(path, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 })
    text = await readIfThere(path)
  }
  if (text === undefined || !/^[0-9a-f]{64}\n?$/.test(text)) {
    throw new ScoreError(
      'invalid-configuration',
      `'${path}' holds no signing key (64 hexadecimal digits); restore it, or remove it: a new one is made, and URLs signed with the old one end`,
    )
  }
  return Buffer.from(text.trim(), 'hex')
}

async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw toFileError(error, 'read', path)
  })
}
