import type { CallOptions } from './call-options.ts'

/** Callers that want the same thing at the same time get the result of one call. */
export interface SharedCalls<Result> {
  /**
   * Joins the call under way for the key, or begins it. A caller that is aborted leaves; the call goes on for the others.
   *
   * @throws what the call throws, to everyone who waits for it; the signal's reason when aborted.
   */
  share(key: string, begin: () => Promise<Result>, options?: CallOptions): Promise<Result>
}

function untilAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

export function createSharedCalls<Result>(): SharedCalls<Result> {
  const pending = new Map<string, Promise<Result>>()
  const begun = (key: string, begin: () => Promise<Result>): Promise<Result> => {
    const work = begin().finally(() => pending.delete(key))
    pending.set(key, work)
    return work
  }
  return {
    async share(key, begin, { signal } = {}) {
      signal?.throwIfAborted()
      const work = pending.get(key) ?? begun(key, begin)
      return signal ? untilAborted(work, signal) : work
    },
  }
}
