import { createHash } from 'node:crypto'
import { type BigIntStats, statSync } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import type { ByteRange } from '../../core/byte-range.ts'
import type { CallOptions } from '../../core/call-options.ts'
import { ScoreError } from '../../core/errors.ts'
import { errnoOf, toFileError } from '../../files/file-error.ts'
import type { ObjectStat } from '../storage-backend.ts'
import { addressText } from './key-path.ts'
import { isSettled, type ObjectRecord, readRecord } from './object-record.ts'
import { type PartFile, partPath } from './part-name.ts'
import { createRecentMap } from './recent-map.ts'
import { type ObjectPlace, segmentsFolder } from './store.ts'

/** One version of an object, to look at and to read. */
export interface OpenObject {
  readonly stat: ObjectStat
  /**
   * Bytes of this version; never a mixture of two. @throws `object-changed` when it was replaced or removed and the part
   * that comes next is gone.
   */
  stream(range: ByteRange, options?: CallOptions): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

const pieceBytes = 256 * 1024
/** Hashes of larger files are remembered; smaller ones are hashed again, because a file system's clock is coarse. */
const rememberHashBytes = 8 * 1024 * 1024
const hashes = createRecentMap<string>(256)

/** Every piece has memory of its own: it may still wait in a socket when the next one is read. */
async function* readPieces(handle: FileHandle, range: ByteRange, options: CallOptions): AsyncGenerator<Uint8Array> {
  for (let at = range.start; at < range.end; ) {
    options.signal?.throwIfAborted()
    const piece = Buffer.allocUnsafeSlow(Math.min(pieceBytes, range.end - at))
    const { bytesRead } = await handle.read(piece, 0, piece.length, at)
    if (bytesRead === 0) throw new ScoreError('internal', `a file of the store ends at byte ${at}, before byte ${range.end}`)
    at += bytesRead
    yield bytesRead === piece.length ? piece : piece.subarray(0, bytesRead)
  }
}

/** Files so small that their bytes are remembered: the service's documents, which are asked for again and again. */
const smallBytes = 16 * 1024
const smallFiles = createRecentMap<SmallFile>(512)

interface SmallFile {
  readonly bytes: Buffer
  readonly md5: string
}

function versionOf({ ino, mtimeNs, ctimeNs, size }: BigIntStats): string {
  return `${ino} ${mtimeNs} ${ctimeNs} ${size}`
}

function openBytes({ bytes, md5 }: SmallFile, lastModified: Date): OpenObject {
  return {
    stat: { size: bytes.length, etag: md5, md5, lastModified, metadata: {} },
    async *stream({ start, end }, options) {
      options?.signal?.throwIfAborted()
      // A copy: what is remembered must not change with what a reader does to it.
      if (end > start) yield Uint8Array.prototype.slice.call(bytes, start, end)
    },
    close: async () => undefined,
  }
}

/** A small file whose bytes are remembered, when it is still the one that was read. */
async function openRemembered(path: string): Promise<OpenObject | undefined> {
  if (!smallFiles.has(path)) return undefined
  const found = await stat(path, { bigint: true }).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
    throw toFileError(error, 'read', path)
  })
  const known = found && smallFiles.get(path, versionOf(found))
  return known && openBytes(known, found.mtime)
}

/**
 * A document that is remembered and still the same, found without waiting: two questions to the file system, which cost
 * some microseconds; asked by threads of the pool they would be most of what a request of the control plane costs.
 */
function findUnchanged({ plain, record }: ObjectPlace): { readonly file: SmallFile; readonly lastModified: Date } | undefined {
  if (!smallFiles.has(plain)) return undefined
  try {
    if (statSync(record, { throwIfNoEntry: false })) return undefined
    const found = statSync(plain, { bigint: true, throwIfNoEntry: false })
    const file = found && smallFiles.get(plain, versionOf(found))
    return file && { file, lastModified: found.mtime }
  } catch {
    // Whoever opens it in earnest meets the same trouble, and says what it is.
    return undefined
  }
}

async function readSmall(handle: FileHandle, path: string, found: BigIntStats): Promise<OpenObject> {
  const pieces: Uint8Array[] = []
  for await (const piece of readPieces(handle, { start: 0, end: Number(found.size) }, {})) pieces.push(piece)
  await handle.close()
  const bytes = Buffer.concat(pieces)
  const file = { bytes, md5: createHash('md5').update(bytes).digest('hex') }
  if (isSettled(found.mtimeMs)) smallFiles.set(path, versionOf(found), file)
  return openBytes(file, found.mtime)
}

async function hashFile(handle: FileHandle, path: string, stat: BigIntStats): Promise<string> {
  const version = versionOf(stat)
  const known = hashes.get(path, version)
  if (known !== undefined) return known
  const hash = createHash('md5')
  for await (const piece of readPieces(handle, { start: 0, end: Number(stat.size) }, {})) hash.update(piece)
  const md5 = hash.digest('hex')
  if (stat.size >= rememberHashBytes) hashes.set(path, version, md5)
  return md5
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  return open(path, 'r').catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
    throw toFileError(error, 'read', path)
  })
}

