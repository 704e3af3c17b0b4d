import { lstat, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { CallOptions } from '../../core/call-options.ts'
import { isScoreError } from '../../core/errors.ts'
import { discard, isTemporaryName } from '../../files/atomic-write.ts'
import { errnoOf, toFileError } from '../../files/file-error.ts'
import { acquireLock } from '../../files/lock-file.ts'
import { type BucketFolders, bucketFolders } from './key-path.ts'
import { readRecordHeader } from './object-record.ts'
import { placeOf, type Store, withKeyLock } from './store.ts'
import { namesIn, removeTree } from './store-files.ts'
import { markedKey, objectFile, settleMoved, uploadFile } from './uploads.ts'

export interface SweepOptions extends CallOptions {
  /** What was not touched for so long is left over; default a day, in ms. */
  readonly olderThanMs?: number
}

export interface SweepResult {
  /** Files in the making, and trees in removal, that a crash left. */
  readonly temporary: number
  /** Parts of objects that were replaced or removed. */
  readonly segments: number
  readonly locks: number
}

const dayMs = 24 * 60 * 60 * 1000

async function* oldIn(store: Store, folder: string, options: SweepOptions): AsyncGenerator<string> {
  for (const name of await namesIn(folder)) {
    options.signal?.throwIfAborted()
    const path = join(folder, name)
    const stat = await lstat(path).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT') return undefined
      throw toFileError(error, 'read', path)
    })
    if (stat && store.now() - stat.mtimeMs > (options.olderThanMs ?? dayMs)) yield name
  }
}

async function sweepTemporary(store: Store, folders: BucketFolders, options: SweepOptions): Promise<number> {
  let count = 0
  for await (const name of oldIn(store, folders.temporary, options)) {
    await rm(join(folders.temporary, name), { recursive: true, force: true })
    count++
  }
  return count
}

/** A folder of parts belongs to the record at its key; when none names it, nobody will read it again. */
async function sweepSegments(store: Store, bucket: string, folders: BucketFolders, options: SweepOptions): Promise<number> {
  let count = 0
  for await (const uploadId of oldIn(store, folders.segments, options)) {
    const folder = join(folders.segments, uploadId)
    const key = (await markedKey(folder, objectFile)) ?? (await markedKey(folder, uploadFile))
    if (key === undefined) continue
    const place = placeOf(store, { bucket, key })
    const settle = async (): Promise<boolean> => {
      await settleMoved(store, place, uploadId)
      const isOver = (await markedKey(folder, objectFile)) !== undefined && (await readRecordHeader(place.record))?.uploadId !== uploadId
      if (isOver) await removeTree(folders, folder)
      return isOver
    }
    if (await withKeyLock(store, place, settle, options)) count++
  }
  return count
}

/** Taking a lock and giving it back is the one safe way to remove it. */
async function sweepLocks(store: Store, folders: BucketFolders, options: SweepOptions): Promise<number> {
  let count = 0
  for await (const name of oldIn(store, folders.locks, options)) {
    count++
    if (isTemporaryName(name)) {
      await discard(join(folders.locks, name))
      continue
    }
    try {
      await (await acquireLock(join(folders.locks, name), { label: 'sweep' })).release()
    } catch (error) {
      if (!isScoreError(error, 'already-running')) throw error
      count--
    }
  }
  return count
}

async function bucketsIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return []
    throw toFileError(error, 'list the folder', folder)
  })
  return entries.filter((entry) => entry.isDirectory() && /^[A-Za-z0-9]/.test(entry.name)).map((entry) => entry.name)
}

/**
 * Removes what crashes left and no one will use again. Safe beside any number of running processes; meant to be called
 * once in a while. Uploads in progress are not touched: when they are given up is the service's to decide.
 */
export async function sweepStore(store: Store, options: SweepOptions = {}): Promise<SweepResult> {
  const result = { temporary: 0, segments: 0, locks: 0 }
  for (const bucket of await bucketsIn(store.folder)) {
    const folders = bucketFolders(store.folder, bucket)
    result.temporary += await sweepTemporary(store, folders, options)
    result.segments += await sweepSegments(store, bucket, folders, options)
    result.locks += await sweepLocks(store, folders, options)
  }
  return result
}
