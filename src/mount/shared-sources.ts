import type { ByteSource } from '../bytes/byte-source.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { withinTime } from './time-limit.ts'
import type { TreeObject } from './tree-node.ts'

/** Makes the bytes of an object readable; its first requests belong here, so that what is forbidden fails when a file is opened. */
export type OpenObject = (objectId: string, options?: CallOptions) => ByteSource | Promise<ByteSource>

/** One source for all who have an object open, and for those who open it again soon. */
export interface SharedSources {
  /** @throws what opening throws; `object-changed` when the store's size is not the tree's. */
  acquire(object: TreeObject): Promise<ByteSource>
  release(object: TreeObject): Promise<void>
  /** Closes those that nobody uses. */
  close(): Promise<void>
  /** Sources that are open, used or not. */
  count(): number
}

interface Shared {
  readonly source: Promise<ByteSource>
  users: number
}

function versionOf({ objectId, size, modified }: TreeObject): string {
  return `${objectId} ${size} ${modified.getTime()}`
}

async function openChecked(open: OpenObject, object: TreeObject, options: CallOptions): Promise<ByteSource> {
  const source = await open(object.objectId, options)
  try {
    options.signal?.throwIfAborted()
    const size = await source.size(options)
    if (size === object.size) return source
    throw new ScoreError(
      'object-changed',
      `object ${object.objectId} has ${size} bytes in the store and ${object.size} in the mounted tree; refresh the mount`,
    )
  } catch (error) {
    await source.close()
    throw error
  }
}

export interface SharedSourcesOptions {
  /** Sources that are kept open after their last user has gone; the least recently used ends first. */
  readonly maximumIdle: number
  /** Within this an object opens, or fails: what hangs must not hold up those who try again. */
  readonly openMs: number
  /** Ends what is being opened. */
  readonly signal: AbortSignal
}

export function createSharedSources(open: OpenObject, options: SharedSourcesOptions): SharedSources {
  // In order of last use: what is reused is taken out and put at the end.
  const shared = new Map<string, Shared>()
  let maximumIdle = options.maximumIdle
  const start = (object: TreeObject): Promise<ByteSource> =>
    withinTime(options.openMs, `opening object ${object.objectId}`, (call) => openChecked(open, object, call), [options.signal])
  const drop = async (key: string, entry: Shared): Promise<void> => {
    if (shared.get(key) === entry) shared.delete(key)
    const source = await entry.source.catch(() => undefined)
    await source?.close()
  }
  const trim = async (maximum: number): Promise<void> => {
    const idle = [...shared].filter(([, entry]) => entry.users === 0)
    await Promise.all(idle.slice(0, Math.max(0, idle.length - maximum)).map(([key, entry]) => drop(key, entry)))
  }
  return {
    async acquire(object) {
      const key = versionOf(object)
      const entry = shared.get(key) ?? { source: start(object), users: 0 }
      shared.delete(key)
      shared.set(key, entry)
      entry.users += 1
      try {
        return await entry.source
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
