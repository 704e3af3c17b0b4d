import { availableParallelism } from 'node:os'
import type { Worker } from 'node:worker_threads'
import { ScoreError } from '../core/errors.ts'
import { startThreadEntry, threadEntryExists } from '../core/thread-entry.ts'
import type { TextJob } from './text-jobs.ts'
import type { TextTask } from './text-maker.ts'
import type { TextOrder, TextReport } from './text-messages.ts'

/** Threads that make SAM text of jobs. */
export interface TextThreads {
  readonly count: number
  /** The bytes are the thread's from now on. @throws what is wrong with the file; `unavailable` when the thread died */
  run(job: TextJob, bytes: Uint8Array): Promise<readonly Uint8Array[]>
  /** Ends them, in the middle of their work. */
  close(): Promise<void>
}

const entry = import.meta.url.endsWith('.ts') ? new URL('./text-worker.ts', import.meta.url) : new URL('./text-worker.js', import.meta.url)

/** Each takes about 40 MiB; more than these wait for whoever writes what they make. */
const mostThreads = 2
let running = 0

interface Waiting {
  readonly resolve: (texts: readonly Uint8Array[]) => void
  readonly reject: (error: unknown) => void
}

interface Thread {
  readonly worker: Worker
  readonly waiting: Map<number, Waiting>
  /** Why it takes no more jobs: nothing would ever answer them. */
  ended(): ScoreError | undefined
}

function startThread(task: TextTask): Thread {
  const worker = startThreadEntry(entry, { workerData: task })
  const waiting = new Map<number, Waiting>()
  let ended: ScoreError | undefined
  const die = (message: string, cause?: unknown): void => {
    ended ??= new ScoreError('unavailable', message, { cause })
    for (const { reject } of waiting.values()) reject(ended)
    waiting.clear()
  }
  worker.on('message', (report: TextReport) => {
    const found = waiting.get(report.id)
    waiting.delete(report.id)
    if ('texts' in report) found?.resolve(report.texts)
    else found?.reject(new ScoreError(report.failure.code, report.failure.message))
  })
  worker.on('error', (error) => die(`${task.name}: a thread that makes text crashed: ${error.message}`, error))
  worker.on('exit', () => die(`${task.name}: a thread that makes text ended in the middle of its work`))
  return { worker, waiting, ended: () => ended }
}

/**
 * As many threads as there are processors for them, two at most in the whole process.
 *
 * @returns `undefined` when none can be had: others use them, or a bundler took this package in without the thread's file.
 */
export function startTextThreads(task: TextTask): TextThreads | undefined {
  const count = Math.min(mostThreads, availableParallelism()) - running
  if (count < 1 || !threadEntryExists(entry)) return undefined
  running += count
  const threads = Array.from({ length: count }, () => startThread(task))
  let last = 0
  return {
    count,
    run({ spans, last: lastBlock, range }, bytes) {
      const { worker, waiting, ended } = threads.reduce((least, one) => (one.waiting.size < least.waiting.size ? one : least))
      const failure = ended()
      if (failure) return Promise.reject(failure)
      last += 1
      const order: TextOrder = { id: last, spans, last: lastBlock, bytes, offset: range.start }
      return new Promise((resolve, reject) => {
        waiting.set(order.id, { resolve, reject })
        worker.postMessage(order, [bytes.buffer as ArrayBuffer])
      })
    },
    async close() {
      await Promise.all(threads.map(({ worker }) => worker.terminate()))
      running -= count
    },
  }
}
