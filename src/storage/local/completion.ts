import { join } from 'node:path'
import type { CallOptions } from '../../core/call-options.ts'
import { multipartEtag } from '../../core/checksum.ts'
import { isScoreError, ScoreError } from '../../core/errors.ts'
import { discard, temporaryPath } from '../../files/atomic-write.ts'
import type { CompleteOptions, MultipartRef, StoredPart } from '../storage-backend.ts'
import { addressText } from './key-path.ts'
import { statObject } from './object-reader.ts'
import { readRecordHeader, writeRecord } from './object-record.ts'
import { toKeyError } from './object-writer.ts'
import { type PartFile, parsePartName, partPath } from './part-name.ts'
import { ensureTemporary, type ObjectPlace, type Store, segmentsFolder, withKeyLock } from './store.ts'
import { moveInto, namesIn, removeFile, removeTree } from './store-files.ts'
import { findUpload, markAsObject, partsIn } from './uploads.ts'

function requireAscending(parts: readonly StoredPart[]): void {
  if (parts.length === 0) throw new ScoreError('invalid-request', 'an object cannot be completed from no parts')
  parts.forEach((part, index) => {
    const before = parts[index - 1]
    if (before && before.number >= part.number)
      throw new ScoreError('invalid-request', `the parts of a completion must ascend; part ${part.number} follows part ${before.number}`)
  })
}

async function matchParts(folder: string, wanted: readonly StoredPart[]): Promise<PartFile[]> {
  const held = new Map<number, PartFile>()
  for await (const part of partsIn(folder)) held.set(part.number, part)
  return wanted.map(({ number, etag }) => {
    const part = held.get(number)
    if (!part) throw new ScoreError('part-mismatch', `part ${number} is missing in the store; send it again`)
    if (part.md5 === etag) return part
    throw new ScoreError('part-mismatch', `part ${number} has ETag ${part.md5} in the store, not ${etag}; send it again`)
  })
}

/** Files that are no part of the object: tries that lost, parts that were not listed. */
async function removeExtras(folder: string, kept: readonly PartFile[]): Promise<void> {
  const names = new Set(kept.map((part) => part.name))
  for (const group of await namesIn(folder)) {
    for (const name of await namesIn(join(folder, group))) {
      const part = parsePartName(name)
      if (part && !names.has(name)) await removeFile(partPath(folder, part))
    }
  }
}

/** Under the key's lock. The rename of the record is the moment at which the object changes. @returns the upload that it was made of before. */
async function commit(store: Store, place: ObjectPlace, uploadId: string, segments: readonly PartFile[]): Promise<string | undefined> {
  const before = await readRecordHeader(place.record)
  if (before) await markAsObject(segmentsFolder(place, before.uploadId))
  const record = {
    version: 1,
    uploadId,
    size: segments.reduce((sum, part) => sum + part.size, 0),
    etag: multipartEtag(segments.map((part) => part.md5)),
    parts: segments.length,
    segments,
  } as const
  await writeRecordInto(store, place, record)
  await markAsObject(segmentsFolder(place, uploadId))
  await removeFile(place.plain)
  return before?.uploadId
}

async function writeRecordInto(store: Store, place: ObjectPlace, record: Parameters<typeof writeRecord>[1]): Promise<void> {
  const { temporary } = place.folders
  await ensureTemporary(store, place.folders)
  const making = temporaryPath(temporary)
  try {
    await writeRecord(making, record, { durable: store.durable, temporaryFolder: temporary })
    await moveInto(making, place.record, store.durable)
  } catch (error) {
    await discard(making)
    throw toKeyError(error, place)
  }
}

/**
 * Turns an upload into an object in time that grows with the number of parts, not with their bytes: the parts stay the
 * files they are. Order on disk: the folder of parts leaves the uploads (nothing can change it now), the record appears
 * (readers see the new object), the folder is marked. A crash in between is settled by whoever comes next.
 */
export async function completeUpload(
  store: Store,
  ref: MultipartRef,
  parts: readonly StoredPart[],
  options: CompleteOptions = {},
): Promise<void> {
  requireAscending(parts)
  const { place } = await findUpload(store, ref, options)
  const replaced = await withKeyLock(
    store,
    place,
    async () => {
      const { folder } = await findUpload(store, ref, { locked: true })
      await matchParts(folder, parts)
      if (options.ifAbsent && (await statObject(place)))
        throw new ScoreError('object-exists', `'${addressText(place.address)}' is there already`)
      const moved = segmentsFolder(place, ref.uploadId)
      await moveInto(folder, moved, store.durable)
      let segments: PartFile[]
      try {
        segments = await matchParts(moved, parts)
      } catch (error) {
        await moveInto(moved, folder, store.durable)
        throw error
      }
      const before = await commit(store, place, ref.uploadId, segments)
      await removeExtras(moved, segments)
      return before
    },
    options,
  )
  if (replaced !== undefined) await removeTree(place.folders, segmentsFolder(place, replaced))
}

/** Forgets an upload and its parts; nothing happens when there is none. */
export async function abortUpload(store: Store, ref: MultipartRef, options: CallOptions = {}): Promise<void> {
  try {
    const { place } = await findUpload(store, ref, options)
    const remove = async (): Promise<void> => {
      const { folder } = await findUpload(store, ref, { locked: true })
      await ensureTemporary(store, place.folders)
      await removeTree(place.folders, folder)
    }
    await withKeyLock(store, place, remove, options)
  } catch (error) {
    if (!isScoreError(error, 'upload-not-found')) throw error
  }
}
