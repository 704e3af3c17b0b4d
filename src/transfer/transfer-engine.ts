import type { ScoreApi } from '../api/score-api.ts'
import { ScoreError } from '../core/errors.ts'
import type { RetryOptions, RetryPolicy } from '../core/retry.ts'
import { combinedSignal } from './combined-signal.ts'
import { type ConnectionGate, createConnectionGate } from './connection-gate.ts'
import { download } from './download.ts'
import type { CommitPolicy } from './journal-commits.ts'
import type { PartTransport } from './part-transport.ts'
import type { TransferContext } from './transfer-context.ts'
import { transferMany } from './transfer-many.ts'
import type { TransferEngine, TransferOptions, TransferReceipt } from './transfer-task.ts'
import { createPartTransport } from './transport/create-part-transport.ts'
import { upload } from './upload.ts'

/** Parts in flight at once: four for each of two workers, so that no lane of their MD5 kernels is idle. */
export const defaultConcurrency = 8

export interface TransferEngineOptions {
  /** The service: in process, or over HTTP. */
  readonly api: ScoreApi
  /** The data plane; stays the caller's to close. Default: one of the engine's own, closed with it. */
  readonly transport?: PartTransport
  /** Folder for the state of transfers that name no place of their own; default: beside the file. */
  readonly journalDir?: string
  /** How often and how long to try again; default ten tries, 0.2 s doubling to 30 s. */
  readonly retry?: Partial<RetryPolicy>
  /** When journals are flushed; default every 8 parts, 1 GiB or 5 s. */
  readonly commit?: CommitPolicy
  /** How long parts in flight may go on after another failed for good, in ms; default 30 000. */
  readonly graceMs?: number
  /** Wall clock in ms; default `Date.now`. */
  readonly now?: () => number
  /** For tests: how to wait between tries, and where chance comes from. */
  readonly sleep?: RetryOptions['sleep']
  readonly random?: () => number
}

/** @returns an engine that moves objects between local files and the service's store. */
export function createTransferEngine(options: TransferEngineOptions): TransferEngine {
  const { now = Date.now } = options
  let ownTransport: PartTransport | undefined
  const transport = (): PartTransport => {
    if (options.transport) return options.transport
    ownTransport ??= createPartTransport()
    return ownTransport
  }
  const closing = new AbortController()
  const running = new Set<Promise<unknown>>()

  const attempts = {
    now,
    ...(options.retry ? { retry: options.retry } : {}),
    ...(options.sleep ? { sleep: options.sleep } : {}),
    ...(options.random ? { random: options.random } : {}),
  }

  function contextOf(wishes: TransferOptions, wait: boolean, gate: ConnectionGate, order: number): TransferContext {
    return {
      api: options.api,
      transport: transport(),
      gate,
      order,
      signal: combinedSignal(closing.signal, ...(wishes.signal ? [wishes.signal] : [])),
      progress: wishes.progress ?? (() => undefined),
      wait,
      attempts,
      now,
      ...(options.journalDir === undefined ? {} : { journalDir: options.journalDir }),
      ...(options.commit ? { commit: options.commit } : {}),
      ...(options.graceMs === undefined ? {} : { graceMs: options.graceMs }),
    }
  }

  function newGate(wishes: TransferOptions): ConnectionGate {
    return createConnectionGate(wishes.concurrency ?? defaultConcurrency, now)
  }

  async function tracked<Result>(work: () => Promise<Result>): Promise<Result> {
    closing.signal.throwIfAborted()
    const promise = work()
    const ended = promise.then(
      () => undefined,
      () => undefined,
    )
    running.add(ended)
    try {
      return await promise
    } finally {
      running.delete(ended)
    }
  }

  return {
    upload(task, wishes = {}) {
      return tracked(() => upload(task, contextOf(wishes, wishes.waitForLock ?? false, newGate(wishes), 0)))
    },
    download(task, wishes = {}) {
      return tracked(() => download(task, contextOf(wishes, task.wait ?? wishes.waitForLock ?? false, newGate(wishes), 0)))
    },
    transferMany(tasks, wishes = {}) {
      const gate = newGate(wishes)
      return tracked(() =>
        transferMany(tasks, wishes, (task, order, signal): Promise<TransferReceipt> => {
          const own = { ...wishes, signal }
          const { waitForLock = false } = wishes
          return 'upload' in task
            ? upload(task.upload, contextOf(own, waitForLock, gate, order))
            : download(task.download, contextOf(own, task.download.wait ?? waitForLock, gate, order))
        }),
      )
    },
    async close() {
      closing.abort(new ScoreError('unavailable', 'the transfer engine was closed while transfers ran; they can be resumed'))
      await Promise.all(running)
      await ownTransport?.close()
    },
  }
}
