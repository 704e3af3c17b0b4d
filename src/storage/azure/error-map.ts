import { isScoreError, ScoreError } from '../../core/errors.ts'
import { redactText } from '../../core/redact.ts'
import { isCertificateError, networkError } from '../../http/network-error.ts'
import { parseRetryAfter } from '../../http/retry-after.ts'
import { field, hasConnectionCode, problemOf, type StoreRule, type StoreSubject, text } from '../sdk-error.ts'

/** What the driver was about when the store refused. */
export interface AzureErrorContext {
  /** `read data/x`: completes "the Azure store at … did not …". */
  readonly doing: string
  /** What a 404 says is missing. */
  readonly subject: StoreSubject
  readonly endpoint: string
  readonly now: () => number
}

const containerHint = 'create the container or correct its name in the configuration'
const keyHint = 'check the name and key of the account, and the clock of this machine'
const roleHint = 'give the identity the roles Storage Blob Data Contributor and Storage Blob Delegator on the account'

/**
 * Error codes of Azure and Azurite. What is not here goes by its HTTP status.
 * Source: "Blob Storage error codes" and "Common REST API error codes" of the Azure documentation; backends.md 3.5.
 */
const rules: Readonly<Record<string, StoreRule>> = {
  BlobNotFound: { problem: 'missing' },
  ResourceNotFound: { problem: 'missing' },
  ContainerNotFound: { problem: 'invalid-configuration', hint: containerHint },
  ContainerBeingDeleted: { problem: 'invalid-configuration', hint: containerHint },
  ContainerDisabled: { problem: 'invalid-configuration', hint: containerHint },
  InvalidResourceName: { problem: 'invalid-configuration', hint: 'names of containers have 3 to 63 of a-z, 0-9 and hyphen' },
  AccountIsDisabled: { problem: 'invalid-configuration', hint: 'the account is disabled' },
  InvalidRange: { problem: 'invalid-range' },
  InvalidBlockList: { problem: 'part-mismatch', hint: 'a part is missing or was sent again; send it and report it once more' },
  InvalidBlobOrBlock: {
    problem: 'already-running',
    hint: 'another program has begun an upload to this blob, with block ids of another length; Azure forgets it a week after its last block',
  },
  BlockCountExceedsLimit: {
    problem: 'already-running',
    hint: 'uploads that were given up fill this blob with 100,000 uncommitted blocks; Azure forgets them a week after the last one',
  },
  InvalidBlobType: { problem: 'internal', hint: 'there is a blob of another type than block blob at this place; move it away' },
  RequestBodyTooLarge: { problem: 'invalid-request', hint: 'a block has 4000 MiB at most' },
  BlobAlreadyExists: { problem: 'object-exists' },
  ConditionNotMet: { problem: 'object-exists' },
  TargetConditionNotMet: { problem: 'object-exists' },
  LeaseIdMissing: { problem: 'internal', hint: 'somebody holds a lease on the blob; release it' },
  SnapshotsPresent: { problem: 'internal', hint: 'the blob has snapshots; delete them' },
  BlobImmutableDueToPolicy: { problem: 'internal', hint: 'a policy keeps the blob from being changed' },
  BlobArchived: { problem: 'internal', hint: 'the blob is archived; rehydrate it first' },
  BlobBeingRehydrated: { problem: 'internal', hint: 'the blob is being rehydrated; wait for it' },
  Md5Mismatch: { problem: 'checksum-mismatch' },
  Crc64Mismatch: { problem: 'checksum-mismatch' },
  ServerBusy: { problem: 'unavailable' },
  InternalError: { problem: 'unavailable' },
  OperationTimedOut: { problem: 'unavailable' },
  AuthenticationFailed: { problem: 'access-denied', hint: keyHint },
  AuthorizationFailure: { problem: 'access-denied', hint: `${keyHint}; the firewall of the account may keep this machine out` },
  AuthorizationPermissionMismatch: { problem: 'access-denied', hint: roleHint },
  InsufficientAccountPermissions: { problem: 'access-denied', hint: roleHint },
  InvalidAuthenticationInfo: { problem: 'access-denied', hint: 'check the tenant and the token of the identity' },
  NoAuthenticationInformation: { problem: 'access-denied', hint: keyHint },
  KeyBasedAuthenticationNotPermitted: {
    problem: 'access-denied',
    hint: 'the account takes no keys: give an identity of Entra ID instead',
  },
  AccountRequiresHttps: { problem: 'invalid-configuration', hint: 'set the protocol of the endpoint to https' },
  InvalidHeaderValue: { problem: 'store-protocol', hint: 'an emulator must be started with --skipApiVersionCheck' },
  UnsupportedHttpVerb: { problem: 'store-protocol' },
}