async function openPlain(place: ObjectPlace): Promise<OpenObject | undefined> {
  const remembered = await openRemembered(place.plain)
  if (remembered) return remembered
  const handle = await openIfThere(place.plain)
  if (!handle) return undefined
  try {
    const stat = await handle.stat({ bigint: true })
    if (!stat.isFile()) {
      await handle.close()
      return undefined
    }
    if (stat.size <= smallBytes) return await readSmall(handle, place.plain, stat)
    const md5 = await hashFile(handle, place.plain, stat)
    return {
      stat: { size: Number(stat.size), etag: md5, md5, lastModified: stat.mtime, metadata: {} },
      stream: (range, options) => readPieces(handle, range, options ?? {}),
      close: () => handle.close(),
    }
  } catch (error) {
    await handle.close()
    throw toFileError(error, 'read', place.plain)
  }
}

function recordStat(record: ObjectRecord): ObjectStat {
  const only = record.segments.length === 1 ? record.segments[0] : undefined
  return {
    size: record.size,
    etag: record.etag,
    lastModified: record.lastModified,
    metadata: {},
    ...(only ? { md5: only.md5 } : {}),
  }
}

/** The parts that a range touches, each with the bytes wanted of it. */
function* overlapping(
  segments: readonly PartFile[],
  range: ByteRange,
): Generator<{ readonly segment: PartFile; readonly range: ByteRange }> {
  let start = 0
  for (const segment of segments) {
    const end = start + segment.size
    if (start >= range.end) return
    if (end > range.start) yield { segment, range: { start: Math.max(range.start, start) - start, end: Math.min(range.end, end) - start } }
    start = end
  }
}

async function openSegment(place: ObjectPlace, record: ObjectRecord, segment: PartFile): Promise<FileHandle> {
  const handle = await openIfThere(partPath(segmentsFolder(place, record.uploadId), segment))
  if (handle) return handle
  const now = await readRecord(place.record)
  if (now?.uploadId !== record.uploadId)
    throw new ScoreError('object-changed', `'${addressText(place.address)}' was replaced or removed while it was being read`)
  throw new ScoreError(
    'internal',
    `'${addressText(place.address)}' is damaged: part ${segment.number} (${segment.name}) of upload ${record.uploadId} is missing`,
  )
}

/** Opens the first part that will be read before the caller gets anything, so that an answer can still say 404. */
function openRecorded(place: ObjectPlace, record: ObjectRecord, first: FileHandle | undefined, firstNumber: number): OpenObject {
  let spare = first
  const take = async (segment: PartFile): Promise<FileHandle> => {
    if (spare && segment.number === firstNumber) {
      const handle = spare
      spare = undefined
      return handle
    }
    return openSegment(place, record, segment)
  }
  async function* stream(range: ByteRange, options: CallOptions = {}): AsyncGenerator<Uint8Array> {
    for (const wanted of overlapping(record.segments, range)) {
      const handle = await take(wanted.segment)
      try {
        yield* readPieces(handle, wanted.range, options)
      } finally {
        await handle.close()
      }
    }
  }
  return {
    stat: recordStat(record),
    stream,
    async close() {
      await spare?.close()
      spare = undefined
    },
  }
}

async function openMultipart(place: ObjectPlace, start: number): Promise<OpenObject | undefined | 'changed'> {
  const record = await readRecord(place.record)
  if (!record) return undefined
  const wanted = overlapping(record.segments, { start, end: start + 1 }).next().value
  if (!wanted) return openRecorded(place, record, undefined, 0)
  const handle = await openSegment(place, record, wanted.segment).catch((error: unknown) => {
    if (error instanceof ScoreError && error.code === 'object-changed') return undefined
    throw error
  })
  return handle ? openRecorded(place, record, handle, wanted.segment.number) : 'changed'
}

const lookups = 8

/**
 * Opens the version that is current now. Another process may turn a plain object into a multipart one between two looks,
 * so one miss of both proves nothing.
 *
 * @param start first byte that will be wanted; its file is opened at once.
 * @returns `undefined` when there is no such object. Close what was opened.
 */
export async function openObject(place: ObjectPlace, start = 0): Promise<OpenObject | undefined> {
  const unchanged = findUnchanged(place)
  if (unchanged) return openBytes(unchanged.file, unchanged.lastModified)
  let misses = 0
  for (let attempt = 0; attempt < lookups; attempt++) {
    const multipart = await openMultipart(place, start)
    if (multipart === 'changed') continue
    const found = multipart ?? (await openPlain(place))
    if (found) return found
    if (++misses === 2) return undefined
  }
  throw new ScoreError('unavailable', `'${addressText(place.address)}' is being replaced again and again; try once more`)
}

/** As {@link openObject}, without opening any part. */
export async function statObject(place: ObjectPlace): Promise<ObjectStat | undefined> {
  for (let look = 0; look < 2; look++) {
    const record = await readRecord(place.record)
    if (record) return recordStat(record)
    const plain = await openPlain(place)
    await plain?.close()
    if (plain) return plain.stat
  }
  return undefined
}

/** All bytes of an object: of a small one that is remembered, the very ones. `undefined` when there is none. */
export async function readWhole(place: ObjectPlace, options: CallOptions = {}): Promise<Buffer | undefined> {
  const unchanged = findUnchanged(place)
  if (unchanged) return unchanged.file.bytes
  options.signal?.throwIfAborted()
  const object = await openObject(place)
  if (!object) return undefined
  try {
    const pieces: Uint8Array[] = []
    for await (const piece of object.stream({ start: 0, end: object.stat.size }, options)) pieces.push(piece)
    return Buffer.concat(pieces)
  } catch (error) {
    throw toFileError(error, 'read', addressText(place.address))
  } finally {
    await object.close()
  }
}
