import { setTimeout as wait } from 'node:timers/promises'
import type { CallOptions } from './call-options.ts'
import { isScoreError, problems, type ScoreError, toScoreError } from './errors.ts'

/** How often and how long; every field has a default in {@link defaultRetryPolicy}. */
export interface RetryPolicy {
  /** Tries in all, the first included; negative = without end. */
  readonly attempts: number
  readonly baseDelayMs: number
  readonly maximumDelayMs: number
}

/** Ten tries as the original (`storage.retryNumber`); 0.2 s doubling to 30 s (docs/decisions). */
export const defaultRetryPolicy: RetryPolicy = { attempts: 10, baseDelayMs: 200, maximumDelayMs: 30_000 }

/** Longest wait that a peer may ask for in `Retry-After`. */
export const maximumRetryAfterSeconds = 120

export interface RetryNotice {
  /** The try that failed, from 1. */
  readonly attempt: number
  readonly waitMs: number
  readonly error: ScoreError
}

export interface RetryOptions extends CallOptions {
  readonly policy?: Partial<RetryPolicy>
  /** Told before each wait. */
  readonly onRetry?: (notice: RetryNotice) => void
  /** Which failures are worth another try; default: the code's row says `same-request`. */
  readonly retryable?: (error: ScoreError) => boolean
  /** For tests: how to wait and where chance comes from. */
  readonly sleep?: (ms: number, options: CallOptions) => Promise<void>
  readonly random?: () => number
}

async function sleepFor(ms: number, options: CallOptions): Promise<void> {
  await wait(ms, undefined, options.signal ? { signal: options.signal } : {}).catch((error: unknown) => {
    options.signal?.throwIfAborted()
    throw error
  })
}

/** Whether the table says that the same request may be sent again. */
export function isTransient(error: unknown): boolean {
  return isScoreError(error) && problems[error.code].retry === 'same-request'
}

/** Full jitter: a random wait below a doubling bound, or what the peer asked for (plus up to a second), capped. */
export function retryDelayMs(attempt: number, error: ScoreError, policy: RetryPolicy, random: () => number): number {
  if (error.retryAfterSeconds !== undefined) {
    return Math.min(error.retryAfterSeconds, maximumRetryAfterSeconds) * 1000 + random() * 1000
  }
  return random() * Math.min(policy.maximumDelayMs, policy.baseDelayMs * 2 ** Math.min(attempt, 30))
}

/**
 * The only retry loop of the package. Calls `work` until it succeeds, fails in a way that a repeat can't mend, or the
 * tries are used up.
 *
 * @throws the last failure, as a {@link ScoreError}; the signal's reason when aborted.
 */
export async function retry<Result>(work: (attempt: number) => Promise<Result>, options: RetryOptions = {}): Promise<Result> {
  const policy = { ...defaultRetryPolicy, ...options.policy }
  const { signal, sleep = sleepFor, random = Math.random, retryable = isTransient, onRetry } = options
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted()
    try {
      return await work(attempt)
    } catch (cause) {
      signal?.throwIfAborted()
      const error = toScoreError(cause)
      const spent = policy.attempts >= 0 && attempt >= policy.attempts
      if (spent || !retryable(error)) throw error
      const waitMs = retryDelayMs(attempt, error, policy, random)
      onRetry?.({ attempt, waitMs, error })
      await sleep(waitMs, signal ? { signal } : {})
    }
  }
}
