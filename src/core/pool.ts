import pLimit from 'p-limit'
import type { CallOptions } from './call-options.ts'

export interface PoolOptions extends CallOptions {
  /** How many run at once; at least 1. */
  readonly concurrency: number
}

/**
 * Runs `work` over `items`, a bounded number at a time. The first failure stops handing out items and aborts the signal
 * that the others see; the promise settles when all that had begun have ended, so nothing goes on behind the
 * caller's back. Items are taken lazily: a generator of ten thousand is never held in memory at once.
 *
 * @throws the first failure, or the caller's abort reason.
 */
export async function runPool<Item>(
  items: Iterable<Item> | AsyncIterable<Item>,
  work: (item: Item, options: { readonly signal: AbortSignal }) => Promise<void>,
  options: PoolOptions,
): Promise<void> {
  const { concurrency, signal: outer } = options
  outer?.throwIfAborted()
  const stop = new AbortController()
  const signal = outer ? AbortSignal.any([outer, stop.signal]) : stop.signal
  const limit = pLimit(Math.max(1, concurrency))
  let failure: { readonly error: unknown } | undefined
  const running = new Set<Promise<void>>()
  const start = (item: Item): void => {
    const task: Promise<void> = limit(() => work(item, { signal }))
      .catch((error: unknown) => {
        failure ??= { error }
        stop.abort(error)
      })
      .finally(() => running.delete(task))
    running.add(task)
  }
  try {
    for await (const item of items) {
      if (signal.aborted) break
      start(item)
      if (running.size >= concurrency) await Promise.race(running)
    }
  } catch (error) {
    failure ??= { error }
    stop.abort(error)
  }
  await Promise.all(running)
  outer?.throwIfAborted()
  if (failure) throw failure.error
}

/** The same call, of which a bounded number run at once; others wait for their turn, in order. */
export function limitCalls<Argument, Result>(
  call: (argument: Argument) => Promise<Result>,
  concurrency: number,
): (argument: Argument) => Promise<Result> {
  const limit = pLimit(Math.max(1, concurrency))
  return (argument) => limit(() => call(argument))
}

/**
 * What `work` makes of the items, in their order, while up to `ahead` of them are at work. The first failure in that order
 * ends it; what had begun by then goes on unheard.
 */
export async function* mapAhead<Item, Result>(
  items: AsyncIterable<Item>,
  work: (item: Item) => Promise<Result>,
  ahead: number,
): AsyncGenerator<Result> {
  const begun: Promise<Result>[] = []
  for await (const item of items) {
    const result = work(item)
    // It is heard of when its turn comes, or no more.
    result.catch(() => undefined)
    begun.push(result)
    if (begun.length >= ahead) yield await (begun.shift() as Promise<Result>)
  }
  for (const result of begun) yield await result
}
