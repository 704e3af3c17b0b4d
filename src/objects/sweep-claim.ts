import type { CallOptions } from '../core/call-options.ts'
import { isScoreError, ScoreError } from '../core/errors.ts'
import { type RetryOptions, retry } from '../core/retry.ts'
import type { ObjectLayout } from '../storage/object-layout.ts'
import type { ListedObject, StorageBackend } from '../storage/storage-backend.ts'

export interface SweepClaimOptions extends CallOptions {
  readonly backend: StorageBackend
  readonly layout: ObjectLayout
  /** How long nobody else may sweep after this claim; default 12 h. */
  readonly holdSeconds?: number
  readonly randomId?: () => string
  /** For tests: how to wait when two claim at the same moment. */
  readonly retry?: Pick<RetryOptions, 'sleep' | 'random'>
}

/** The right to sweep a store, until it is given back or too old. */
export interface SweepClaim {
  /** When it was made, by the store's own clock. */
  readonly at: Date
  /** Lets others sweep at once: for a sweep that failed. */
  release(options?: CallOptions): Promise<void>
}

const halfDay = 43_200
/** Claims that are closer to each other may have been made at the same moment, and then both were withdrawn. */
const momentMs = 60_000

/**
 * Claims the clean-up of a store, so that it runs once however many servers there are. A claim is an empty object: whoever
 * writes one and then sees no other that holds, has it; whoever sees another takes its own back. It needs no conditional
 * writes, only listings that show what was written, and ages are told by the store's clock alone. Of two that claim at the
 * same moment both withdraw, and try again after a random while.
 *
 * @returns undefined while another holds a claim.
 */
export async function claimSweep(options: SweepClaimOptions): Promise<SweepClaim | undefined> {
  const { backend, layout, holdSeconds = halfDay, randomId = () => crypto.randomUUID(), signal } = options
  const call: CallOptions = signal ? { signal } : {}
  const prefix = layout.sweepClaims

  const attempt = async (): Promise<SweepClaim | undefined> => {
    const own = { bucket: prefix.bucket, key: `${prefix.key}${randomId()}` }
    await backend.put(own, new Uint8Array(0), call)
    const claims: ListedObject[] = []
    for await (const claim of backend.list(prefix, call)) claims.push(claim)
    const at = claims.find(({ key }) => key === own.key)?.lastModified
    const others = claims.filter(({ key }) => key !== own.key)
    const holding = at === undefined ? [] : others.filter(({ lastModified }) => at.getTime() - lastModified.getTime() < holdSeconds * 1000)
    if (at !== undefined && holding.length === 0) {
      for (const { bucket, key } of others) await backend.delete({ bucket, key }, call)
      return { at, release: (later) => backend.delete(own, later) }
    }
    await backend.delete(own, call)
    const sameMoment = at === undefined || holding.every(({ lastModified }) => at.getTime() - lastModified.getTime() < momentMs)
    if (!sameMoment) return undefined
    throw new ScoreError('already-running', 'another server claims the clean-up at the same moment')
  }

  try {
    const policy = { attempts: 5, baseDelayMs: 500, maximumDelayMs: 10_000 }
    return await retry(attempt, { policy, retryable: (error) => error.code === 'already-running', ...options.retry, ...call })
  } catch (error) {
    if (isScoreError(error, 'already-running')) return undefined
    throw error
  }
}
