import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { CallOptions } from '../../core/call-options.ts'
import { errnoOf, toFileError } from '../../files/file-error.ts'
import { acquireLock } from '../../files/lock-file.ts'
import type { ObjectAddress } from '../storage-backend.ts'
import { addressText, type BucketFolders, bucketFolders, keyPath, recordSuffix } from './key-path.ts'
import { ensureFolder } from './store-files.ts'

/** What the modules of the local store share. */
export interface Store {
  readonly folder: string
  /** Whether what was promised survives a power cut (fsync). */
  readonly durable: boolean
  readonly now: () => number
  readonly randomId: () => string
}

/** The files that can stand for one object. */
export interface ObjectPlace {
  readonly address: ObjectAddress
  readonly folders: BucketFolders
  /** Bytes of an object that was put at once. */
  readonly plain: string
  /** Record of a multipart object; where there is one, it counts. */
  readonly record: string
}

export function placeOf(store: Store, address: ObjectAddress): ObjectPlace {
  const folders = bucketFolders(store.folder, address.bucket)
  const plain = keyPath(folders, address.key)
  return { address, folders, plain, record: `${plain}${recordSuffix}` }
}

export function segmentsFolder(place: { readonly folders: BucketFolders }, uploadId: string): string {
  return join(place.folders.segments, uploadId)
}

/** Makes the folder for files in the making. */
export async function ensureTemporary(store: Store, folders: BucketFolders): Promise<void> {
  await mkdir(folders.temporary).catch(async (error: unknown) => {
    if (errnoOf(error) === 'EEXIST') return
    if (errnoOf(error) === 'ENOENT') return ensureFolder(folders.temporary, store.durable)
    throw toFileError(error, 'make the folder', folders.temporary)
  })
}

/** Runs `change` as the only one, among all processes, that changes what a multipart object at this key is made of. */
export async function withKeyLock<Result>(
  store: Store,
  place: ObjectPlace,
  change: () => Promise<Result>,
  options: CallOptions = {},
): Promise<Result> {
  await ensureFolder(place.folders.locks, store.durable)
  const name = createHash('sha256').update(place.address.key).digest('hex').slice(0, 40)
  const lock = await acquireLock(join(place.folders.locks, name), {
    label: `change of ${addressText(place.address)}`,
    wait: true,
    pollMs: 20,
    ...(options.signal ? { signal: options.signal } : {}),
  })
  try {
    return await change()
  } finally {
    await lock.release()
  }
}
