import { type ByteRange, rangeLength } from '../core/byte-range.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import type { ByteSource } from './byte-source.ts'
import { createPageFetches } from './page-fetches.ts'
import { createPageMemory } from './page-memory.ts'
import { createPageShelf, type Page, type PagedObject } from './page-shelf.ts'
import { createReadWindow, type ReadPlan } from './read-window.ts'
import { requireWithin } from './source-range.ts'

export interface PageCacheOptions {
  /**
   * Bound on all bytes that are kept or being fetched, of all objects together, and on what that takes besides, a sixteenth of
   * it; default 256 MiB, at least 1 MiB.
   */
  readonly maximumBytes?: number
  /** Fetches at once that make progress; default 32. A quarter of them is kept for what somebody waits for. */
  readonly connections?: number
  /** Most bytes ahead of one reader; default 32 MiB, and never more than its share of half of the memory. */
  readonly aheadBytes?: number
  /** Ends a fetch that gives no byte for so long, whatever its source does about it; default 60,000. */
  readonly stallMs?: number
  /** Clock in ms; default the system's. */
  readonly now?: () => number
}

export interface CachedObjectOptions {
  /** Bytes. */
  readonly size: number
  /** The first bytes, where they are known already. */
  readonly head?: Uint8Array
  /** Fetched whole at the first read and kept for as long as the object is open, while all that is kept so fits a quarter of the memory. */
  readonly whole?: boolean
  /** So many bytes from the start are kept like that once they were read; default none. */
  readonly keptHeadBytes?: number
}

export interface ReadOptions extends CallOptions {
  /** Takes the bytes, and has room for all of them. It is written to until the call has ended, and not after. */
  readonly into?: Uint8Array
}

/** One who reads an object: what he reads in order is fetched ahead of him. */
export interface ObjectReader {
  /**
   * Gives `use` the bytes of the range in order, as views that hold until it returns, when all of them are here.
   *
   * @returns false when they are not; `use` was not called then, and nothing is being fetched.
   */
  readNow(range: ByteRange, use: (pieces: readonly Uint8Array[]) => void): boolean
  /** The bytes of the range, in `into` or else in memory of their own. @throws what the source throws; `unavailable` when it gives fewer. */
  read(range: ByteRange, options?: ReadOptions): Promise<Uint8Array>
  /** Ends what is fetched ahead for this reader alone. */
  close(): void
}

export interface CachedObject {
  reader(): ObjectReader
  /** Begins to fetch what the options say is to be kept. Failures are left to those who read it. */
  warm(): void
  /** Forgets the object's pages and ends its fetches; the source stays open. */
  close(): void
}

/** Counts since the beginning, and what is held now. */
export interface PageCacheStatistics {
  readonly memoryBytes: number
  readonly maximumBytes: number
  /** Fetches that run, and those that wait for a connection or for memory. */
  readonly fetching: number
  readonly queued: number
  readonly fetches: number
  readonly fetchedBytes: number
  /** Reads that found all, and that had to wait. */
  readonly hits: number
  readonly misses: number
}

/** Pages of many objects in one bounded memory, fetched once for all who want them. */
export interface PageCache {
  /** `source` must give the same bytes for as long as the object is open here. */
  open(source: ByteSource, options: CachedObjectOptions): CachedObject
  statistics(): PageCacheStatistics
  close(): void
}

const MiB = 1024 * 1024
const pageBytes = 64 * 1024
const requestBytes = 4 * MiB
/** Of the memory, for connections, tables and requests on their way, so that the bound is one for all of it. */
const overheadShare = 1 / 16

function copyInto(target: Uint8Array, page: Page, range: ByteRange): void {
  const start = page.index * pageBytes
  const from = Math.max(0, range.start - start)
  const until = Math.min(page.length, range.end - start)
  target.set((page.bytes as Uint8Array).subarray(from, until), start + from - range.start)
}

