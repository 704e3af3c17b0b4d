import type { CallOptions } from './call-options.ts'

/** Waits for what others may wait for too: an abort ends this wait, not the work. @throws the signal's reason */
export async function orAborted<Result>(work: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (!signal) return work
  signal.throwIfAborted()
  let onAbort = (): void => undefined
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

/**
 * Loads a value once for all callers. A caller that gives up fails alone; the load itself is ended when nobody waits any
 * more. After a failure the next caller tries again.
 */
export function createSharedLoad<Result>(load: (options: CallOptions) => Promise<Result>): (options?: CallOptions) => Promise<Result> {
  let running: { readonly work: Promise<Result>; readonly stop: AbortController; waiting: number; done: boolean } | undefined
  const begin = (): NonNullable<typeof running> => {
    const stop = new AbortController()
    const begun = { work: load({ signal: stop.signal }), stop, waiting: 0, done: false }
    begun.work.then(
      () => {
        begun.done = true
      },
      () => {
        if (running === begun) running = undefined
      },
    )
    return begun
  }
  return async (options) => {
    options?.signal?.throwIfAborted()
    running ??= begin()
    const mine = running
    mine.waiting += 1
    try {
      return await orAborted(mine.work, options?.signal)
    } finally {
      mine.waiting -= 1
      if (mine.waiting === 0 && !mine.done) {
        if (running === mine) running = undefined
        mine.stop.abort()
      }
    }
  }
}
