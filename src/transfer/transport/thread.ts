import { ScoreError } from '../../core/errors.ts'
import { startThreadEntry, threadEntryExists } from '../../core/thread-entry.ts'
import { errorOf, type Order, type Report, type Task, type TaskResults } from './thread-messages.ts'

/** Run from its source this package lies in `.ts` files; built, the entry stands beside the chunks. */
const fromSource = import.meta.url.endsWith('.ts')
const entry = fromSource ? new URL('./worker.ts', import.meta.url) : new URL('./transfer-worker.js', import.meta.url)

/** False when another bundler took this package in without the worker's file. */
export function hasThreadEntry(): boolean {
  return threadEntryExists(entry)
}

/** A task under way in a thread. */
export interface RunningTask<Type extends Task['type']> {
  readonly result: Promise<TaskResults[Type]>
  /** To a `trail`: this part is there. */
  partIsThere(partIndex: number): void
  /** Asks for an early end; {@link RunningTask.result} rejects once nothing of the task is under way any more. */
  abort(): void
}

export interface RunOptions {
  readonly signal?: AbortSignal | undefined
  readonly onBytes?: (count: number) => void
}

/** A worker and what it has to do. Keeps the process alive only while a task runs. */
export interface Thread {
  readonly active: number
  /** It crashed or was ended; its tasks have been rejected. */
  readonly dead: boolean
  run<Type extends Task['type']>(task: Extract<Task, { type: Type }>, options?: RunOptions): RunningTask<Type>
  end(): Promise<void>
}

interface Pending {
  readonly options: RunOptions
  readonly resolve: (result: TaskResults[Task['type']]) => void
  readonly reject: (error: unknown) => void
}

export function startThread(workerData: unknown): Thread {
  const worker = startThreadEntry(entry, { workerData })
  const pending = new Map<number, Pending>()
  let lastId = 0
  let dead = false
  worker.unref()

  const settle = (id: number, act: (task: Pending) => void): void => {
    const task = pending.get(id)
    if (!task || !pending.delete(id)) return
    if (pending.size === 0) worker.unref()
    act(task)
  }
  const die = (message: string, cause?: unknown): void => {
    dead = true
    for (const id of [...pending.keys()]) settle(id, ({ reject }) => reject(new ScoreError('unavailable', message, { cause })))
  }
  worker.on('message', (report: Report) => {
    if ('bytes' in report) pending.get(report.id)?.options.onBytes?.(report.bytes)
    else if ('failure' in report) {
      settle(report.id, ({ reject, options }) => reject(options.signal?.aborted ? options.signal.reason : errorOf(report.failure)))
    } else settle(report.id, ({ resolve }) => resolve(report.result))
  })
  worker.on('error', (error) => die(`a transfer worker crashed: ${error.message}`, error))
  worker.on('exit', () => die('a transfer worker ended in the middle of its work'))

  const tell = (order: Order): void => worker.postMessage(order)
  return {
    get active() {
      return pending.size
    },
    get dead() {
      return dead
    },
    run<Type extends Task['type']>(task: Extract<Task, { type: Type }>, options: RunOptions = {}) {
      const id = ++lastId
      const abort = (): void => {
        if (pending.has(id)) tell({ id, abort: true })
      }
      const result = new Promise<TaskResults[Task['type']]>((resolve, reject) => {
        options.signal?.throwIfAborted()
        options.signal?.addEventListener('abort', abort, { once: true })
        if (pending.size === 0) worker.ref()
        pending.set(id, { options, resolve, reject })
        tell({ id, task })
      }).finally(() => options.signal?.removeEventListener('abort', abort))
      return { result: result as Promise<TaskResults[Type]>, partIsThere: (partIndex) => tell({ id, partIndex }), abort }
    },
    async end() {
      await worker.terminate()
    },
  }
}
