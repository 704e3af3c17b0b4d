import { createRequestSigner, type SigningCredentials, signingScope } from './sigv4-key.ts'

/** Where a URL points, and what the store will see of it. Paths are percent-encoded and begin with a slash. */
export interface UrlTarget {
  /** Scheme and host, as the URL begins: `https://store.example:9000`. */
  readonly origin: string
  /** The `Host` header that a client will send: with the port unless it is the scheme's own. */
  readonly host: string
  /** What the store sees. */
  readonly signedPath: string
  /** What the URL says: longer where a proxy takes off a prefix. */
  readonly urlPath: string
  readonly region: string
}

/** The two requests that clients make with a URL. */
export type SignableRequest =
  | { readonly operation: 'GetObject'; readonly range?: string }
  | { readonly operation: 'UploadPart'; readonly partNumber: number; readonly uploadId: string }

export interface UrlTiming {
  readonly signedAt: Date
  readonly expiresInSeconds: number
}

/** Signs one URL. Synchronous: some microseconds. */
export type QuerySigner = (credentials: SigningCredentials, target: UrlTarget, request: SignableRequest, timing: UrlTiming) => string

/** RFC 3986 unreserved characters stay, as SigV4 asks for: `encodeURIComponent` leaves five more. */
export function encodeQueryValue(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** A key as it stands in a path: encoded between its slashes, never normalized. */
export function encodeKey(key: string): string {
  return encodeQueryValue(key).replaceAll('%2F', '/')
}

/** The query after the signature's parameters, and what is signed besides the host. */
function shapeOf(request: SignableRequest): { method: string; signedHeaders: string; rangeLine: string; tail: string } {
  if (request.operation === 'UploadPart') {
    const tail = `&partNumber=${request.partNumber}&uploadId=${encodeQueryValue(request.uploadId)}&x-id=UploadPart`
    return { method: 'PUT', signedHeaders: 'host', rangeLine: '', tail }
  }
  const { range } = request
  return range === undefined
    ? { method: 'GET', signedHeaders: 'host', rangeLine: '', tail: '&x-id=GetObject' }
    : { method: 'GET', signedHeaders: 'host;range', rangeLine: `range:${range}\n`, tail: '&x-id=GetObject' }
}

/**
 * A signer of URLs by SigV4 in the query, for the two shapes that a score needs. Its URLs equal those of
 * `@aws-sdk/s3-request-presigner` to the byte; it takes microseconds where that takes a third of a millisecond, which
 * for a spec of 10,000 parts is the difference between a blink and a server that stands still for three seconds.
 */
export function createQuerySigner(): QuerySigner {
  const sign = createRequestSigner()
  return (credentials, target, request, { signedAt, expiresInSeconds }) => {
    const { accessKeyId, secretAccessKey, sessionToken } = credentials
    const { method, signedHeaders, rangeLine, tail } = shapeOf(request)
    const at = signingScope(signedAt, target.region)
    const token = sessionToken === undefined ? '' : `&X-Amz-Security-Token=${encodeQueryValue(sessionToken)}`
    // The names are in the order that signing asks for: ascending by bytes, so the signature itself goes in between.
    const head =
      'X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD' +
      `&X-Amz-Credential=${encodeQueryValue(`${accessKeyId}/${at.scope}`)}&X-Amz-Date=${at.time}&X-Amz-Expires=${expiresInSeconds}${token}`
    const rest = `&X-Amz-SignedHeaders=${encodeQueryValue(signedHeaders)}${tail}`
    const canonical = `${method}\n${target.signedPath}\n${head}${rest}\nhost:${target.host}\n${rangeLine}\n${signedHeaders}\nUNSIGNED-PAYLOAD`
    const signature = sign(canonical, secretAccessKey, at)
    return `${target.origin}${target.urlPath}?${head}&X-Amz-Signature=${signature}${rest}`
  }
}
