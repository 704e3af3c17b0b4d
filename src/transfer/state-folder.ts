import { rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { errnoOf, toFileError } from '../files/file-error.ts'
import { acquireLock, type FileLock } from '../files/lock-file.ts'
import { makeFolder } from '../files/make-folder.ts'
import type { TransferContext } from './transfer-context.ts'

/** The original's state folder of an object, shared by its client and ours (score-client.md 2.3, 3.3). */
export function stateFolder(folder: string, objectId: string): string {
  return join(folder, `.${objectId}`)
}

/** Makes the state folder, for this user only. @throws `local-storage` */
export async function makeStateFolder(path: string): Promise<void> {
  await makeFolder(path, { mode: 0o700, doing: 'make the folder for the state of the transfer' })
}

/** Removes what is named and then the folder, if nothing else is in it. */
export async function clearStateFolder(path: string, names: readonly string[]): Promise<void> {
  try {
    for (const name of names) await rm(join(path, name), { force: true })
    await rmdir(path)
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(errnoOf(error) ?? '')) throw toFileError(error, 'remove the state folder', path)
  }
}

/** Keeps others away from a target while `work` runs; the lock is given back whatever happens. */
export async function withLock<Result>(
  path: string,
  label: string,
  context: TransferContext,
  work: (lock: FileLock) => Promise<Result>,
): Promise<Result> {
  const lock = await acquireLock(path, { label, wait: context.wait, signal: context.signal })
  try {
    return await work(lock)
  } finally {
    await lock.release()
  }
}
