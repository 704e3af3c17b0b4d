import { opendir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { CallOptions } from '../../core/call-options.ts'
import { errnoOf, toFileError } from '../../files/file-error.ts'
import { compareKeys } from '../key-order.ts'
import type { ListedObject, ObjectAddress } from '../storage-backend.ts'
import { bucketFolders, decodeSegment, encodeSegment, recordSuffix } from './key-path.ts'
import { statObject } from './object-reader.ts'
import { readRecordHeader } from './object-record.ts'
import { placeOf, type Store } from './store.ts'

/** A name in a folder: an object, or a folder of objects, then with a slash at its end. */
interface Entry {
  readonly name: string
  readonly kind: 'plain' | 'record' | 'folder'
}

/** The folder that holds every key with the prefix, as key and path, and how the names in it must begin. */
function split(store: Store, prefix: ObjectAddress): { readonly key: string; readonly path: string; readonly rest: string } {
  const { root } = bucketFolders(store.folder, prefix.bucket)
  const at = prefix.key.lastIndexOf('/') + 1
  const key = prefix.key.slice(0, at)
  const segments = key.split('/').slice(0, -1)
  return { key, path: join(root, ...segments.map((segment) => encodeSegment(segment, 'folder'))), rest: prefix.key.slice(at) }
}

function toEntry(name: string, isFolder: boolean): Entry | undefined {
  const isRecord = !isFolder && name.endsWith(recordSuffix)
  const segment = decodeSegment(isRecord ? name.slice(0, -recordSuffix.length) : name, isFolder ? 'folder' : 'object')
  if (segment === undefined) return undefined
  return isFolder ? { name: `${segment}/`, kind: 'folder' } : { name: segment, kind: isRecord ? 'record' : 'plain' }
}

/** The names of a folder in key order; only they are held, whatever lies below. A record hides the plain file of its name. */
async function entriesOf(path: string, rest: string): Promise<Entry[]> {
  const entries: Entry[] = []
  try {
    for await (const item of await opendir(path, { bufferSize: 1024 })) {
      const entry = toEntry(item.name, item.isDirectory())
      if (entry?.name.startsWith(rest)) entries.push(entry)
    }
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ENOTDIR') throw toFileError(error, 'list the folder', path)
  }
  entries.sort((left, right) => compareKeys(left.name, right.name) || (left.kind === 'record' ? -1 : 1))
  return entries.filter((entry, index) => entry.name !== entries[index - 1]?.name)
}

function folderPath(path: string, name: string): string {
  return join(path, encodeSegment(name.slice(0, -1), 'folder'))
}

async function describe(store: Store, address: ObjectAddress, path: string, kind: Entry['kind']): Promise<ListedObject | undefined> {
  if (kind === 'record') {
    const header = await readRecordHeader(`${path}${recordSuffix}`)
    if (header) return { ...address, size: header.size, lastModified: header.lastModified }
  } else {
    const file = await stat(path).catch((error: unknown) => {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
      throw toFileError(error, 'read', path)
    })
    if (file?.isFile()) return { ...address, size: file.size, lastModified: file.mtime }
  }
  // It was there a moment ago: replaced by the other kind, or removed.
  const found = await statObject(placeOf(store, address))
  return found && { ...address, size: found.size, lastModified: found.lastModified }
}

const describedAtOnce = 32

async function* walk(
  store: Store,
  bucket: string,
  key: string,
  path: string,
  rest: string,
  options: CallOptions,
): AsyncGenerator<ListedObject> {
  const entries = await entriesOf(path, rest)
  for (let at = 0; at < entries.length; ) {
    options.signal?.throwIfAborted()
    const { name, kind } = entries[at] as Entry
    if (kind === 'folder') {
      at++
      yield* walk(store, bucket, `${key}${name}`, folderPath(path, name), '', options)
      continue
    }
    const batch = entries.slice(at, at + describedAtOnce)
    const folderAt = batch.findIndex((entry) => entry.kind === 'folder')
    const files = folderAt < 0 ? batch : batch.slice(0, folderAt)
    at += files.length
    const found = await Promise.all(
      files.map((file) => describe(store, { bucket, key: `${key}${file.name}` }, join(path, encodeSegment(file.name)), file.kind)),
    )
    for (const object of found) if (object) yield object
  }
}

/** Objects in the order of their keys' UTF-8 bytes. What changes while the listing runs may be in it or not. */
export async function* listObjects(store: Store, prefix: ObjectAddress, options: CallOptions = {}): AsyncGenerator<ListedObject> {
  const { key, path, rest } = split(store, prefix)
  yield* walk(store, prefix.bucket, key, path, rest, options)
}

async function holdsObject(path: string): Promise<boolean> {
  for (const { name, kind } of await entriesOf(path, '')) {
    if (kind !== 'folder' || (await holdsObject(folderPath(path, name)))) return true
  }
  return false
}

/** Folders right below the prefix in which there is an object. */
export async function* listKeyFolders(store: Store, prefix: ObjectAddress, options: CallOptions = {}): AsyncGenerator<string> {
  const { key, path, rest } = split(store, prefix)
  for (const { name, kind } of await entriesOf(path, rest)) {
    options.signal?.throwIfAborted()
    if (kind === 'folder' && (await holdsObject(folderPath(path, name)))) yield `${key}${name}`
  }
}
