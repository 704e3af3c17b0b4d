import { randomBytes } from 'node:crypto'
import { isScoreError, type ScoreError, toScoreError } from '../../core/errors.ts'
import type { LocalBackend } from './backend.ts'
import { answerGet } from './data-plane-get.ts'
import { answerPut } from './data-plane-put.ts'
import { type DataPlaneRequest, headerOf } from './data-plane-request.ts'
import { type DataPlaneAnswer, failureAnswer, type S3Failure } from './s3-answer.ts'
import { type SignatureVerdict, storePath } from './signed-url.ts'

/** What carries the signed URLs of a local store: ranges out, parts in, answers and errors as S3 gives them. */
export interface LocalDataPlane {
  /**
   * Never rejects but for a defect: every failure is an answer. A body that is an iterable must be read to its end, or its
   * iterator returned, for a file is open behind it; it throws when the object can no longer be read, and the connection
   * must then be cut, so that nobody takes the rest for whole. An answer with `connection: close` leaves the request's body
   * unread: send it, then close.
   */
  handle(request: DataPlaneRequest): Promise<DataPlaneAnswer>
}

function parsePath(path: string): { readonly bucket: string; readonly key: string } | undefined {
  if (!path.startsWith(storePath)) return undefined
  const [bucket = '', ...segments] = path.slice(storePath.length).split('/')
  try {
    const key = segments.map(decodeURIComponent).join('/')
    return key === '' ? undefined : { bucket: decodeURIComponent(bucket), key }
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
}

function refusal(verdict: SignatureVerdict, now: number): S3Failure | undefined {
  switch (verdict.outcome) {
    case 'valid':
      return undefined
    case 'expired': {
      const expires = new Date(verdict.grant.expires * 1000).toISOString()
      return {
        code: 'AccessDenied',
        message: 'Request has expired',
        details: { Expires: expires, ServerTime: new Date(now).toISOString() },
      }
    }
    case 'missing':
      return { code: 'AccessDenied', message: 'Anonymous access is forbidden for this operation: use a pre-signed URL as it was given' }
    case 'mismatch':
      return {
        code: 'SignatureDoesNotMatch',
        message:
          'The signature does not fit the request: method, path, query and (where it is signed) the Range header must be those that were signed',
      }
  }
}

function isFull(error: ScoreError): boolean {
  const cause = error.cause
  return cause instanceof Error && 'code' in cause && (cause.code === 'ENOSPC' || cause.code === 'EDQUOT')
}

function failureOf(error: ScoreError): S3Failure {
  const { message } = error
  if (isScoreError(error, 'object-not-found')) return { code: 'NoSuchKey', message }
  if (isScoreError(error, 'upload-not-found')) return { code: 'NoSuchUpload', message }
  if (isScoreError(error, 'invalid-range')) return { code: 'InvalidRange', message }
  if (isScoreError(error, 'invalid-request', 'invalid-configuration')) return { code: 'InvalidArgument', message }
  if (isScoreError(error, 'part-mismatch')) return { code: 'IncompleteBody', message }
  if (isScoreError(error, 'checksum-mismatch')) return { code: 'BadDigest', message }
  if (isScoreError(error, 'unavailable', 'already-running')) return { code: 'SlowDown', message }
  // Paths of the server's disk are none of the client's business.
  if (isFull(error)) return { code: 'InsufficientStorage', message: 'The store has no space left' }
  return { code: 'InternalError', message: 'The store met an internal error; please try again' }
}

export interface LocalDataPlaneOptions {
  readonly backend: Pick<LocalBackend, 'open' | 'writePart' | 'verify'>
  /** Unix time in ms; default the system's. */
  readonly now?: () => number
  readonly randomId?: () => string
  /** Told what a client is answered with 500 or 507 for. */
  readonly onFailure?: (error: ScoreError) => void
}

/** Answers for the URLs that {@link createLocalBackend} signs. No CORS: who serves it adds that. */
export function createLocalDataPlane(options: LocalDataPlaneOptions): LocalDataPlane {
  const { backend, now = Date.now, randomId = () => randomBytes(8).toString('hex').toUpperCase(), onFailure } = options

  async function answer(request: DataPlaneRequest): Promise<DataPlaneAnswer | S3Failure> {
    if (!['GET', 'HEAD', 'PUT'].includes(request.method)) {
      const message = `The method ${request.method} is not allowed against this resource`
      return { code: 'MethodNotAllowed', message, headers: { allow: 'GET, HEAD, PUT' } }
    }
    const address = parsePath(request.path)
    if (!address) return { code: 'NoSuchKey', message: 'The path names no object of this store' }
    const query = new URLSearchParams(request.query)
    const verdict = backend.verify({ method: request.method, ...address, query, range: headerOf(request, 'range') })
    if (verdict.outcome !== 'valid') return refusal(verdict, now()) as S3Failure
    const granted = { ...request, grant: verdict.grant }
    return request.method === 'PUT' ? answerPut(backend, granted) : answerGet(backend, granted)
  }

  return {
    async handle(request) {
      let outcome: DataPlaneAnswer | S3Failure
      try {
        outcome = await answer(request)
      } catch (error) {
        request.signal?.throwIfAborted()
        const failure = toScoreError(error)
        outcome = failureOf(failure)
        if (outcome.code === 'InternalError' || outcome.code === 'InsufficientStorage') onFailure?.(failure)
      }
      if ('status' in outcome) return outcome
      // A refusal may come before the body was read: the connection cannot be used for another request.
      const close = request.method === 'GET' || request.method === 'HEAD' ? {} : { connection: 'close' }
      const failure = { ...outcome, headers: { ...outcome.headers, ...close } }
      return failureAnswer(failure, { resource: request.path, id: randomId(), isHead: request.method === 'HEAD' })
    },
  }
}
