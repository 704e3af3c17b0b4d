import { STATUS_CODES } from 'node:http'
import type { CallOptions, ScoreApi } from '../../src/index.ts'

export interface ConnectionCheck {
  readonly api: Pick<ScoreApi, 'sentinelUrl'>
  readonly fetch: typeof fetch
  /** Longest wait for the object store; default 5, as the original. */
  readonly timeoutSeconds?: number
  /** Adds the way out to the original's sentences. */
  readonly advice: boolean
}

const wayOut = '; check that this machine may reach the object store, or leave the check out with --verify-connection false'

function statusName(status: number): string {
  return (STATUS_CODES[status] ?? String(status)).toUpperCase().replace(/[^A-Z0-9]+/g, '_')
}

/** Sentences that users of the original know (score-client.md 9.2). */
function describeFailure(error: unknown): string {
  if (error instanceof Error && error.name === 'TimeoutError') return 'Connection to object storage failed, request timed out.'
  const { cause } = error as { readonly cause?: unknown }
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  if (/TIMEOUT|ETIMEDOUT/.test(code)) return 'Access refused by repository. Ensure client is running as part of repository cloud.'
  const reason = cause instanceof Error ? cause.message : error instanceof Error ? error.message : String(error)
  return `Unable to verify connectivity to repository: ${reason}`
}

/**
 * Proves that the object store can be reached from here, by fetching the object that is always there.
 *
 * @throws `unavailable` (`access-denied` when the store refuses) with the original's sentence.
 */
export async function verifyConnection(check: ConnectionCheck, options: CallOptions = {}): Promise<void> {
  const { ScoreError, redactText } = await import('../../src/index.ts')
  const suffix = check.advice ? wayOut : ''
  const url = await check.api.sentinelUrl(options)
  const timeout = AbortSignal.timeout((check.timeoutSeconds ?? 5) * 1000)
  let response: Response
  try {
    response = await check.fetch(url, { signal: options.signal ? AbortSignal.any([options.signal, timeout]) : timeout })
    await response.body?.cancel()
  } catch (error) {
    options.signal?.throwIfAborted()
    throw new ScoreError('unavailable', redactText(describeFailure(error)) + suffix, { cause: error })
  }
  if (response.ok) return
  const message = `Connection to object storage refused, received response code ${statusName(response.status)}.`
  throw new ScoreError(response.status === 403 ? 'access-denied' : 'unavailable', message + suffix)
}
