import { readdir, rename, rm, rmdir, unlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { discard, syncDirectory, temporaryPath } from '../../files/atomic-write.ts'
import { errnoOf, toFileError } from '../../files/file-error.ts'
import { makeFolder } from '../../files/make-folder.ts'
import type { BucketFolders } from './key-path.ts'

const tries = 16

/** As `syncDirectory`. @returns false when the folder is gone: another process has emptied and removed it, or moved it. */
export async function syncUnlessGone(path: string): Promise<boolean> {
  try {
    await syncDirectory(path)
    return true
  } catch (error) {
    if (error instanceof Error && errnoOf(error.cause) === 'ENOENT') return false
    throw error
  }
}

/** Makes a folder and those above it; with `durable`, they survive a power cut. */
export async function ensureFolder(path: string, durable: boolean): Promise<void> {
  const first = await makeFolder(path)
  if (first === undefined || !durable) return
  for (let folder = dirname(path); folder.length >= dirname(first).length; folder = dirname(folder)) {
    if (!(await syncUnlessGone(folder)) || folder === dirname(folder)) return
  }
}

/**
 * Renames into a folder that is made when missing. A removal of the last object beside it may take the folder away in
 * between, so it is tried again.
 */
export async function moveInto(from: string, to: string, durable: boolean): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    await ensureFolder(dirname(to), durable)
    try {
      await rename(from, to)
      if (durable) await syncUnlessGone(dirname(to))
      return
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' || attempt === tries) throw error
    }
  }
}

/** Makes removals in a folder survive a power cut; in the one above it, when the folder itself has been removed. */
export async function syncRemoval(folders: BucketFolders, path: string): Promise<void> {
  for (let folder = path; folder.startsWith(folders.root); folder = dirname(folder)) {
    if (await syncUnlessGone(folder)) return
  }
}

/** Names in a folder; none when it does not exist. */
export async function namesIn(path: string): Promise<string[]> {
  return readdir(path).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return []
    throw toFileError(error, 'list the folder', path)
  })
}

/** Removes a tree that others may look at: it is gone at once, its bytes soon after. What a crash leaves is swept. */
export async function removeTree(folders: BucketFolders, path: string): Promise<void> {
  const away = temporaryPath(folders.temporary)
  try {
    await rename(path, away)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return
    throw toFileError(error, 'remove', path)
  }
  await rm(away, { recursive: true, force: true }).catch(() => discard(away))
}

/** @returns whether there was such a file. */
export async function removeFile(path: string): Promise<boolean> {
  try {
    await unlink(path)
    return true
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR' || errnoOf(error) === 'EISDIR') return false
    throw toFileError(error, 'remove', path)
  }
}

/** Removes a folder in which there is nothing but folders. */
export async function pruneEmptyTree(path: string): Promise<void> {
  for (const name of await namesIn(path)) await pruneEmptyTree(join(path, name))
  await rmdir(path).catch((error: unknown) => {
    if (!notRemovable.has(errnoOf(error) ?? '') && errnoOf(error) !== 'ENOTDIR') throw toFileError(error, 'remove the empty folder', path)
  })
}

const notRemovable = new Set(['ENOTEMPTY', 'EEXIST', 'ENOENT', 'EBUSY', 'EACCES', 'EPERM'])

/** Removes folders that have become empty, from this one up to the bucket's own, which stays. */
export async function pruneFolders(folders: BucketFolders, path: string): Promise<void> {
  for (let folder = path; folder.startsWith(join(folders.root, '/')) && basename(folder) !== ''; folder = dirname(folder)) {
    try {
      await rmdir(folder)
    } catch (error) {
      if (notRemovable.has(errnoOf(error) ?? '')) return
      throw toFileError(error, 'remove the empty folder', folder)
    }
  }
}
