import { ScoreError } from '../core/errors.ts'

/**
 * Runs work that must end: after `limitMs` the result is `unavailable` (EIO in a mount), whether or not the work heeds
 * the signal that it gets. Work that is given up on is told to stop; what it still does is nobody's concern.
 *
 * @throws the work's failure; the reason of the first signal that aborts; `unavailable` when the time is up.
 */
export async function withinTime<Result>(
  limitMs: number,
  what: string,
  work: (options: { readonly signal: AbortSignal }) => Promise<Result>,
  signals: readonly AbortSignal[],
): Promise<Result> {
  for (const signal of signals) signal.throwIfAborted()
  const stop = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const stops: (() => void)[] = []
  const ended = new Promise<never>((_, reject) => {
    const end = (reason: unknown): void => {
      stop.abort(reason)
      reject(reason)
    }
    timer = setTimeout(() => end(new ScoreError('unavailable', `${what} was not done within ${limitMs / 1000} s`)), limitMs)
    for (const signal of signals) {
      const forward = (): void => end(signal.reason)
      signal.addEventListener('abort', forward, { once: true })
      stops.push(() => signal.removeEventListener('abort', forward))
    }
  })
  try {
    return await Promise.race([work({ signal: stop.signal }), ended])
  } finally {
    clearTimeout(timer)
    for (const forget of stops) forget()
  }
}
