import type { CallOptions } from '../core/call-options.ts'
import { isScoreError, type ScoreError } from '../core/errors.ts'
import type { Part } from '../core/object-spec.ts'
import type { ProgressSink } from '../core/progress.ts'
import { redactText } from '../core/redact.ts'
import { isTransient, type RetryOptions, type RetryPolicy, retry } from '../core/retry.ts'
import type { Connection } from './connection-gate.ts'

/** Without a byte on any connection for so long, nothing is tried again: the transfer ends, resumable. */
export const silenceLimitMs = 5 * 60_000
/** Wrong bytes again and again are not an accident of the way. */
export const mismatchTries = 3

/** How attempts are repeated: the policy, and for tests the waiting and the chance. */
export interface AttemptSettings {
  readonly retry?: Partial<RetryPolicy>
  readonly sleep?: RetryOptions['sleep']
  readonly random?: () => number
  readonly now: () => number
}

export interface PartAttempts {
  readonly retries: number
  /** Bytes have come or gone. */
  alive(): void
  /** Repeats `attempt` while that may help. */
  run<Result>(part: Part, attempt: () => Promise<Result>, options: { signal: AbortSignal; connection: Connection }): Promise<Result>
  /** The same for a call about the whole object. */
  runCall<Result>(call: () => Promise<Result>, options: CallOptions): Promise<Result>
}

function asksForLess(error: ScoreError): boolean {
  if (error.code !== 'unavailable') return false
  const { cause } = error
  const status = typeof cause === 'object' && cause !== null && 'status' in cause ? cause.status : undefined
  return error.retryAfterSeconds !== undefined || status === 429 || status === 503
}

export function createPartAttempts(objectId: string, progress: ProgressSink, settings: AttemptSettings): PartAttempts {
  let retries = 0
  let lastSign = settings.now()
  const common = (signal: AbortSignal | undefined): RetryOptions => ({
    ...(signal ? { signal } : {}),
    ...(settings.retry ? { policy: settings.retry } : {}),
    ...(settings.sleep ? { sleep: settings.sleep } : {}),
    ...(settings.random ? { random: settings.random } : {}),
  })
  const alive = (): void => {
    lastSign = settings.now()
  }
  return {
    get retries() {
      return retries
    },
    alive,
    run(part, attempt, { signal, connection }) {
      let mismatches = 0
      // Time spent on reading and hashing before is no silence of the store.
      alive()
      return retry(attempt, {
        ...common(signal),
        retryable(error) {
          if (settings.now() - lastSign > silenceLimitMs) return false
          if (isScoreError(error, 'checksum-mismatch', 'part-mismatch')) return ++mismatches < mismatchTries
          return isTransient(error)
        },
        onRetry({ attempt: failed, waitMs, error }) {
          retries++
          if (asksForLess(error)) connection.throttled()
          progress({ type: 'retry', objectId, partNumber: part.number, attempt: failed, waitMs, reason: redactText(error.message) })
        },
      })
    },
    runCall(call, { signal }) {
      alive()
      return retry(call, {
        ...common(signal),
        retryable: (error) => error.code === 'unavailable' && settings.now() - lastSign <= silenceLimitMs,
        onRetry({ attempt, waitMs, error }) {
          progress({ type: 'retry', objectId, attempt, waitMs, reason: redactText(error.message) })
        },
      })
    },
  }
}
