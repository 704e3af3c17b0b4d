import { formatHttpRange } from '../../core/byte-range.ts'
import { ScoreError } from '../../core/errors.ts'
import type { ObjectAddress, PresignedUrl, PresignRequest } from '../storage-backend.ts'
import { mapS3Error } from './error-map.ts'
import { requireStoreUrl, type S3BackendOptions } from './s3-options.ts'
import { readStorePlaces } from './s3-places.ts'
import type { S3Session } from './s3-session.ts'
import { createQuerySigner, encodeKey, type SignableRequest, type UrlTarget } from './sigv4-query.ts'

type Presign = (request: PresignRequest) => Promise<PresignedUrl>

const maximumLifeSeconds = 7 * 86_400

function signable(request: PresignRequest): SignableRequest {
  if (request.action === 'put-part')
    return { operation: 'UploadPart', partNumber: request.partNumber, uploadId: request.multipart.uploadId }
  return { operation: 'GetObject', ...(request.range === undefined ? {} : { range: formatHttpRange(request.range) }) }
}

function requireLife(seconds: number): void {
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= maximumLifeSeconds) return
  throw new ScoreError(
    'invalid-configuration',
    `a signed URL of an S3 store lives between one second and 7 days (${maximumLifeSeconds} s), not ${seconds} s; change the expiration of uploads or downloads`,
  )
}

/** A prefix that a proxy takes off is in the URL and not in what the store sees. */
function proxyPrefix(publicEndpoint: string | undefined): string {
  return publicEndpoint === undefined ? '' : new URL(publicEndpoint).pathname.replace(/\/+$/, '')
}

type PublicSide = Pick<S3BackendOptions, 'publicEndpoint' | 'signedHost'>

async function createTargets(
  session: S3Session,
  { publicEndpoint, signedHost = 'public' }: PublicSide,
): Promise<(address: ObjectAddress) => UrlTarget> {
  const places = await readStorePlaces(session)
  const prefix = proxyPrefix(publicEndpoint)
  const endpoint = publicEndpoint === undefined ? places.endpoint : new URL(publicEndpoint).origin
  const bases = new Map<string, { readonly origin: string; readonly host: string; readonly path: string }>()
  const baseOf = (bucket: string) => {
    let base = bases.get(bucket)
    if (base === undefined) {
      const { host, path } = places.of(bucket, signedHost === 'store' ? places.endpoint : endpoint)
      base = { origin: places.of(bucket, endpoint).origin, host, path }
      bases.set(bucket, base)
    }
    return base
  }
  const { region } = places
  let last: (ObjectAddress & { readonly target: UrlTarget }) | undefined
  return ({ bucket, key }) => {
    if (last?.bucket !== bucket || last.key !== key) {
      const { origin, host, path } = baseOf(bucket)
      const signedPath = `${path}/${encodeKey(key)}`
      last = { bucket, key, target: { origin, host, signedPath, urlPath: `${prefix}${signedPath}`, region } }
    }
    return last.target
  }
}

/** URLs that end with their signer's credentials at the latest: a longer promise would be broken by the store. */
function lifeWithin(seconds: number, signedAt: number, expiration: Date | undefined): number {
  const left = expiration === undefined ? seconds : Math.floor((expiration.getTime() - signedAt) / 1000)
  if (left < 1)
    throw new ScoreError(
      'access-denied',
      `the session credentials for the S3 store ran out at ${expiration?.toISOString()}, so no URL can be signed; renew them`,
    )
  return Math.min(seconds, left)
}

/**
 * By how much the store's clock is ahead of this machine's, as the SDK learns from answers. What is less than SigV4 minds
 * is the way of the answer, and no reason to sign for another second.
 */
function clockOffset(learned: number): number {
  return Math.abs(learned) < 240_000 ? 0 : learned
}

/** @throws at once `invalid-configuration` for a public address that is none. */
export function createS3Presigner(open: () => Promise<S3Session>, options: PublicSide & Pick<S3BackendOptions, 'now'>): Presign {
  const { publicEndpoint, now = Date.now } = options
  if (publicEndpoint !== undefined) requireStoreUrl('publicEndpoint', publicEndpoint)
  const sign = createQuerySigner()
  let targets: Promise<(address: ObjectAddress) => UrlTarget> | undefined

  return async (request) => {
    requireLife(request.expiresInSeconds)
    const session = await open()
    const { config } = session.client
    try {
      targets ??= createTargets(session, options).catch((error: unknown) => {
        targets = undefined
        throw error
      })
      const target = (await targets)(request.action === 'get' ? request.address : request.multipart)
      const credentials = await config.credentials()
      const signedAt = Math.floor((now() + clockOffset(config.systemClockOffset)) / 1000) * 1000
      const expiresInSeconds = lifeWithin(request.expiresInSeconds, signedAt, credentials.expiration)
      const url = sign(credentials, target, signable(request), { signedAt: new Date(signedAt), expiresInSeconds })
      return { url, expiresAt: new Date(signedAt + expiresInSeconds * 1000) }
    } catch (error) {
      throw mapS3Error(error, { doing: 'sign a URL', subject: 'object', now })
    }
  }
}
