import { createRequestSigner, type SigningCredentials, signingScope } from './sigv4-key.ts'

/** A request without query and body. */
export interface BareRequest {
  readonly method: 'GET' | 'HEAD'
  /** The `Host` header. */
  readonly host: string
  /** Percent-encoded, as it is sent. */
  readonly path: string
  readonly region: string
}

const emptyHash = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

/** The headers that a request is sent with, signed by SigV4. */
export type HeaderSigner = (credentials: SigningCredentials, request: BareRequest, signedAt: Date) => Readonly<Record<string, string>>

/** A signer of requests without body by SigV4 in the `Authorization` header; its signatures are those of the SDK's signer. */
export function createHeaderSigner(): HeaderSigner {
  const sign = createRequestSigner()
  return ({ accessKeyId, secretAccessKey, sessionToken }, { method, host, path, region }, signedAt) => {
    const at = signingScope(signedAt, region)
    const token = sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }
    const headers = { host, 'x-amz-content-sha256': emptyHash, 'x-amz-date': at.time, ...token }
    const names = Object.keys(headers).join(';')
    const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`)
    const signature = sign(`${method}\n${path}\n\n${lines.join('')}\n${names}\n${emptyHash}`, secretAccessKey, at)
    const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${at.scope}, SignedHeaders=${names}, Signature=${signature}`
    return { ...headers, authorization }
  }
}
