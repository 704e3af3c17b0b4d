import type { CallOptions } from '../../core/call-options.ts'

/** Reads of things that change: callers that come while one is under way share the next. */
export interface LatestReads<Result> {
  /**
   * The result of a read that began after this call. A caller that is aborted leaves; the read goes on for the others.
   *
   * @throws what the read throws, to everyone who waits for it; the signal's reason when aborted.
   */
  read(key: string, begin: () => Promise<Result>, options?: CallOptions): Promise<Result>
}

interface Lane<Result> {
  readonly running: Promise<Result>
  next?: Promise<Result>
}

function untilAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

export function createLatestReads<Result>(): LatestReads<Result> {
  const lanes = new Map<string, Lane<Result>>()

  const start = (key: string, begin: () => Promise<Result>): Promise<Result> => {
    const running = begin().finally(() => {
      if (lanes.get(key) === lane && lane.next === undefined) lanes.delete(key)
    })
    const lane: Lane<Result> = { running }
    lanes.set(key, lane)
    return running
  }
  const join = (key: string, begin: () => Promise<Result>): Promise<Result> => {
    const lane = lanes.get(key)
    if (lane === undefined) return start(key, begin)
    const again = (): Promise<Result> => start(key, begin)
    lane.next ??= lane.running.then(again, again)
    return lane.next
  }
  return {
    async read(key, begin, { signal } = {}) {
      signal?.throwIfAborted()
      const work = join(key, begin)
      return signal ? untilAborted(work, signal) : work
    },
  }
}
