import { mkdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { CallOptions } from '../../core/call-options.ts'
import { ScoreError } from '../../core/errors.ts'
import { temporaryPath, writeFileAtomic } from '../../files/atomic-write.ts'
import { errnoOf, toFileError } from '../../files/file-error.ts'
import type { ListPartsOptions, MultipartRef, ObjectAddress } from '../storage-backend.ts'
import { readRecordHeader } from './object-record.ts'
import { type PartFile, partGroup, winningParts } from './part-name.ts'
import { ensureTemporary, type ObjectPlace, placeOf, type Store, segmentsFolder, withKeyLock } from './store.ts'
import { moveInto, namesIn, syncUnlessGone } from './store-files.ts'

/** Marks a folder of parts that is, or may again become, an upload in progress. */
export const uploadFile = 'upload.json'
/** Marks a folder of parts that is an object, or was one. */
export const objectFile = 'object.json'

export interface FoundUpload {
  readonly place: ObjectPlace
  readonly folder: string
}

export function uploadNotFound(ref: MultipartRef): ScoreError {
  return new ScoreError(
    'upload-not-found',
    `there is no upload '${ref.uploadId}' of '${ref.bucket}/${ref.key}' in progress: it was completed, cancelled, or never begun`,
  )
}

/** The key that a folder of parts belongs to; `undefined` when it is not there or not marked so. */
export async function markedKey(folder: string, mark: string): Promise<string | undefined> {
  try {
    return (JSON.parse(await readFile(join(folder, mark), 'utf8')) as { readonly key: string }).key
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
    throw toFileError(error, 'read', join(folder, mark))
  }
}

/** Makes the folder whole beside, then visible at once. */
export async function createUpload(store: Store, address: ObjectAddress): Promise<MultipartRef> {
  const place = placeOf(store, address)
  const { folders } = place
  const uploadId = store.randomId()
  await ensureTemporary(store, folders)
  const making = temporaryPath(folders.temporary)
  try {
    await mkdir(making)
    const text = JSON.stringify({ key: address.key, startedAt: new Date(store.now()).toISOString() })
    await writeFileAtomic(join(making, uploadFile), text, { durable: store.durable })
    await moveInto(making, join(folders.uploads, uploadId), store.durable)
  } catch (error) {
    throw toFileError(error, 'begin an upload in', folders.uploads)
  }
  return { ...address, uploadId }
}

/**
 * Finds an upload in progress. One whose completion was cut short by a crash before the object appeared is one again;
 * where the object had appeared, the completion is finished.
 *
 * @param locked the caller holds the key's lock.
 * @throws `upload-not-found`
 */
export async function findUpload(
  store: Store,
  ref: MultipartRef,
  options: CallOptions & { readonly locked?: boolean } = {},
): Promise<FoundUpload> {
  const place = placeOf(store, ref)
  if (!/^[A-Za-z0-9_-]{8,64}$/.test(ref.uploadId)) throw uploadNotFound(ref)
  const folder = join(place.folders.uploads, ref.uploadId)
  const key = await markedKey(folder, uploadFile)
  if (key === ref.key) return { place, folder }
  const moved = segmentsFolder(place, ref.uploadId)
  if (key !== undefined || (await markedKey(moved, uploadFile)) !== ref.key) throw uploadNotFound(ref)
  const settle = (): Promise<void> => settleMoved(store, place, ref.uploadId)
  await (options.locked ? settle() : withKeyLock(store, place, settle, options))
  if ((await markedKey(folder, uploadFile)) !== ref.key) throw uploadNotFound(ref)
  return { place, folder }
}

/** Under the key's lock: a folder that a crash left between upload and object becomes one of the two. */
export async function settleMoved(store: Store, place: ObjectPlace, uploadId: string): Promise<void> {
  const moved = segmentsFolder(place, uploadId)
  if ((await markedKey(moved, uploadFile)) !== place.address.key) return
  const record = await readRecordHeader(place.record)
  if (record?.uploadId === uploadId) await markAsObject(moved)
  else await moveInto(moved, join(place.folders.uploads, uploadId), store.durable)
}

/** From here on the folder can never be an upload again. */
export async function markAsObject(folder: string): Promise<void> {
  await rename(join(folder, uploadFile), join(folder, objectFile)).catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw toFileError(error, 'rename', join(folder, uploadFile))
  })
}

/** Ascending, one file per number. */
export async function* partsIn(folder: string, after = 0): AsyncGenerator<PartFile> {
  const groups = (await namesIn(folder)).filter((name) => /^\d{3}$/.test(name)).sort()
  for (const group of groups) {
    if (group < partGroup(after + 1)) continue
    for (const part of winningParts(await namesIn(join(folder, group)))) if (part.number > after) yield part
  }
}

export async function* listUploadParts(store: Store, ref: MultipartRef, options: ListPartsOptions = {}): AsyncGenerator<PartFile> {
  const { folder } = await findUpload(store, ref, options)
  let left = options.limit ?? Number.POSITIVE_INFINITY
  for await (const part of partsIn(folder, options.after)) {
    options.signal?.throwIfAborted()
    if (left-- <= 0) return
    yield part
  }
}

/** Makes a group's folder. @returns false when the upload itself is gone. */
export async function ensureGroup(store: Store, uploadFolder: string, group: string): Promise<boolean> {
  try {
    await mkdir(join(uploadFolder, group))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    if (errnoOf(error) === 'EEXIST') return true
    throw toFileError(error, 'make the folder', join(uploadFolder, group))
  }
  return !store.durable || syncUnlessGone(uploadFolder)
}
