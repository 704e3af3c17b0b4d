import { ScoreError } from '../../core/errors.ts'
import type { Network } from '../../http/network.ts'

export interface S3Credentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** Of temporary credentials. */
  readonly sessionToken?: string
  /** When they run out; no URL is signed for longer. */
  readonly expiration?: Date
}

/** How the store shall encrypt what it holds. */
export interface S3Encryption {
  /** `AES256` is SSE-S3; the others are SSE-KMS. With SSE-KMS the ETag of an object is no MD5. */
  readonly algorithm: 'AES256' | 'aws:kms' | 'aws:kms:dsse'
  /** Key of the KMS; default: the one of the bucket. */
  readonly keyId?: string
  /** Ask for it on small documents (`.meta`, state) too, as some bucket policies demand; default: uploads only, as the original. */
  readonly documents?: boolean
}

/** Joining many parts takes a store its time. */
export const defaultIdleTimeoutMs = 120_000

export interface S3BackendOptions {
  /** Address of the store, with scheme; default: AWS in the region. */
  readonly endpoint?: string
  /** Region to sign for. Default: the one that an AWS endpoint names, `us-east-1` for any other endpoint, else AWS's own settings. */
  readonly region?: string
  /** `https://host/bucket/key`, not `https://bucket.host/key`. Default true, as the original: it is what every store takes. */
  readonly forcePathStyle?: boolean
  /**
   * Keys, or a function that gives them. Default: AWS's whole chain (environment, profile, SSO, web identity, container,
   * instance), renewed before they run out.
   */
  readonly credentials?: S3Credentials | (() => Promise<S3Credentials>)
  readonly sse?: S3Encryption
  /**
   * Address that clients reach the store by; URLs are signed for its host. A path in it is a prefix that a proxy takes off
   * before the store sees the request; the `Host` header must pass unchanged, but for `signedHost`. Default: `endpoint`.
   */
  readonly publicEndpoint?: string
  /**
   * Whose `Host` URLs are signed for: the one of `publicEndpoint`, which its proxy passes on, or `store`'s own, where the
   * proxy puts that in its place, as the original asks for (score-server.md 5). Default `public`.
   */
  readonly signedHost?: 'public' | 'store'
  /** Proxies and authorities of certificates, for what this process itself asks of the store; default: node's. */
  readonly network?: Network
  /** Longest wait for a connection; default 15 s, as the original. */
  readonly connectTimeoutMs?: number
  /** Longest silence within a request; default 120 s. */
  readonly idleTimeoutMs?: number
  /**
   * Longest wait for the whole answer to one request, the body of an object excepted: that is given up when it comes slower
   * than 1 KiB/s over `idleTimeoutMs`. Default 10 min.
   */
  readonly requestTimeoutMs?: number
  /** Time of signatures in URLs, in ms since 1970. */
  readonly now?: () => number
}

/** @throws `invalid-configuration` */
export function requireStoreUrl(name: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '' || url.username !== '')
    throw new ScoreError(
      'invalid-configuration',
      `${name} of the S3 store must be an address such as https://s3.example.org, with http or https and without user, query and fragment`,
    )
  return url
}

/** The region in the name of an AWS host: `s3.eu-west-1.amazonaws.com`, `s3-us-west-2.amazonaws.com`, `s3.dualstack.…`. */
export function regionOfHost(host: string): string | undefined {
  return /^s3(?:-fips)?[.-](?:dualstack\.)?([a-z]{2}(?:-[a-z]+)+-\d)\.amazonaws\.com(?:\.cn)?$/.exec(host)?.[1]
}
