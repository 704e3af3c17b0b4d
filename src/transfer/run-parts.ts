import type { CallOptions } from '../core/call-options.ts'
import type { Part } from '../core/object-spec.ts'
import { runPool } from '../core/pool.ts'
import { combinedSignal } from './combined-signal.ts'
import type { Connection, ConnectionGate } from './connection-gate.ts'

/** How long the parts in flight may go on after another part has failed for good. */
export const graceMs = 30_000

export interface RunPartsOptions extends CallOptions {
  readonly gate: ConnectionGate
  /** Place in the queue for connections: lower goes first. */
  readonly order: number
  readonly graceMs?: number
}

/**
 * Works through the parts, as many at once as the gate lets. When one fails for good no further one is begun, those in
 * flight may end (they are worth keeping), and then the failure comes out. An abort ends all at once.
 *
 * @throws the first failure; the signal's reason when aborted.
 */
export async function runParts<P extends Part>(
  parts: Iterable<P>,
  work: (part: P, options: { readonly signal: AbortSignal; readonly connection: Connection }) => Promise<void>,
  options: RunPartsOptions,
): Promise<void> {
  const { gate, order } = options
  const hurry = new AbortController()
  const notBegun = new AbortController()
  let failure: { readonly error: unknown } | undefined
  let timer: NodeJS.Timeout | undefined
  const signals = options.signal ? [options.signal] : []
  const signal = combinedSignal(...signals, hurry.signal)
  const queueSignal = combinedSignal(...signals, notBegun.signal)
  const fail = (error: unknown): void => {
    if (failure) return
    failure = { error }
    notBegun.abort(error)
    timer = setTimeout(() => hurry.abort(error), options.graceMs ?? graceMs)
  }
  function* remaining(): Iterable<P> {
    for (const part of parts) {
      if (failure) return
      yield part
    }
  }
  const one = async (part: P): Promise<void> => {
    if (failure) return
    let connection: Connection | undefined
    try {
      connection = await gate.acquire(order, { signal: queueSignal })
      await work(part, { signal, connection })
    } catch (error) {
      fail(error)
    } finally {
      connection?.release()
    }
  }
  try {
    await runPool(remaining(), one, { concurrency: gate.limit, ...(options.signal ? { signal: options.signal } : {}) })
  } finally {
    clearTimeout(timer)
  }
  if (failure) throw failure.error
}
