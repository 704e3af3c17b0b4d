import type { ByteRange } from '../core/byte-range.ts'
import { ScoreError } from '../core/errors.ts'
import type { ByteSource, PourOptions } from './byte-source.ts'
import type { Page, PagedObject, PageShelf } from './page-shelf.ts'

/** Told once what became of a page. */
export interface PageWaiter {
  done(page: Page): void
  failed(page: Page, error: unknown): void
}

export interface PageFetchesOptions {
  readonly connections: number
  readonly stallMs: number
  readonly now: () => number
}

/** Brings pages from their sources: what is waited for first, what may be wanted in what room is left. */
export interface PageFetches {
  /**
   * Has missing pages fetched because somebody waits for them, and with the last of them those up to `fetchEnd` that are
   * missing too. @returns the missing pages, to be joined
   */
  want(object: PagedObject, missing: readonly number[], fetchEnd: number): Page[]
  join(page: Page, waiter: PageWaiter): void
  /** Gives up a wait; what nobody waits for is ended if much of it is still to come. */
  leave(page: Page, waiter: PageWaiter): void
  /** Has what is missing of a range fetched once nothing more urgent is to be done. */
  foresee(object: PagedObject, range: ByteRange, owner: unknown): void
  /** What an owner foresaw serves nobody any more. */
  forsake(object: PagedObject, owner: unknown): void
  /** Starts what there is room for. */
  go(): void
  /** Ends all that is fetched of an object; who waits is told `unavailable`. */
  end(object: PagedObject): void
  close(): void
  statistics(): { readonly fetching: number; readonly queued: number; readonly fetches: number; readonly fetchedBytes: number }
}

interface Fetch {
  readonly object: PagedObject
  /** Neighbours, in order. */
  pages: Page[]
  readonly owner: unknown
  urgent: boolean
  /** Waits for pages of it. */
  waiting: number
  readonly stop: AbortController
  running: boolean
  ended: boolean
  /** Bytes that came. */
  count: number
  movedAt: number
}

const MiB = 1024 * 1024
/** Without a byte for so long a fetch no longer counts among those that share the connections. */
const idleMs = 1000
const sweepMs = 250
/** So many fetches at once and no more, those included that stand still: a kernel asks for no more either. */
const mostFetches = 256
/** Ending a fetch costs its connection, which is worth as much as the rest of it. */
const worthEnding = MiB

/** What is read at once into memory that lies together. */
const longestPiece = 256 * 1024

