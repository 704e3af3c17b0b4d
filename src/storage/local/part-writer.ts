import { createHash } from 'node:crypto'
import { type FileHandle, open, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { CallOptions } from '../../core/call-options.ts'
import { ScoreError } from '../../core/errors.ts'
import { discard, temporaryPath } from '../../files/atomic-write.ts'
import { errnoOf, toFileError } from '../../files/file-error.ts'
import type { MultipartRef } from '../storage-backend.ts'
import { type PartFile, parsePartName, partFile, partGroup, partPath } from './part-name.ts'
import { ensureTemporary, type Store } from './store.ts'
import { namesIn, removeFile, syncUnlessGone } from './store-files.ts'
import { ensureGroup, findUpload, uploadNotFound } from './uploads.ts'

/** One attempt to fill a part. */
export interface PartBody {
  readonly number: number
  /** Bytes announced; more or fewer are refused. */
  readonly size: number
  /** MD5 announced, lower-case hex. */
  readonly md5?: string
  /** Pieces must stay untouched after they were given. */
  readonly bytes: AsyncIterable<Uint8Array>
}

const batchBytes = 1024 * 1024

/** The body ended early or went on too long: the sender's doing, not the store's. */
function wrongLength(part: PartBody, received: number): ScoreError {
  const more = received > part.size ? 'more than' : `${received} of`
  return new ScoreError('part-mismatch', `part ${part.number} came with ${more} the ${part.size} bytes announced`)
}

async function writeAll(handle: FileHandle, pieces: readonly Uint8Array[], length: number): Promise<void> {
  const { bytesWritten } = await handle.writev(pieces)
  if (bytesWritten === length) return
  // A disk that is nearly full takes a part of it; the next write tells why.
  const rest = Buffer.concat(pieces).subarray(bytesWritten)
  await handle.writeFile(rest)
}

/** Writes one batch while the next one is received and hashed, so at most two batches are held. */
async function receive(handle: FileHandle, part: PartBody, options: CallOptions): Promise<string> {
  const hash = createHash('md5')
  let received = 0
  let batch: Uint8Array[] = []
  let batched = 0
  let writing: Promise<void> = Promise.resolve()
  const flush = async (): Promise<void> => {
    await writing
    if (batched > 0) writing = writeAll(handle, batch, batched)
    // Its failure is met at the next await; until then it must not count as unhandled.
    writing.catch(() => undefined)
    batch = []
    batched = 0
  }
  try {
    for await (const piece of part.bytes) {
      options.signal?.throwIfAborted()
      received += piece.length
      if (received > part.size) throw wrongLength(part, received)
      hash.update(piece)
      batch.push(piece)
      batched += piece.length
      if (batched >= batchBytes) await flush()
    }
    if (received !== part.size) throw wrongLength(part, received)
    await flush()
  } finally {
    await writing
  }
  return hash.digest('hex')
}

async function writeAttempt(path: string, part: PartBody, store: Store, options: CallOptions): Promise<string> {
  const handle = await open(path, 'wx')
  try {
    const md5 = await receive(handle, part, options)
    if (part.md5 !== undefined && part.md5 !== md5)
      throw new ScoreError('checksum-mismatch', `part ${part.number} was announced with MD5 ${part.md5}, but its bytes have ${md5}`)
    if (store.durable) await handle.datasync()
    return md5
  } finally {
    await handle.close()
  }
}

/** Puts a finished attempt in its place, above any older try, which is removed afterwards. */
async function publish(
  store: Store,
  temporary: string,
  uploadFolder: string,
  part: Omit<PartFile, 'name' | 'revision'>,
): Promise<PartFile | undefined> {
  const group = join(uploadFolder, partGroup(part.number))
  if (!(await ensureGroup(store, uploadFolder, partGroup(part.number)))) return undefined
  const older = (await namesIn(group)).map(parsePartName).filter((other) => other?.number === part.number) as PartFile[]
  const made = partFile({ ...part, revision: 1 + Math.max(0, ...older.map((other) => other.revision)) })
  try {
    await rename(temporary, partPath(uploadFolder, made))
    if (store.durable && !(await syncUnlessGone(group))) return undefined
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  }
  for (const other of older) await removeFile(partPath(uploadFolder, other))
  return made
}

/**
 * Stores a part: once the promise resolves, the part survives a power cut. Every attempt has a file of its own; a later
 * one takes the place of an earlier one at once.
 *
 * @throws `upload-not-found`, `part-mismatch` (fewer or more bytes than announced), `checksum-mismatch`, `local-storage`;
 *   what the body throws.
 */
export async function writePart(store: Store, ref: MultipartRef, part: PartBody, options: CallOptions = {}): Promise<PartFile> {
  const { place, folder } = await findUpload(store, ref, options)
  await ensureTemporary(store, place.folders)
  const temporary = temporaryPath(place.folders.temporary)
  try {
    const md5 = await writeAttempt(temporary, part, store, options)
    const made = await publish(store, temporary, folder, { number: part.number, size: part.size, md5 })
    if (!made) throw uploadNotFound(ref)
    return made
  } catch (error) {
    await discard(temporary)
    throw toFileError(error, 'write the part', join(dirname(folder), ref.uploadId))
  }
}