/** @throws `invalid-configuration` for less than 1 MiB of memory. */
export function createPageCache(options: PageCacheOptions = {}): PageCache {
  const { maximumBytes = 256 * MiB, connections = 32, aheadBytes = 32 * MiB, stallMs = 60_000, now = Date.now } = options
  if (!(maximumBytes >= MiB))
    throw new ScoreError('invalid-configuration', `a cache of ${maximumBytes} bytes is too small to read with; give it at least 1 MiB`)
  const shelf = createPageShelf(createPageMemory(maximumBytes * (1 - overheadShare), pageBytes))
  const fetches = createPageFetches(shelf, { connections: Math.max(1, Math.floor(connections)), stallMs, now })
  const streams = new Set<symbol>()
  let hits = 0
  let misses = 0

  /** Waits for each page by itself, and takes its bytes in the moment in which they are there: pages need not stay. */
  const readMissing = (object: PagedObject, range: ByteRange, fetchEnd: number, call: ReadOptions): Promise<Uint8Array> =>
    new Promise((resolve, reject) => {
      const { signal } = call
      const bytes = call.into?.subarray(0, rangeLength(range)) ?? Buffer.allocUnsafe(rangeLength(range))
      const waited = new Set<Page>()
      const end = (): void => {
        signal?.removeEventListener('abort', abort)
        for (const page of waited) fetches.leave(page, waiter)
        waited.clear()
      }
      const fail = (error: unknown): void => {
        end()
        reject(error)
      }
      const abort = (): void => fail(signal?.reason)
      const waiter = {
        done(page: Page): void {
          copyInto(bytes, page, range)
          waited.delete(page)
          if (waited.size > 0) return
          end()
          resolve(bytes)
        },
        failed(page: Page, error: unknown): void {
          waited.delete(page)
          fail(error)
        },
      }
      const first = Math.floor(range.start / pageBytes)
      const last = Math.floor((range.end - 1) / pageBytes)
      const missing: number[] = []
      for (let index = first; index <= last; index += 1) {
        const page = object.pages.get(index)
        if (page?.state !== 'here') missing.push(index)
        else {
          copyInto(bytes, page, range)
          shelf.use(page)
        }
      }
      for (const page of fetches.want(object, missing, Math.ceil(fetchEnd / pageBytes))) {
        waited.add(page)
        fetches.join(page, waiter)
      }
      if (missing.length === 0) resolve(bytes)
      else signal?.addEventListener('abort', abort, { once: true })
    })

  const readerOf = (object: PagedObject, { size, whole, keptHeadBytes = 0 }: CachedObjectOptions): ObjectReader => {
    const reader = Symbol('reader')
    object.readers += 1
    const window = createReadWindow(size, {
      requestBytes,
      longRunBytes: maximumBytes / 8,
      headBytes: keptHeadBytes,
      maximumAheadBytes: () => {
        streams.add(reader)
        return Math.min(aheadBytes, maximumBytes / 2 / streams.size)
      },
    })
    const foresee = ({ ahead, jumped, passed }: ReadPlan): void => {
      // Its memory is warm, and the next bytes of the run go there; what others read stays.
      if (passed && object.readers === 1) {
        for (let index = Math.floor(passed.start / pageBytes); (index + 1) * pageBytes <= passed.end; index += 1) shelf.pass(object, index)
      }
      if (jumped) {
        streams.delete(reader)
        fetches.forsake(object, reader)
      }
      for (const piece of ahead) fetches.foresee(object, piece, reader)
    }
    return {
      readNow(range, use) {
        const pieces: Uint8Array[] = []
        for (let index = Math.floor(range.start / pageBytes); index * pageBytes < range.end; index += 1) {
          const page = object.pages.get(index)
          if (page?.state !== 'here') return false
          const start = index * pageBytes
          pieces.push((page.bytes as Uint8Array).subarray(Math.max(0, range.start - start), Math.min(page.length, range.end - start)))
        }
        hits += 1
        use(pieces)
        for (let index = Math.floor(range.start / pageBytes); index * pageBytes < range.end; index += 1)
          shelf.use(object.pages.get(index) as Page)
        if (whole) return true
        foresee(window.next(range))
        fetches.go()
        return true
      },
      async read(range, call = {}) {
        call.signal?.throwIfAborted()
        requireWithin(range, size, 'the object')
        if (rangeLength(range) === 0) return new Uint8Array(0)
        misses += 1
        if (whole) object.warm()
        const plan = whole ? undefined : window.next(range)
        const bytes = readMissing(object, range, plan?.fetchEnd ?? range.end, call)
        // What is waited for goes before what may be wanted.
        if (plan) foresee(plan)
        fetches.go()
        return bytes
      },
      close() {
        object.readers -= 1
        streams.delete(reader)
        fetches.forsake(object, reader)
      },
    }
  }

  return {
    open(source, options) {
      const { size, head, whole = false, keptHeadBytes = 0 } = options
      const kept = whole ? size : Math.min(size, keptHeadBytes)
      let warmed = false
      const object: PagedObject = {
        source,
        size,
        pages: new Map(),
        readers: 0,
        keptPages: Math.ceil(kept / pageBytes),
        warm() {
          if (warmed) return
          warmed = true
          for (let start = 0; start < kept; start += requestBytes)
            fetches.foresee(object, { start, end: Math.min(kept, start + requestBytes) }, object)
          fetches.go()
        },
      }
      if (head) shelf.fill(object, head)
      return {
        reader: () => readerOf(object, options),
        warm: object.warm,
        close() {
          fetches.end(object)
          shelf.forget(object)
        },
      }
    },
    statistics: () => ({ ...shelf.statistics(), maximumBytes, ...fetches.statistics(), hits, misses }),
    close: fetches.close,
  }
}
