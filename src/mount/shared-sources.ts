import type { ByteSource } from '../bytes/byte-source.ts'
import { isObjectSource, type ObjectVersion } from '../bytes/object-source.ts'
import type { CachedObject, PageCache } from '../bytes/page-cache.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { parseIndexName } from './index-names.ts'
import { withinTime } from './time-limit.ts'
import type { TreeObject } from './tree-node.ts'

export interface OpenObjectOptions extends CallOptions {
  /** So many bytes from the start will be wanted at once. */
  readonly headBytes?: number
}

/**
 * Makes the bytes of an object readable; its first requests belong here, so that what is forbidden fails when a file is opened.
 * A source that tells its version ({@link ObjectSource}) is held to it for as long as the tree shows the object as it is now.
 */
export type OpenObject = (objectId: string, options?: OpenObjectOptions) => ByteSource | Promise<ByteSource>

/** One source for all who have an object open, and for those who open it again soon. */
export interface SharedSources {
  /** @throws what opening throws; `object-changed` when the store's size is not the tree's, or its version not the one seen before. */
  acquire(object: TreeObject): Promise<CachedObject>
  release(object: TreeObject): Promise<void>
  /** Closes those that nobody uses. */
  close(): Promise<void>
  /** Sources that are open, used or not. */
  count(): number
}

interface Opened {
  readonly source: ByteSource
  readonly cached: CachedObject
}

interface Shared {
  readonly opened: Promise<Opened>
  users: number
}

/** First bytes of formats whose header every reader wants. */
const headerBytes = 256 * 1024
const longestWhole = 64 * 1024 * 1024
const withHeader = /\.(?:bam|cram|bcf|vcf\.b?gz)$/i

function versionOf({ objectId, size, modified }: TreeObject): string {
  return `${objectId} ${size} ${modified.getTime()}`
}

/** An index is wanted whole sooner or later, and small. */
function isIndex({ fileName, size }: TreeObject): boolean {
  return parseIndexName(fileName) !== undefined && size <= longestWhole
}

function requireSame(object: TreeObject, version: ObjectVersion, seen: ObjectVersion | undefined): void {
  const { etag, modified } = version
  if (seen === undefined || (etag === seen.etag && (etag !== undefined || modified === seen.modified))) return
  throw new ScoreError(
    'object-changed',
    `object ${object.objectId} was replaced in the store by one of the same size since it was opened first; refresh the mount`,
  )
}

export interface SharedSourcesOptions {
  readonly cache: PageCache
  /** Sources that are kept open after their last user has gone; the least recently used ends first. */
  readonly maximumIdle: number
  /** Within this an object opens, or fails: what hangs must not hold up those who try again. */
  readonly openMs: number
  /** Ends what is being opened. */
  readonly signal: AbortSignal
}

export function createSharedSources(open: OpenObject, options: SharedSourcesOptions): SharedSources {
  const { cache } = options
  // In order of last use: what is reused is taken out and put at the end.
  const shared = new Map<string, Shared>()
  /** What the kernel may remember pages of: kept also when the source is closed. */
  const versions = new Map<string, ObjectVersion>()
  let maximumIdle = options.maximumIdle

  const check = async (object: TreeObject, source: ByteSource, call: CallOptions): Promise<void> => {
    const size = await source.size(call)
    if (size !== object.size)
      throw new ScoreError(
        'object-changed',
        `object ${object.objectId} has ${size} bytes in the store and ${object.size} in the mounted tree; refresh the mount`,
      )
    if (!isObjectSource(source)) return
    const version = await source.version(call)
    requireSame(object, version, versions.get(versionOf(object)))
    versions.set(versionOf(object), version)
  }
  const openChecked = async (object: TreeObject, call: CallOptions): Promise<Opened> => {
    const whole = isIndex(object)
    const keptHeadBytes = withHeader.test(object.fileName) ? headerBytes : 0
    const headBytes = whole ? object.size : keptHeadBytes
    const source = await open(object.objectId, { ...call, ...(headBytes > 0 && { headBytes }) })
    try {
      call.signal?.throwIfAborted()
      await check(object, source, call)
      const head = isObjectSource(source) ? source.takeHead() : undefined
      const cached = cache.open(source, { size: object.size, whole, keptHeadBytes, ...(head && { head }) })
      return { source, cached }
    } catch (error) {
      await source.close()
      throw error
    }
  }
  const start = (object: TreeObject): Promise<Opened> =>
    withinTime(options.openMs, `opening object ${object.objectId}`, (call) => openChecked(object, call), [options.signal])
  const drop = async (key: string, entry: Shared): Promise<void> => {
    if (shared.get(key) === entry) shared.delete(key)
    const opened = await entry.opened.catch(() => undefined)
    opened?.cached.close()
    await opened?.source.close()
  }
  const trim = async (maximum: number): Promise<void> => {
    const idle = [...shared].filter(([, entry]) => entry.users === 0)
    await Promise.all(idle.slice(0, Math.max(0, idle.length - maximum)).map(([key, entry]) => drop(key, entry)))
  }
  return {
    async acquire(object) {
      const key = versionOf(object)
      const entry = shared.get(key) ?? { opened: start(object), users: 0 }
      shared.delete(key)
      shared.set(key, entry)
      entry.users += 1
      try {
        return (await entry.opened).cached
      } catch (error) {
        entry.users -= 1
        if (shared.get(key) === entry) shared.delete(key)
        throw error
      }
    },
    async release(object) {
      const key = versionOf(object)
      const entry = shared.get(key)
      if (!entry) return
      entry.users -= 1
      shared.delete(key)
      shared.set(key, entry)
      await trim(maximumIdle)
    },
    close() {
      maximumIdle = 0
      return trim(0)
    },
    count: () => shared.size,
  }
}
