interface ProblemTraits {
  /** HTTP status of a *new* route; the old routes' statuses live in `wire/problem-json.ts`. */
  readonly status: number
  /**
   * What may be done about it: repeat the same request, get fresh URLs first, start the object over,
   * or nothing.
   */
  readonly retry: 'never' | 'same-request' | 'fresh-urls' | 'restart'
  readonly errno:
    | 'ENOENT'
    | 'EACCES'
    | 'EIO'
    | 'ESTALE'
    | 'EINVAL'
    | 'EAGAIN'
    | 'ENOSPC'
    | 'EROFS'
    | 'EISDIR'
    | 'ENOTDIR'
    | 'EBADF'
    | 'EMFILE'
  /** Exit code of `score` (0 success, 8 some of several failed, 130 SIGINT, 143 SIGTERM are not errors of one operation). */
  readonly exitCode: number
}

/** Every way an operation can fail, and what each surface does about it. Adding a failure is adding a row. */
export const problems = {
  'object-not-found': { status: 404, retry: 'never', errno: 'ENOENT', exitCode: 4 },
  'upload-not-found': { status: 404, retry: 'restart', errno: 'ENOENT', exitCode: 4 },
  'entity-not-found': { status: 404, retry: 'never', errno: 'ENOENT', exitCode: 4 },
  'analysis-not-found': { status: 404, retry: 'never', errno: 'ENOENT', exitCode: 4 },
  'object-exists': { status: 409, retry: 'never', errno: 'EINVAL', exitCode: 5 },
  'target-exists': { status: 409, retry: 'never', errno: 'EINVAL', exitCode: 5 },
  'already-running': { status: 409, retry: 'never', errno: 'EAGAIN', exitCode: 5 },
  'analysis-state': { status: 400, retry: 'never', errno: 'EACCES', exitCode: 5 },
  'catalogue-conflict': { status: 409, retry: 'never', errno: 'EINVAL', exitCode: 5 },
  'upload-incomplete': { status: 400, retry: 'same-request', errno: 'EINVAL', exitCode: 5 },
  'part-mismatch': { status: 400, retry: 'same-request', errno: 'EIO', exitCode: 6 },
  'checksum-mismatch': { status: 400, retry: 'same-request', errno: 'EIO', exitCode: 6 },
  'object-changed': { status: 412, retry: 'never', errno: 'ESTALE', exitCode: 6 },
  'size-changed': { status: 400, retry: 'restart', errno: 'ESTALE', exitCode: 6 },
  'invalid-request': { status: 400, retry: 'never', errno: 'EINVAL', exitCode: 2 },
  'invalid-range': { status: 416, retry: 'never', errno: 'EINVAL', exitCode: 2 },
  'invalid-format': { status: 400, retry: 'never', errno: 'EIO', exitCode: 2 },
  'store-protocol': { status: 502, retry: 'never', errno: 'EIO', exitCode: 7 },
  'invalid-configuration': { status: 500, retry: 'never', errno: 'EINVAL', exitCode: 2 },
  unauthenticated: { status: 401, retry: 'never', errno: 'EACCES', exitCode: 3 },
  'access-denied': { status: 403, retry: 'never', errno: 'EACCES', exitCode: 3 },
  'url-expired': { status: 403, retry: 'fresh-urls', errno: 'EAGAIN', exitCode: 7 },
  unavailable: { status: 503, retry: 'same-request', errno: 'EIO', exitCode: 7 },
  // Of a mounted tree.
  'path-not-found': { status: 404, retry: 'never', errno: 'ENOENT', exitCode: 4 },
  'is-a-folder': { status: 400, retry: 'never', errno: 'EISDIR', exitCode: 2 },
  'not-a-folder': { status: 400, retry: 'never', errno: 'ENOTDIR', exitCode: 2 },
  'read-only': { status: 400, retry: 'never', errno: 'EROFS', exitCode: 2 },
  'not-open': { status: 400, retry: 'never', errno: 'EBADF', exitCode: 1 },
  'too-many-open': { status: 503, retry: 'never', errno: 'EMFILE', exitCode: 7 },
  'local-storage': { status: 500, retry: 'never', errno: 'ENOSPC', exitCode: 9 },
  internal: { status: 500, retry: 'never', errno: 'EIO', exitCode: 1 },
} as const satisfies Record<string, ProblemTraits>

/** Stable code of a {@link ScoreError}; a key of {@link problems}. */
export type ProblemCode = keyof typeof problems

export interface ScoreErrorOptions extends ErrorOptions {
  /** Seconds to wait before a repeat, as a peer asked for in `Retry-After`. */
  readonly retryAfterSeconds?: number
}

/**
 * The only error this package throws on purpose. Switch on {@link ScoreError.code}.
 *
 * The message is written for people: it names the input, the rule that was broken and the way out,
 * and never holds a token or the query of a signed URL.
 */
export class ScoreError<Code extends ProblemCode = ProblemCode> extends Error {
  override readonly name: string = 'ScoreError'
  readonly code: Code
  readonly retryAfterSeconds?: number

  constructor(code: Code, message: string, options: ScoreErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.code = code
    if (options.retryAfterSeconds !== undefined) this.retryAfterSeconds = options.retryAfterSeconds
  }
}

/** Works across duplicate copies of the package, where `instanceof` does not. Without codes: any of them. */
export function isScoreError<Code extends ProblemCode>(error: unknown, ...codes: readonly Code[]): error is ScoreError<Code> {
  if (!(error instanceof Error) || error.name !== 'ScoreError' || !('code' in error)) return false
  return codes.length === 0 || (codes as readonly unknown[]).includes(error.code)
}

/** The one edge where an unknown failure becomes a {@link ScoreError}: what is one already passes through. */
export function toScoreError(error: unknown, code: ProblemCode = 'internal'): ScoreError {
  if (isScoreError(error)) return error
  const message = error instanceof Error ? error.message : String(error)
  return new ScoreError(code, message, { cause: error })
}
