import { STATUS_CODES } from 'node:http'
import { type ProblemCode, problems, type ScoreError } from '../core/errors.ts'
import { hideAddresses, redactText } from '../core/redact.ts'

/**
 * Statuses of the old routes. The original's client stops at 400, 401, 403, 404 and 500 and repeats everything else for
 * minutes (score-server.md 9), so nothing else may answer what a repeat can't mend.
 */
const legacyStatus = {
  'object-not-found': 404,
  'upload-not-found': 404,
  'entity-not-found': 404,
  'analysis-not-found': 404,
  'object-exists': 400,
  'target-exists': 400,
  'already-running': 400,
  'analysis-state': 400,
  'catalogue-conflict': 400,
  'upload-incomplete': 400,
  'part-mismatch': 400,
  'checksum-mismatch': 400,
  'object-changed': 400,
  'size-changed': 400,
  'invalid-request': 400,
  'invalid-range': 400,
  'invalid-format': 400,
  'store-protocol': 500,
  'invalid-configuration': 500,
  unauthenticated: 401,
  'access-denied': 403,
  'url-expired': 403,
  unavailable: 503,
  'path-not-found': 404,
  'is-a-folder': 400,
  'not-a-folder': 400,
  'read-only': 400,
  'not-open': 400,
  'too-many-open': 503,
  'local-storage': 500,
  internal: 500,
} as const satisfies Record<ProblemCode, 400 | 401 | 403 | 404 | 500 | 503>

const denials = {
  upload: 'Token missing required scope to update project',
  download: 'Token missing required scope to download controlled-access file',
} as const

/** Header that tells our own client which {@link ProblemCode} an old-style answer stands for. */
export const problemHeader = 'Score-Problem'

export interface ProblemAnswer {
  readonly status: number
  /** Absent when the body is empty. */
  readonly contentType?: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface LegacyProblemContext {
  /** Path of the request, without query. */
  readonly path: string
  /** Milliseconds since 1970. */
  readonly now: number
  /** Which right the caller lacked; decides the sentence of a 403. */
  readonly right?: 'upload' | 'download'
  /** Whether a token came with the request: 401 then says that it is no good. */
  readonly tokenSent?: boolean
}

/**
 * What a caller is told, where a log has the whole message: without secrets, without the addresses of the services behind and,
 * where the service itself is in trouble, without the places of its files.
 */
export function publicMessage(error: ScoreError): string {
  const message = hideAddresses(redactText(error.message))
  return legacyStatus[error.code] === 500 ? message.replace(/'(?:\/|[A-Za-z]:\\)[^']*'/g, "'…'") : message
}

function javaTimestamp(now: number): string {
  return new Date(now).toISOString().replace('Z', '+00:00')
}

/** `error_description` is ASCII without quotes and backslashes (RFC 6750 3). */
function challenge(error: ScoreError, tokenSent: boolean): string {
  if (!tokenSent) return 'Bearer'
  const description = publicMessage(error).replace(/[^\x20-\x7e]|["\\]/g, ' ')
  return `Bearer error="invalid_token", error_description="${description}", error_uri="https://tools.ietf.org/html/rfc6750#section-3.1"`
}

/** The body that the original's server sends, with a `message` for people, which its client shows as it is. */
export function errorBody(status: number, message: string, context: { readonly path: string; readonly now: number }): string {
  return JSON.stringify({
    timestamp: javaTimestamp(context.now),
    status,
    error: STATUS_CODES[status] ?? String(status),
    message: redactText(message),
    path: context.path,
  })
}

/**
 * How an old route answers a failure (wire-vectors.md 1; decided.md "Server"): only 400, 401, 403, 404, 500 and 503; 401
 * empty, 403 of upload and download the recorded sentence, everything else the original's error JSON plus `message`.
 */
export function legacyProblem(error: ScoreError, context: LegacyProblemContext): ProblemAnswer {
  const status = legacyStatus[error.code]
  const headers: Record<string, string> = { [problemHeader]: error.code }
  if (error.retryAfterSeconds !== undefined && status === 503) headers['Retry-After'] = String(Math.ceil(error.retryAfterSeconds))
  if (status === 401) return { status, headers: { ...headers, 'WWW-Authenticate': challenge(error, context.tokenSent === true) }, body: '' }
  if (error.code === 'access-denied' && context.right !== undefined)
    return { status, contentType: 'text/plain;charset=UTF-8', headers, body: denials[context.right] }
  return { status, contentType: 'application/json', headers, body: errorBody(status, publicMessage(error), context) }
}

/** How a new route answers a failure: the code's own status and an RFC 9457 document with the member `code`. */
export function problemDocument(error: ScoreError, context: { readonly path: string; readonly tokenSent?: boolean }): ProblemAnswer {
  const { status } = problems[error.code]
  const headers: Record<string, string> = { [problemHeader]: error.code }
  if (error.retryAfterSeconds !== undefined) headers['Retry-After'] = String(Math.ceil(error.retryAfterSeconds))
  if (status === 401) headers['WWW-Authenticate'] = challenge(error, context.tokenSent === true)
  const body = JSON.stringify({
    type: 'about:blank',
    title: STATUS_CODES[status],
    status,
    detail: publicMessage(error),
    instance: context.path,
    code: error.code,
  })
  return { status, contentType: 'application/problem+json', headers, body }
}
