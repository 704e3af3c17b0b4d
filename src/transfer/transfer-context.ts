import type { ScoreApi } from '../api/score-api.ts'
import { ScoreError } from '../core/errors.ts'
import type { Part } from '../core/object-spec.ts'
import type { ProgressSink } from '../core/progress.ts'
import type { ConnectionGate } from './connection-gate.ts'
import type { CommitPolicy } from './journal-commits.ts'
import type { AttemptSettings } from './part-attempts.ts'
import type { PartTransport, TrailingHash } from './part-transport.ts'
import type { TransferReceipt } from './transfer-task.ts'

/** What one transfer works with: the engine's parts, and the caller's wishes. */
export interface TransferContext {
  readonly api: ScoreApi
  readonly transport: PartTransport
  readonly gate: ConnectionGate
  /** Place in the queue for connections. */
  readonly order: number
  readonly signal: AbortSignal
  readonly progress: ProgressSink
  /** Wait for a lock instead of failing. */
  readonly wait: boolean
  readonly attempts: AttemptSettings
  readonly now: () => number
  readonly journalDir?: string
  readonly commit?: CommitPolicy
  readonly graceMs?: number
}

/** Counts of a transfer under way; becomes the receipt. */
export interface Tally {
  partsMoved: number
  partsKept: number
  partsRechecked: number
  partsRepaired: number
  bytesMoved: number
}

export function newTally(): Tally {
  return { partsMoved: 0, partsKept: 0, partsRechecked: 0, partsRepaired: 0, bytesMoved: 0 }
}

export interface ReceiptFacts {
  readonly objectId: string
  readonly direction: 'upload' | 'download'
  readonly name: string
  readonly size: number
  readonly md5?: string | undefined
  readonly verified: TransferReceipt['verified']
  readonly skipped?: boolean
  readonly retries?: number
  readonly seconds: number
}

export function toReceipt(facts: ReceiptFacts, tally: Tally): TransferReceipt {
  const { md5, skipped = false, retries = 0, ...rest } = facts
  return { ...rest, ...tally, skipped, retries, ...(md5 === undefined ? {} : { md5 }) }
}

/**
 * The plan as the service gave it, checked: numbers ascending, each part behind the one before, as many bytes as said.
 *
 * @throws `store-protocol` naming the object: nothing can be built on such a plan.
 */
export function requireSoundPlan(objectId: string, parts: readonly Part[], size: number): void {
  let expected = parts[0]?.range.start ?? 0
  let total = 0
  let last = 0
  for (const { number, range } of parts) {
    const sound = Number.isSafeInteger(number) && number > last && range.start === expected && range.end > range.start
    if (!sound) throw brokenPlan(objectId, `part ${number} (bytes ${range.start} to ${range.end}) is out of place`)
    last = number
    expected = range.end
    total += range.end - range.start
  }
  if (total !== size) throw brokenPlan(objectId, `its parts make ${total} bytes, the object has ${size}`)
}

function brokenPlan(objectId: string, what: string): ScoreError {
  return new ScoreError(
    'store-protocol',
    `the service's part plan of object ${objectId} does not add up: ${what}. Report it to the operator of the service`,
  )
}

const tickMs = 500

/** Waits for the digest of the whole, telling from time to time how far it is. An abort ends the waiting and the hashing. */
export async function awaitDigest(objectId: string, hash: TrailingHash, totalBytes: number, context: TransferContext): Promise<string> {
  const { signal, progress } = context
  const tell = (): void => progress({ type: 'verifying', objectId, doneBytes: hash.hashedBytes, totalBytes })
  let stop: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
  tell()
  const timer = setInterval(tell, tickMs)
  try {
    return await Promise.race([hash.digest, aborted])
  } finally {
    clearInterval(timer)
    if (stop) signal.removeEventListener('abort', stop)
  }
}