async function pull(
  source: ByteSource,
  range: ByteRange,
  take: (piece: Uint8Array) => void,
  call: PourOptions & { readonly signal: AbortSignal },
): Promise<void> {
  if (source.pour) return source.pour(range, take, call)
  for await (const piece of source.stream(range, call)) {
    if (call.signal.aborted) return
    take(piece)
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.buffer === other.buffer && one.byteOffset === other.byteOffset
}

export function createPageFetches(shelf: PageShelf, { connections, stallMs, now }: PageFetchesOptions): PageFetches {
  const { pageBytes } = shelf
  const fetchOf = new Map<Page, Fetch>()
  const waitersOf = new Map<Page, Set<PageWaiter>>()
  const urgent: Fetch[] = []
  const later: Fetch[] = []
  const running = new Set<Fetch>()
  let sweep: NodeJS.Timeout | undefined
  let fetches = 0
  let fetchedBytes = 0
  const mostAhead = Math.floor(shelf.pages / 2)

  const moving = (): number => {
    const since = now() - idleMs
    let count = 0
    for (const { movedAt } of running) if (movedAt > since) count += 1
    return count
  }

  const create = (object: PagedObject, pages: Page[], owner: unknown, isUrgent: boolean): Fetch => {
    const none = { waiting: 0, running: false, ended: false, count: 0, movedAt: 0 }
    const fetch: Fetch = { object, pages, owner, urgent: isUrgent, stop: new AbortController(), ...none }
    for (const page of pages) fetchOf.set(page, fetch)
    return fetch
  }

  const unqueue = (fetch: Fetch): void => {
    const queue = fetch.urgent ? urgent : later
    const at = queue.indexOf(fetch)
    if (at >= 0) queue.splice(at, 1)
  }

  const promote = (fetch: Fetch): void => {
    if (fetch.urgent) return
    if (!fetch.running) {
      unqueue(fetch)
      urgent.push(fetch)
    }
    fetch.urgent = true
  }

  /** Everybody who waits for the page, who then waits no more. */
  const release = (page: Page): Iterable<PageWaiter> => {
    const waiters = waitersOf.get(page)
    waitersOf.delete(page)
    const fetch = fetchOf.get(page)
    fetchOf.delete(page)
    if (fetch && waiters) fetch.waiting -= waiters.size
    return waiters ?? []
  }

  /** Whatever has not come is taken off, and whoever waits for it is told. */
  const finish = (fetch: Fetch, error: unknown): void => {
    if (fetch.ended) return
    fetch.ended = true
    running.delete(fetch)
    if (!fetch.running) unqueue(fetch)
    for (const page of fetch.pages) {
      if (page.state === 'here' || fetchOf.get(page) !== fetch) continue
      const waiters = release(page)
      shelf.drop(page)
      for (const waiter of waiters) waiter.failed(page, error)
    }
    if (running.size === 0) {
      clearInterval(sweep)
      sweep = undefined
    }
  }

  const cancel = (fetch: Fetch, reason: unknown): void => {
    finish(fetch, reason)
    fetch.stop.abort(reason)
  }

  /** Where the next bytes of a fetch belong, as much of it as lies together in memory. */
  const spaceOf = (fetch: Fetch): Uint8Array | undefined => {
    const first = Math.floor(fetch.count / pageBytes)
    const page = fetch.pages[first]
    if (fetch.ended || page?.bytes === undefined) return undefined
    const { buffer, byteOffset } = page.bytes
    const place = fetch.count % pageBytes
    let length = page.length - place
    for (let index = first + 1; length < longestPiece && index < fetch.pages.length; index += 1) {
      const next = fetch.pages[index] as Page
      if (next.bytes?.buffer !== buffer || next.bytes.byteOffset !== byteOffset + (index - first) * pageBytes) break
      length += next.length
    }
    return Buffer.from(buffer, byteOffset + place, length)
  }

  /** Puts bytes where they belong; whoever waits for a page has it the moment it is whole. */
  const take = (fetch: Fetch, piece: Uint8Array): void => {
    fetch.movedAt = now()
    fetchedBytes += piece.length
    for (let at = 0; at < piece.length; ) {
      const page = fetch.pages[Math.floor(fetch.count / pageBytes)]
      if (page === undefined || fetch.count % pageBytes >= page.length)
        throw new ScoreError('unavailable', 'a read of an object gave more than was asked for')
      const place = fetch.count % pageBytes
      const part = piece.subarray(at, at + page.length - place)
      const target = page.bytes?.subarray(place, place + part.length)
      // Some sources put it there by themselves.
      if (target && !isSame(part, target)) target.set(part)
      fetch.count += part.length
      at += part.length
      if (place + part.length < page.length) continue
      shelf.place(page)
      const waiters = [...release(page)]
      if (waiters.length > 0) shelf.use(page)
      for (const waiter of waiters) waiter.done(page)
    }
  }

  const run = async (fetch: Fetch): Promise<void> => {
    const { object, pages } = fetch
    const start = (pages[0] as Page).index * pageBytes
    const end = start + pages.reduce((sum, { length }) => sum + length, 0)
    try {
      const takePiece = (piece: Uint8Array): void => {
        if (!fetch.ended) take(fetch, piece)
      }
      await pull(object.source, { start, end }, takePiece, { signal: fetch.stop.signal, space: () => spaceOf(fetch) })
      if (fetch.count < end - start)
        throw new ScoreError('unavailable', `a read of ${end - start} bytes at ${start} ended after ${fetch.count}`)
      finish(fetch, undefined)
    } catch (error) {
      finish(fetch, error)
    } finally {
      go()
    }
  }

  /** Takes memory for as much of a fetch as there is. @returns false when there is none at all */
  const start = (fetch: Fetch): boolean => {
    let count = 0
    const isAhead = !fetch.urgent
    for (const page of fetch.pages) {
      if (isAhead && shelf.ahead() >= mostAhead) break
      if (!shelf.provide(page, isAhead && !waitersOf.has(page) ? fetch.owner : undefined)) break
      count += 1
    }
    if (count === 0) return false
    unqueue(fetch)
    if (count < fetch.pages.length) {
      const rest = create(fetch.object, fetch.pages.slice(count), fetch.owner, fetch.urgent)
      fetch.pages = fetch.pages.slice(0, count)
      for (const page of rest.pages) rest.waiting += waitersOf.get(page)?.size ?? 0
      fetch.waiting -= rest.waiting
      ;(rest.urgent ? urgent : later).unshift(rest)
    }
    fetch.running = true
    fetch.movedAt = now()
    running.add(fetch)
    fetches += 1
    if (sweep === undefined) {
      sweep = setInterval(sweepStalled, sweepMs)
      sweep.unref()
    }
    void run(fetch)
    return true
  }

  const sweepStalled = (): void => {
    const since = now() - stallMs
    for (const fetch of running) {
      if (fetch.movedAt <= since) cancel(fetch, new ScoreError('unavailable', `no byte came for ${stallMs / 1000} s`))
    }
    go()
  }

  const go = (): void => {
    if (urgent.length === 0 && later.length === 0) return
    let busy = moving()
    while (urgent.length > 0 && busy < connections && running.size < mostFetches) {
      if (!start(urgent[0] as Fetch)) return
      busy += 1
    }
    const forLater = Math.max(1, Math.floor((connections * 3) / 4))
    while (urgent.length === 0 && later.length > 0 && busy < forLater && running.size < mostFetches / 2) {
      if (!start(later[0] as Fetch)) return
      busy += 1
    }
  }

  /** Neighbours that nobody fetches yet, from a page on. */
  const gather = (object: PagedObject, from: number, until: number): Page[] => {
    const pages: Page[] = []
    for (let index = from; index < until && !object.pages.has(index); index += 1) pages.push(shelf.add(object, index))
    return pages
  }

  return {
    want(object, missing, fetchEnd) {
      const until = Math.max(fetchEnd, (missing.at(-1) ?? 0) + 1)
      return missing.map((index) => {
        const pages = gather(object, index, until)
        if (pages.length > 0) urgent.push(create(object, pages, undefined, true))
        return object.pages.get(index) as Page
      })
    },
    join(page, waiter) {
      const waiters = waitersOf.get(page)
      if (waiters) waiters.add(waiter)
      else waitersOf.set(page, new Set([waiter]))
      const fetch = fetchOf.get(page)
      if (!fetch) return
      fetch.waiting += 1
      promote(fetch)
    },
    leave(page, waiter) {
      const waiters = waitersOf.get(page)
      const fetch = fetchOf.get(page)
      if (!waiters?.delete(waiter) || !fetch) return
      fetch.waiting -= 1
      if (waiters.size === 0) waitersOf.delete(page)
      if (fetch.waiting > 0 || fetch.ended) return
      const left = fetch.pages.length * pageBytes - fetch.count
      if (!fetch.running || fetch.count === 0 || left > worthEnding)
        cancel(fetch, new ScoreError('unavailable', 'nobody waits for it any more'))
    },
    foresee(object, { start: from, end }, owner) {
      const until = Math.ceil(end / pageBytes)
      for (let index = Math.floor(from / pageBytes); index < until; ) {
        const pages = gather(object, index, until)
        if (pages.length > 0) later.push(create(object, pages, owner, false))
        index += Math.max(1, pages.length)
      }
    },
    forsake(object, owner) {
      shelf.abandon(object, owner)
      for (const fetch of [...later, ...running]) {
        if (fetch.owner !== owner || fetch.waiting > 0) continue
        const left = fetch.pages.length * pageBytes - fetch.count
        if (!fetch.running || left > worthEnding)
          cancel(fetch, new ScoreError('unavailable', 'it was fetched ahead of a reader who has gone'))
      }
    },
    go,
    end(object) {
      for (const fetch of [...urgent, ...later, ...running])
        if (fetch.object === object) cancel(fetch, new ScoreError('unavailable', 'the object was closed'))
      go()
    },
    close() {
      for (const fetch of [...urgent, ...later, ...running]) cancel(fetch, new ScoreError('unavailable', 'the cache was closed'))
    },
    statistics: () => ({ fetching: running.size, queued: urgent.length + later.length, fetches, fetchedBytes }),
  }
}