function byStatus(status: number, code: string): StoreRule {
  // A 404 with a name that is not known here may be about anything: taking it for a missing object would hide it.
  if (status === 404) return code === '' ? { problem: 'missing' } : { problem: 'internal' }
  if (status === 401 || status === 403) return { problem: 'access-denied', hint: keyHint }
  if (status === 412) return { problem: 'object-exists' }
  if (status === 416) return { problem: 'invalid-range' }
  if (status === 408 || status === 429 || (status >= 500 && status !== 501 && status !== 505)) return { problem: 'unavailable' }
  if (status >= 200 && status < 400)
    return { problem: 'store-protocol', hint: 'the answer is none of Azure; a proxy may stand between, or the endpoint is wrong' }
  return { problem: 'internal' }
}

function headerOf(error: Error, name: string): string | undefined {
  const headers = field(error, 'response', 'headers')
  const get = field(headers, 'get')
  return typeof get === 'function' ? text(Reflect.apply(get, headers, [name])) : undefined
}

/** The store's name of the failure: in the body, and in a header, which alone an answer to HEAD has. */
function codeOf(error: Error): string {
  return text(field(error, 'details', 'errorCode')) ?? headerOf(error, 'x-ms-error-code') ?? text(field(error, 'code')) ?? ''
}

function describe(error: Error, code: string, status: number, hint: string | undefined, context: AzureErrorContext): string {
  const requestId = headerOf(error, 'x-ms-request-id')
  // The body repeats id and time on lines of their own, and may be a whole XML document.
  const said = redactText((error.message.split('\n')[0] ?? '').replace(/^\s*[<{].*$/s, '').trim())
  const facts = [...(code === '' ? [] : [code]), `status ${status}`, ...(requestId === undefined ? [] : [`request ${requestId}`])]
  const words = said === '' || said === code ? '' : `: ${said}`
  return `the Azure store at ${context.endpoint} did not ${context.doing} (${facts.join(', ')})${words}${hint === undefined ? '' : `; ${hint}`}`
}

/** Node's and the SDK's words for a connection that did not last. */
function isConnectionFailure(error: Error): boolean {
  if (error.name === 'AbortError' || error.message === 'aborted') return true
  return hasConnectionCode(error) || (text(field(error, 'code'))?.startsWith('REQUEST_SEND_ERROR') ?? false)
}

/** A failure of the SDK as what it means to the service, with the cause attached. */
export function mapAzureError(error: unknown, context: AzureErrorContext): ScoreError {
  if (isScoreError(error)) return error
  if (!(error instanceof Error)) return new ScoreError('internal', `the Azure driver could not ${context.doing}`, { cause: error })
  const status = field(error, 'statusCode')
  if (typeof status !== 'number') {
    if (isCertificateError(error))
      return new ScoreError('invalid-configuration', networkError(error, context.endpoint).message, { cause: error })
    if (isConnectionFailure(error)) return networkError(error, context.endpoint)
    const message = `the Azure driver could not ${context.doing}: ${redactText(error.message)}`
    if (/valid etag header/.test(error.message))
      return new ScoreError('store-protocol', `${message}; the answer is none of Azure: a proxy may stand between`, { cause: error })
    // Credentials of Entra ID fail with errors of their own before anything is sent to the store.
    const code = /Credential|Authentication/.test(error.name) ? 'invalid-configuration' : 'internal'
    return new ScoreError(code, message, { cause: error })
  }
  const code = codeOf(error)
  const found = rules[code] ?? byStatus(status, code)
  const rule = found.problem === 'missing' && context.subject === 'bucket' ? (rules['ContainerNotFound'] as StoreRule) : found
  const seconds = parseRetryAfter(headerOf(error, 'retry-after') ?? null, context.now())
  return new ScoreError(problemOf(rule, context.subject), describe(error, code, status, rule.hint, context), {
    cause: error,
    ...(seconds === undefined ? {} : { retryAfterSeconds: seconds }),
  })
}
