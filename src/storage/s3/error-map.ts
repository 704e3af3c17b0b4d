import { isScoreError, ScoreError } from '../../core/errors.ts'
import { redactText } from '../../core/redact.ts'
import { isCertificateError, networkError } from '../../http/network-error.ts'
import { parseRetryAfter } from '../../http/retry-after.ts'
import { field, hasConnectionCode, problemOf, type StoreRule, type StoreSubject, text } from '../sdk-error.ts'

/** What the driver was about when the store refused. */
export interface S3ErrorContext {
  /** `read score.data/data/x`: completes "the S3 store at … did not …". */
  readonly doing: string
  /** What a 404 says is missing, and a 412 says is there. */
  readonly subject: StoreSubject
  readonly endpoint?: string
  readonly now: () => number
}

const credentialHint = 'check the access key and secret that this server signs with'
const bucketHint = 'create the bucket or correct its name in the configuration'

/**
 * Error codes of AWS, Ceph RGW, MinIO, Swift and versitygw. What is not here goes by its HTTP status.
 * Source: AWS S3 API reference, "List of error codes"; backends.md 5 and 8.1.
 */
const rules: Readonly<Record<string, StoreRule>> = {
  NoSuchKey: { problem: 'missing' },
  NotFound: { problem: 'missing' },
  NoSuchVersion: { problem: 'missing' },
  NoSuchUpload: { problem: 'upload-not-found' },
  NoSuchBucket: { problem: 'invalid-configuration', hint: bucketHint },
  InvalidBucketName: { problem: 'invalid-configuration', hint: 'bucket names have 3 to 63 of a-z, 0-9, dot and hyphen' },
  InvalidRange: { problem: 'invalid-range' },
  InvalidPart: { problem: 'part-mismatch', hint: 'a part is missing or was sent again; send it and report it once more' },
  InvalidPartOrder: { problem: 'part-mismatch', hint: 'parts must be named in ascending order' },
  EntityTooSmall: { problem: 'part-mismatch', hint: 'every part but the last must have 5 MiB at least' },
  EntityTooLarge: { problem: 'invalid-request', hint: 'the object is larger than the store takes' },
  KeyTooLongError: { problem: 'invalid-request', hint: 'a key has 1024 bytes at most' },
  PreconditionFailed: { problem: 'object-exists' },
  // Another writer was at the same key in the same moment: AWS asks for a repeat.
  ConditionalRequestConflict: { problem: 'unavailable' },
  OperationAborted: { problem: 'unavailable' },
  BadDigest: { problem: 'checksum-mismatch' },
  XAmzContentSHA256Mismatch: { problem: 'checksum-mismatch' },
  SlowDown: { problem: 'unavailable' },
  SlowDownRead: { problem: 'unavailable' },
  SlowDownWrite: { problem: 'unavailable' },
  ServiceUnavailable: { problem: 'unavailable' },
  InternalError: { problem: 'unavailable' },
  RequestTimeout: { problem: 'unavailable' },
  RequestTimeoutException: { problem: 'unavailable' },
  ThrottlingException: { problem: 'unavailable' },
  TooManyRequests: { problem: 'unavailable' },
  TooManyRequestsException: { problem: 'unavailable' },
  XMinioServerNotInitialized: { problem: 'unavailable' },
  XMinioStorageFull: { problem: 'unavailable', hint: 'the store is full' },
  QuotaExceeded: { problem: 'unavailable', hint: 'the quota of the bucket or user is used up' },
  // The SDK sets its clock by the answer, so a repeat is signed for the store's time.
  RequestTimeTooSkewed: {
    problem: 'unavailable',
    hint: 'set the clock of this machine, or of the store: they differ by more than 15 minutes',
  },
  RequestExpired: { problem: 'unavailable', hint: 'set the clock of this machine, or of the store' },
  AccessDenied: {
    problem: 'access-denied',
    hint: 'give the key the right to it; without the right to list a bucket, what is missing looks like a refusal',
  },
  Forbidden: {
    problem: 'access-denied',
    hint: 'give the key the right to it; without the right to list a bucket, what is missing looks like a refusal',
  },
  AllAccessDisabled: { problem: 'access-denied' },
  InvalidAccessKeyId: { problem: 'access-denied', hint: credentialHint },
  // versitygw's word for it, with status 404.
  XAdminUserNotFound: { problem: 'access-denied', hint: credentialHint },
  SignatureDoesNotMatch: { problem: 'access-denied', hint: `${credentialHint}; a proxy must pass the Host header unchanged` },
  ExpiredToken: { problem: 'access-denied', hint: 'the session credentials ran out; renew them' },
  ExpiredTokenException: { problem: 'access-denied', hint: 'the session credentials ran out; renew them' },
  InvalidToken: { problem: 'access-denied', hint: credentialHint },
  TokenRefreshRequired: { problem: 'access-denied', hint: 'renew the session credentials' },
  CredentialsProviderError: {
    problem: 'invalid-configuration',
    hint: 'give an access key and secret, or set up any source that the AWS tools know (environment, profile, role)',
  },
  PermanentRedirect: { problem: 'invalid-configuration', hint: 'set the region of the bucket' },
  Redirect: { problem: 'invalid-configuration', hint: 'set the region of the bucket' },
  TemporaryRedirect: { problem: 'unavailable' },
  AuthorizationHeaderMalformed: { problem: 'invalid-configuration', hint: 'set the region of the store' },
  IllegalLocationConstraintException: { problem: 'invalid-configuration', hint: 'set the region of the bucket' },
  InvalidRegionName: { problem: 'invalid-configuration', hint: 'set the region of the store' },
  NotImplemented: { problem: 'store-protocol' },
  MethodNotAllowed: { problem: 'store-protocol' },
  InvalidObjectState: { problem: 'internal', hint: 'the object is archived; restore it first' },
  KMSNotConfigured: { problem: 'invalid-configuration', hint: 'the store has no key service; change the encryption setting' },
  'KMS.NotFoundException': { problem: 'invalid-configuration', hint: 'correct the key id of the encryption setting' },
  'KMS.DisabledException': { problem: 'invalid-configuration', hint: 'enable the key of the encryption setting' },
  'KMS.KMSInvalidStateException': { problem: 'invalid-configuration', hint: 'check the key of the encryption setting' },
  ServerSideEncryptionConfigurationNotFoundError: { problem: 'invalid-configuration', hint: 'change the encryption setting' },
}

