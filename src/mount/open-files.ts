import { setMaxListeners } from 'node:events'
import type { CachedObject, ObjectReader, PageCache, ReadOptions } from '../bytes/page-cache.ts'
import type { ByteRange } from '../core/byte-range.ts'
import type { CallOptions } from '../core/call-options.ts'
import { problems, ScoreError, toScoreError } from '../core/errors.ts'
import { createSharedSources, type OpenObject } from './shared-sources.ts'
import { withinTime } from './time-limit.ts'
import type { FileNode, TreeObject } from './tree-node.ts'

export interface MountLimits {
  /** Every call ends within this, with `unavailable` (EIO) if need be; default 30,000. */
  readonly callMs: number
  /** Files open at once; default 65,536. One more is `too-many-open`. */
  readonly openFiles: number
  /** Sources kept open after their last file was closed, so that opening again costs nothing; default 64. */
  readonly idleSources: number
}

export const defaultMountLimits: MountLimits = { callMs: 30_000, openFiles: 65_536, idleSources: 64 }

interface OpenFile {
  readonly node: FileNode
  readonly reader: ObjectReader
}

/** Files by handle. Errors as in `FuseMount`. */
export interface OpenFiles {
  open(node: FileNode, options?: CallOptions): Promise<number>
  nodeOf(handle: number): FileNode
  read(handle: number, range: ByteRange, options?: ReadOptions): Promise<Uint8Array>
  readNow(handle: number, range: ByteRange, use: (pieces: readonly Uint8Array[]) => void): boolean
  /** Has an object opened and begins to fetch what of it every reader wants; failures are left to those who open it. */
  warm(object: TreeObject): void
  release(handle: number): Promise<void>
  close(): Promise<void>
  count(): { readonly files: number; readonly sources: number; readonly reads: number; readonly bytesRead: number }
}

/** What a program may be told when it opens a file, or reads one; other failures are trouble on the way. */
const openErrnos: readonly string[] = ['ENOENT', 'EACCES', 'ESTALE', 'EIO', 'EMFILE', 'EISDIR', 'ENOTDIR', 'EBADF']
const readErrnos: readonly string[] = ['ESTALE', 'EIO', 'EBADF']

function narrowed(error: unknown, errnos: readonly string[]): ScoreError {
  const problem = toScoreError(error)
  if (errnos.includes(problems[problem.code].errno)) return problem
  return new ScoreError('unavailable', problem.message, { cause: problem })
}

/** @throws `invalid-range` */
function withinFile({ start, end }: ByteRange, size: number): ByteRange {
  if (Number.isSafeInteger(start) && Number.isSafeInteger(end) && start >= 0 && start <= end)
    return { start: Math.min(start, size), end: Math.min(end, size) }
  throw new ScoreError('invalid-range', `bytes ${start} to ${end} are no range of a file`)
}

/** Numbers from 1, below 2^31, that are not in use. */
function createHandles(inUse: (handle: number) => boolean): () => number {
  let last = 0
  return () => {
    do last = last >= 2 ** 31 - 1 ? 1 : last + 1
    while (inUse(last))
    return last
  }
}

export interface OpenFilesOptions {
  readonly open: OpenObject
  readonly cache: PageCache
  readonly limits: MountLimits
}

export function createOpenFiles({ open: openObject, cache, limits }: OpenFilesOptions): OpenFiles {
  const { callMs } = limits
  const closing = new AbortController()
  // As many calls listen as there are under way.
  setMaxListeners(0, closing.signal)
  const sources = createSharedSources(openObject, { cache, maximumIdle: limits.idleSources, openMs: callMs, signal: closing.signal })
  const files = new Map<number, OpenFile>()
  const nextHandle = createHandles((handle) => files.has(handle))
  let opening = 0
  let reads = 0
  let bytesRead = 0
  const signalsOf = (call: CallOptions = {}): readonly AbortSignal[] => (call.signal ? [call.signal, closing.signal] : [closing.signal])
  const fileOf = (handle: number): OpenFile => {
    const file = files.get(handle)
    if (file) return file
    throw new ScoreError('not-open', `${handle} is no handle of an open file`)
  }
  const acquire = async (object: TreeObject, call?: CallOptions): Promise<CachedObject> => {
    const acquired = sources.acquire(object)
    try {
      return await withinTime(callMs, `opening object ${object.objectId}`, () => acquired, signalsOf(call))
    } catch (error) {
      // Nobody waits for it any more: what opens late is given back.
      acquired.then(
        () => sources.release(object),
        () => undefined,
      )
      throw narrowed(error, openErrnos)
    }
  }
  return {
    async open(node, call) {
      if (files.size + opening >= limits.openFiles)
        throw new ScoreError('too-many-open', `${limits.openFiles} files are open; close some, or raise the limit of the mount`)
      opening += 1
      try {
        const cached = await acquire(node.object, call)
        cached.warm()
        const handle = nextHandle()
        files.set(handle, { node, reader: cached.reader() })
        return handle
      } finally {
        opening -= 1
      }
    },
    nodeOf: (handle) => fileOf(handle).node,
    async read(handle, range, call) {
      const { node, reader } = fileOf(handle)
      const { object } = node
      const wanted = withinFile(range, object.size)
      if (wanted.start === wanted.end) return new Uint8Array(0)
      const what = `reading bytes ${wanted.start} to ${wanted.end} of object ${object.objectId}`
      try {
        const bytes = await withinTime(callMs, what, (inner) => reader.read(wanted, { ...call, ...inner }), signalsOf(call))
        reads += 1
        bytesRead += bytes.length
        return bytes
      } catch (error) {
        throw narrowed(error, readErrnos)
      }
    },
    readNow(handle, range, use) {
      const { node, reader } = fileOf(handle)
      const wanted = withinFile(range, node.object.size)
      const done = wanted.start === wanted.end || reader.readNow(wanted, use)
      if (wanted.start === wanted.end) use([])
      if (!done) return false
      reads += 1
      bytesRead += wanted.end - wanted.start
      return true
    },
    warm(object) {
      const opened = sources.acquire(object).then((cached) => {
        cached.warm()
        return sources.release(object)
      })
      opened.catch(() => undefined)
    },
    async release(handle) {
      const { node, reader } = fileOf(handle)
      const { object } = node
      files.delete(handle)
      reader.close()
      await withinTime(callMs, `closing object ${object.objectId}`, () => sources.release(object), [])
    },
    async close() {
      if (closing.signal.aborted) return
      closing.abort(new ScoreError('unavailable', 'the mount was closed'))
      const open = [...files.values()]
      files.clear()
      await Promise.allSettled(open.map(({ node }) => sources.release(node.object)))
      await sources.close()
    },
    count: () => ({ files: files.size, sources: sources.count(), reads, bytesRead }),
  }
}
