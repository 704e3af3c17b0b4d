import { type FileHandle, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { CallOptions } from '../../core/call-options.ts'
import { ScoreError } from '../../core/errors.ts'
import { discard, temporaryPath } from '../../files/atomic-write.ts'
import { errnoOf, toFileError } from '../../files/file-error.ts'
import { addressText } from './key-path.ts'
import { readRecordHeader } from './object-record.ts'
import { ensureTemporary, type ObjectPlace, type Store, segmentsFolder, withKeyLock } from './store.ts'
import { moveInto, pruneEmptyTree, pruneFolders, removeFile, removeTree, syncRemoval } from './store-files.ts'
import { markAsObject } from './uploads.ts'

const conflicts = new Set(['EISDIR', 'ENOTDIR', 'EEXIST', 'ENOTEMPTY'])

/** A file cannot be a folder: the one thing that keys of an object store may be and paths may not. */
export function toKeyError(error: unknown, place: ObjectPlace): unknown {
  const errno = errnoOf(error) ?? (error instanceof Error ? errnoOf(error.cause) : undefined)
  if (!conflicts.has(errno ?? '')) return toFileError(error, 'write', place.plain)
  return new ScoreError(
    'invalid-request',
    `the local store cannot hold '${addressText(place.address)}' beside what is there: of two keys, none may be a folder of the other ('a' and 'a/b')`,
    { cause: error },
  )
}

async function writeBody(path: string, body: Uint8Array, durable: boolean): Promise<void> {
  const handle: FileHandle = await open(path, 'wx')
  try {
    await handle.writeFile(body)
    if (durable) await handle.datasync()
  } finally {
    await handle.close()
  }
}

async function movePlain(store: Store, temporary: string, place: ObjectPlace): Promise<void> {
  try {
    await moveInto(temporary, place.plain, store.durable)
  } catch (error) {
    if (errnoOf(error) !== 'EISDIR') throw error
    // Folders without any object are what a crash left; they are in nobody's way.
    await pruneEmptyTree(place.plain)
    await moveInto(temporary, place.plain, store.durable)
  }
}

/** The removal of the record is the moment at which the object changes. @returns the upload that it was made of before. */
async function replaceMultipart(store: Store, temporary: string, place: ObjectPlace): Promise<string | undefined> {
  const before = await readRecordHeader(place.record)
  if (before) await markAsObject(segmentsFolder(place, before.uploadId))
  await movePlain(store, temporary, place)
  if (!before) return undefined
  await removeFile(place.record)
  if (store.durable) await syncRemoval(place.folders, dirname(place.record))
  return before.uploadId
}

/** Puts a small object; it survives a power cut once the promise resolves. */
export async function putObject(store: Store, place: ObjectPlace, body: Uint8Array, options: CallOptions = {}): Promise<void> {
  options.signal?.throwIfAborted()
  await ensureTemporary(store, place.folders)
  const temporary = temporaryPath(place.folders.temporary)
  let replaced: string | undefined
  try {
    await writeBody(temporary, body, store.durable)
    if (await readRecordHeader(place.record))
      replaced = await withKeyLock(store, place, () => replaceMultipart(store, temporary, place), options)
    else await movePlain(store, temporary, place)
  } catch (error) {
    await discard(temporary)
    throw toKeyError(error, place)
  }
  if (replaced !== undefined) await removeTree(place.folders, segmentsFolder(place, replaced))
}

/** The plain file goes first: below a record it does not count, without one it would. */
async function removeBoth(place: ObjectPlace): Promise<string | undefined> {
  const before = await readRecordHeader(place.record)
  if (before) await markAsObject(segmentsFolder(place, before.uploadId))
  await removeFile(place.plain)
  await removeFile(place.record)
  return before?.uploadId
}

/** Removes an object; nothing happens when there is none. */
export async function deleteObject(store: Store, place: ObjectPlace, options: CallOptions = {}): Promise<void> {
  options.signal?.throwIfAborted()
  const folder = dirname(place.plain)
  if (await readRecordHeader(place.record)) {
    const replaced = await withKeyLock(store, place, () => removeBoth(place), options)
    if (store.durable) await syncRemoval(place.folders, folder)
    if (replaced !== undefined) await removeTree(place.folders, segmentsFolder(place, replaced))
  } else if (await removeFile(place.plain)) {
    if (store.durable) await syncRemoval(place.folders, folder)
  } else return
  await pruneFolders(place.folders, folder)
}
