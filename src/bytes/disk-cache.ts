import { createHash } from 'node:crypto'
import { chmod, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { ByteRange } from '../core/byte-range.ts'
import { ScoreError } from '../core/errors.ts'
import { errnoOf, toFileError } from '../files/file-error.ts'
import { makeFolder } from '../files/make-folder.ts'
import type { PourOptions } from './byte-source.ts'
import { type DiskSegment, openDiskSegment, segmentHeadBytes, segmentPageBytes, segmentPages } from './disk-segment.ts'
import type { ObjectSource, ObjectVersion } from './object-source.ts'

export interface DiskCacheOptions {
  /** Made when it is not there. Several processes may share one. */
  readonly folder: string
  /** Bound on what lies in the folder; default 10 GiB, at least 64 MiB. Of several processes the largest bound holds. */
  readonly maximumBytes?: number
  /** Told when the disk refuses: readers notice nothing of it. */
  readonly onProblem?: (error: unknown) => void
  /** Clock in ms; default the system's. */
  readonly now?: () => number
}

export interface DiskCacheStatistics {
  readonly storedBytes: number
  /** Served from disk, written to it, and found damaged, since the beginning. */
  readonly hitBytes: number
  readonly writtenBytes: number
  readonly damaged: number
}

/** Pages of objects in files that survive a restart. What is read from them is checked; what is damaged is fetched again. */
export interface DiskCache {
  /** The source, whose reads look on the disk first. An object whose store tells no version is never kept. */
  over(source: ObjectSource, objectId: string): ObjectSource
  statistics(): DiskCacheStatistics
  close(): Promise<void>
}

const MiB = 1024 * 1024
const segmentName = /^[0-9a-f]{40}-\d{1,9}$/
const pagesPerRead = 16
const mostOpen = 64
/** Pages that wait to be written; more are not kept, so that a slow disk slows nobody down. */
const mostWaiting = 128
/** After the disk refused, it is left alone for so long. */
const pauseMs = 30_000
const keptShare = 0.9
/** What common file systems give out at a time. */
const diskBlockBytes = 4096

interface Kept {
  readonly path: string
  readonly bytes: number
  readonly usedAt: number
}

async function listKept(folder: string): Promise<Kept[]> {
  const names = (await readdir(folder)).filter((name) => segmentName.test(name))
  const all = await Promise.all(
    names.map(async (name): Promise<Kept | undefined> => {
      const path = join(folder, name)
      // Another process may have removed it by now.
      const entry = await stat(path).catch(() => undefined)
      return entry && { path, bytes: entry.blocks * 512, usedAt: entry.mtimeMs }
    }),
  )
  return all.filter((one) => one !== undefined)
}

function keyOf(objectId: string, { size, etag, modified }: ObjectVersion): string | undefined {
  if (etag === undefined && modified === undefined) return undefined
  return JSON.stringify([objectId, size, etag ?? modified])
}

/** @throws `local-storage` for a folder that cannot be used; `invalid-configuration` for a bound below 64 MiB. */
export async function openDiskCache(options: DiskCacheOptions): Promise<DiskCache> {
  const { maximumBytes = 10 * 1024 * MiB, onProblem = () => undefined, now = Date.now } = options
  if (!(maximumBytes >= 64 * MiB))
    throw new ScoreError('invalid-configuration', `a disk cache of ${maximumBytes} bytes is too small; give it at least 64 MiB`)
  const folder = join(options.folder, 'score-pages-1')
  let storedBytes = 0
  try {
    await makeFolder(folder, { mode: 0o700, doing: 'keep pages in' })
    await chmod(folder, 0o700)
    storedBytes = (await listKept(folder)).reduce((sum, { bytes }) => sum + bytes, 0)
  } catch (error) {
    throw toFileError(error, 'keep pages in', options.folder)
  }
  /** The last used come last. */
  const segments = new Map<string, Promise<DiskSegment | undefined>>()
  const counts = { hitBytes: 0, writtenBytes: 0, damaged: 0 }
  let waiting = 0
  let writes: Promise<void> = Promise.resolve()
  let pausedUntil = 0
  let sinceLook = 0
  let closed = false

  const problem = (error: unknown): void => {
    // Its file was given up for another one in this very moment: it is opened again at the next read.
    if (errnoOf(error) === 'EBADF' || now() < pausedUntil) return
    pausedUntil = now() + pauseMs
    onProblem(toFileError(error, 'keep pages in', options.folder))
  }
  const forget = async (path: string): Promise<void> => {
    const segment = segments.get(path)
    segments.delete(path)
    await (await segment?.catch(() => undefined))?.close()
  }
  const segmentAt = async (path: string, key: string, create: boolean): Promise<DiskSegment | undefined> => {
    const known = segments.get(path)
    if (known) {
      segments.delete(path)
      segments.set(path, known)
      const segment = await known
      if (segment || !create) return segment
      segments.delete(path)
    }
    const opening = openDiskSegment(path, key, { create, now })
    segments.set(path, opening)
    opening.catch(() => segments.delete(path))
    for (const oldest of segments.keys()) {
      if (segments.size <= mostOpen) break
      await forget(oldest)
    }
    return opening
  }
  const drop = async (path: string): Promise<void> => {
    await forget(path)
    await rm(path, { force: true })
  }
  /** What was used longest ago goes, whoever wrote it. */
  const makeRoom = async (wanted: number): Promise<void> => {
    sinceLook = 0
    const kept = (await listKept(folder)).sort((a, b) => a.usedAt - b.usedAt)
    storedBytes = kept.reduce((sum, { bytes }) => sum + bytes, 0)
    if (storedBytes + wanted <= maximumBytes) return
    for (const { path, bytes } of kept) {
      if (storedBytes <= maximumBytes * keptShare) return
      await drop(path)
      storedBytes -= bytes
    }
  }
  const store = async (path: string, key: string, place: number, page: Uint8Array): Promise<void> => {
    // Of a file that is opened anew too: the next look counts what is really there.
    const bytes = Math.ceil(page.length / diskBlockBytes) * diskBlockBytes + ((await segments.get(path)) ? 0 : segmentHeadBytes)
    if (storedBytes + bytes > maximumBytes || sinceLook > maximumBytes / 16) await makeRoom(bytes)
    const segment = await segmentAt(path, key, true)
    await segment?.write(place, page)
    storedBytes += bytes
    sinceLook += bytes
    counts.writtenBytes += page.length
  }
  const storeLater = (path: string, key: string, place: number, page: Uint8Array): void => {
    if (closed || waiting >= mostWaiting || now() < pausedUntil) return
    waiting += 1
    const copy = Buffer.from(page)
    writes = writes
      .then(() => (now() < pausedUntil ? undefined : store(path, key, place, copy)))
      .catch(problem)
      .finally(() => {
        waiting -= 1
      })
  }

  const over: DiskCache['over'] = (source, objectId) => {
    const pour = async (range: ByteRange, take: (piece: Uint8Array) => void, call: PourOptions = {}): Promise<void> => {
      const version = await source.version(call)
      const key = keyOf(objectId, version)
      const direct = (part: ByteRange, sink = take): Promise<void> => pourFrom(source, part, sink, call)
      if (key === undefined || range.start % segmentPageBytes > 0) return direct(range)
      const name = createHash('sha256').update(key).digest('hex').slice(0, 40)
      const pathOf = (page: number): string => join(folder, `${name}-${Math.floor(page / segmentPages)}`)
      const last = Math.ceil(range.end / segmentPageBytes)
      const heldFrom = async (page: number): Promise<{ readonly segment?: DiskSegment; readonly count: number }> => {
        const place = page % segmentPages
        const most = Math.min(last - page, segmentPages - place, pagesPerRead)
        const segment = await segmentAt(pathOf(page), key, false)
        return segment ? { segment, count: segment.held(place, most) } : { count: 0 }
      }
      let page = range.start / segmentPageBytes
      /** Gives what is on disk, from where the read is on. */
      const giveHeld = async (): Promise<void> => {
        while (page < last) {
          call.signal?.throwIfAborted()
          const { segment, count } = await heldFrom(page)
          if (!segment || count === 0) return
          const bytes = await segment.read(page % segmentPages, count)
          if (!bytes) {
            counts.damaged += 1
            return drop(pathOf(page))
          }
          // The last page may hold more than is asked for.
          const wanted = bytes.subarray(0, range.end - page * segmentPageBytes)
          counts.hitBytes += wanted.length
          page += count
          take(wanted)
        }
      }
      const firstHeld = async (from: number): Promise<number> => {
        for (let at = from; at < last; at += 1) if ((await heldFrom(at)).count > 0) return at
        return last
      }
      const fetchAndKeep = async (from: number, until: number): Promise<void> => {
        const end = Math.min(until * segmentPageBytes, range.end)
        const own = Buffer.allocUnsafe(segmentPageBytes)
        let filling = from
        let filled = 0
        await direct({ start: from * segmentPageBytes, end }, (piece) => {
          take(piece)
          for (let at = 0; at < piece.length; ) {
            const part = piece.subarray(at, at + segmentPageBytes - filled)
            own.set(part, filled)
            filled += part.length
            at += part.length
            const length = Math.min(segmentPageBytes, version.size - filling * segmentPageBytes)
            if (filled < length) continue
            storeLater(pathOf(filling), key, filling % segmentPages, own.subarray(0, length))
            filling += 1
            filled = 0
          }
        })
      }
      const onDisk = async <Result>(work: () => Promise<Result>, otherwise: Result): Promise<Result> => {
        if (now() < pausedUntil) return otherwise
        try {
          return await work()
        } catch (error) {
          call.signal?.throwIfAborted()
          problem(error)
          return otherwise
        }
      }
      while (page < last) {
        await onDisk(giveHeld, undefined)
        if (page >= last) return
        const from = page
        const until = await onDisk(() => firstHeld(from + 1), last)
        await fetchAndKeep(from, until)
        page = until
      }
    }
    return { ...source, pour, stream: source.stream, takeHead: source.takeHead }
  }

  return {
    over,
    statistics: () => ({ storedBytes, ...counts }),
    async close() {
      closed = true
      await writes
      for (const path of [...segments.keys()]) await forget(path)
    },
  }
}

async function pourFrom(source: ObjectSource, range: ByteRange, take: (piece: Uint8Array) => void, call: PourOptions): Promise<void> {
  if (source.pour) return source.pour(range, take, call)
  for await (const piece of source.stream(range, call)) take(piece)
}
