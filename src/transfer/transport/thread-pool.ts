import { ScoreError } from '../../core/errors.ts'
import type { TrailingHash } from '../part-transport.ts'
import { type RunOptions, startThread, type Thread } from './thread.ts'
import type { Task, TaskResults } from './thread-messages.ts'

/** Fewer parts than this in one worker leave lanes of its MD5 kernel idle, so the next worker waits for more. */
export const downloadsPerWorker = 4

export interface ThreadPool {
  run<Type extends Task['type']>(task: Extract<Task, { type: Type }>, options?: RunOptions): Promise<TaskResults[Type]>
  trailingHash(path: string, partEnds: readonly number[]): TrailingHash
  release(path: string): Promise<void>
  close(): Promise<void>
}

export interface ThreadPoolOptions {
  readonly workers: number
  /** Sending costs half of what receiving does: one worker is filled before the next one begins. */
  readonly uploadsPerWorker: number
  readonly workerData: object
}

/** Workers are started when first needed, and replaced when they crash. Whole-file hashes have one of their own. */
export function createThreadPool(options: ThreadPoolOptions): ThreadPool {
  const { workers, uploadsPerWorker, workerData } = options
  const movers: Thread[] = []
  let hasher: Thread | undefined
  let closed = false

  function start(yields = false): Thread {
    if (closed) throw new ScoreError('internal', 'the transport was closed')
    return startThread({ ...workerData, yields })
  }

  function leastActive(perWorker: number): Thread {
    let active = 0
    for (let i = movers.length - 1; i >= 0; i--) {
      if (movers[i]?.dead) movers.splice(i, 1)
      else active += movers[i]?.active ?? 0
    }
    const wanted = Math.min(workers, Math.ceil((active + 1) / perWorker))
    if (movers.length < wanted) {
      const thread = start(hasher !== undefined)
      movers.push(thread)
      return thread
    }
    return movers.slice(0, wanted).reduce((least, thread) => (thread.active < least.active ? thread : least))
  }

  function hashThread(): Thread {
    if (!hasher || hasher.dead) hasher = start()
    return hasher
  }

  const living = (): Thread[] => [...movers, ...(hasher ? [hasher] : [])].filter((thread) => !thread.dead)
  return {
    run: <Type extends Task['type']>(task: Extract<Task, { type: Type }>, runOptions?: RunOptions) =>
      leastActive(task.type === 'send' ? uploadsPerWorker : downloadsPerWorker).run<Type>(task, runOptions).result,
    trailingHash(path, partEnds) {
      const hashed = new BigInt64Array(new SharedArrayBuffer(8))
      const running = hashThread().run<'trail'>({ type: 'trail', path, partEnds, hashed: hashed.buffer })
      running.result.catch(() => {})
      return {
        done: running.partIsThere,
        digest: running.result,
        cancel: running.abort,
        get hashedBytes() {
          return Number(Atomics.load(hashed, 0))
        },
      }
    },
    async release(path) {
      await Promise.all(living().map((thread) => thread.run<'release'>({ type: 'release', path }).result))
    },
    async close() {
      closed = true
      await Promise.all(living().map((thread) => thread.end()))
    },
  }
}