/** The SDK's words for an answer without a body, such as every answer to HEAD. */
const unnamed = /^(Unknown|UnknownError|\d*)$/

function byStatus(status: number, code: string): StoreRule {
  // A 404 with a name that is not known here may be about anything: taking it for a missing object would hide it.
  if (status === 404) return unnamed.test(code) ? { problem: 'missing' } : { problem: 'internal' }
  if (status === 401 || status === 403) return rules['AccessDenied'] as StoreRule
  if (status === 412) return { problem: 'object-exists' }
  if (status === 416) return { problem: 'invalid-range' }
  if (status === 408 || status === 425 || status === 429 || (status >= 500 && status !== 501 && status !== 505))
    return { problem: 'unavailable' }
  if (status >= 300 && status < 400) return rules['PermanentRedirect'] as StoreRule
  if (status >= 200 && status < 300) return { problem: 'store-protocol', hint: 'the answer is none of S3; a proxy may stand between' }
  return { problem: 'internal' }
}

/** What an answer of the store says went wrong, each part where it is there. */
export interface S3Refusal {
  /** The store's word for it. */
  readonly code: string
  readonly message: string
  readonly status?: number
  readonly region?: string
  readonly retryAfter?: string
  readonly requestId?: string
}

function readAnswer(error: Error): S3Refusal {
  const status = field(error, '$metadata', 'httpStatusCode') ?? field(error, '$response', 'statusCode')
  const region = text(field(error, '$response', 'headers', 'x-amz-bucket-region')) ?? text(field(error, 'Region'))
  const retryAfter = text(field(error, '$response', 'headers', 'retry-after'))
  const requestId = text(field(error, '$metadata', 'requestId'))
  return {
    code: text(field(error, 'Code')) ?? error.name,
    message: error.message,
    ...(typeof status === 'number' ? { status } : {}),
    ...(region === undefined ? {} : { region }),
    ...(retryAfter === undefined ? {} : { retryAfter }),
    ...(requestId === undefined ? {} : { requestId }),
  }
}

function describe(answer: S3Refusal, hint: string | undefined, context: S3ErrorContext): string {
  const { code, status, region, requestId } = answer
  const where = context.endpoint === undefined ? 'the S3 store' : `the S3 store at ${context.endpoint}`
  const said = unnamed.test(answer.message) || answer.message === code ? '' : `: ${redactText(answer.message)}`
  const facts = [code, ...(status === undefined ? [] : [`status ${status}`]), ...(requestId === undefined ? [] : [`request ${requestId}`])]
  const wayOut = [...(region === undefined ? [] : [`the store names the region ${region}`]), ...(hint === undefined ? [] : [hint])]
  return `${where} did not ${context.doing} (${facts.join(', ')})${said}${wayOut.length === 0 ? '' : `; ${wayOut.join('; ')}`}`
}

/** Node's and the SDK's words for a connection that did not last. */
function isConnectionFailure(error: Error): boolean {
  return error.name === 'TimeoutError' || error.name === 'AggregateError' || error.message === 'aborted' || hasConnectionCode(error)
}

/** A connection that failed before there was an answer. */
export function mapS3NetworkError(error: unknown, { endpoint = 'the S3 store' }: Pick<S3ErrorContext, 'endpoint'>): ScoreError {
  const failure = networkError(error, endpoint)
  return isCertificateError(error) ? new ScoreError('invalid-configuration', failure.message, { cause: error }) : failure
}

/** A refusal of the store as what it means to the service. */
export function mapS3Refusal(answer: S3Refusal, context: S3ErrorContext, cause: unknown): ScoreError {
  const found = rules[answer.code] ?? byStatus(answer.status ?? 0, answer.code)
  const rule = found.problem === 'missing' && context.subject === 'bucket' ? (rules['NoSuchBucket'] as StoreRule) : found
  const seconds = parseRetryAfter(answer.retryAfter ?? null, context.now())
  return new ScoreError(problemOf(rule, context.subject), describe(answer, rule.hint, context), {
    cause,
    ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
  })
}

/** A failure of the SDK as what it means to the service, with the cause attached. */
export function mapS3Error(error: unknown, context: S3ErrorContext): ScoreError {
  if (isScoreError(error)) return error
  if (!(error instanceof Error)) return new ScoreError('internal', `the S3 driver could not ${context.doing}`, { cause: error })
  const answer = readAnswer(error)
  if (answer.status === undefined) {
    if (isCertificateError(error) || isConnectionFailure(error)) return mapS3NetworkError(error, context)
    if (/Region is missing/.test(error.message))
      return new ScoreError('invalid-configuration', 'the S3 store needs a region: set it, or AWS_REGION', { cause: error })
  }
  return mapS3Refusal(answer, context, error)
}
