import { type FileHandle, open } from 'node:fs/promises'
import { ScoreError } from '../../core/errors.ts'
import { writeFileAtomic } from '../../files/atomic-write.ts'
import { errnoOf, toFileError } from '../../files/file-error.ts'
import { type PartFile, parsePartName } from './part-name.ts'
import { createRecentMap } from './recent-map.ts'

/** What stands in the first line of a record file; enough for a listing. */
export interface RecordHeader {
  readonly version: 1
  readonly uploadId: string
  readonly size: number
  readonly etag: string
  readonly parts: number
}

/** A multipart object: the parts of one upload, in order. */
export interface ObjectRecord extends RecordHeader {
  readonly lastModified: Date
  readonly segments: readonly PartFile[]
}

const headerBytes = 512

/** One line of JSON, then one part name per line. */
export async function writeRecord(
  path: string,
  record: Omit<ObjectRecord, 'lastModified'>,
  options: { readonly durable: boolean; readonly temporaryFolder: string },
): Promise<void> {
  const { segments, ...header } = record
  const text = `${JSON.stringify(header)}\n${segments.map((segment) => `${segment.name}\n`).join('')}`
  await writeFileAtomic(path, text, options)
}

function damaged(path: string): ScoreError {
  return new ScoreError('internal', `the record '${path}' is damaged: it does not describe a multipart object`)
}

function parseHeader(line: string, path: string): RecordHeader {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    if (error instanceof SyntaxError) throw damaged(path)
    throw error
  }
  const header = value as RecordHeader
  if (header.version !== 1)
    throw new ScoreError('invalid-configuration', `the record '${path}' was written by a newer version of this program; update it`)
  return header
}

function parseRecord(text: string, path: string, lastModified: Date): ObjectRecord {
  const [first = '', ...lines] = text.trimEnd().split('\n')
  const header = parseHeader(first, path)
  const segments = lines.map((line) => parsePartName(line))
  const whole = segments.every((segment) => segment !== undefined)
  if (!whole || segments.length !== header.parts) throw damaged(path)
  return { ...header, lastModified, segments: segments as PartFile[] }
}

// A record of ten thousand parts is half a megabyte of text; ranged reads come by the thousand.
const recent = createRecentMap<ObjectRecord>(32)

/** Two files written within one tick of the file system's clock could share a version; after the next tick they cannot. */
export function isSettled(mtimeMs: bigint): boolean {
  return Date.now() - Number(mtimeMs) > 1000
}

async function openRecord<Result>(path: string, use: (handle: FileHandle) => Promise<Result>): Promise<Result | undefined> {
  let handle: FileHandle | undefined
  try {
    handle = await open(path, 'r')
    return await use(handle)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return undefined
    throw toFileError(error, 'read', path)
  } finally {
    await handle?.close()
  }
}

/** `undefined` when there is no such record. */
export async function readRecord(path: string): Promise<ObjectRecord | undefined> {
  return openRecord(path, async (handle) => {
    const stat = await handle.stat({ bigint: true })
    const version = `${stat.ino} ${stat.mtimeNs} ${stat.ctimeNs} ${stat.size}`
    const known = recent.get(path, version)
    if (known) return known
    const record = parseRecord(await handle.readFile('utf8'), path, stat.mtime)
    if (isSettled(stat.mtimeMs)) recent.set(path, version, record)
    return record
  })
}

/** The first line alone. `undefined` when there is no such record. */
export async function readRecordHeader(path: string): Promise<(RecordHeader & { readonly lastModified: Date }) | undefined> {
  return openRecord(path, async (handle) => {
    const { mtime } = await handle.stat()
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(headerBytes), 0, headerBytes, 0)
    const text = buffer.toString('utf8', 0, bytesRead)
    return { ...parseHeader(text.slice(0, text.indexOf('\n')), path), lastModified: mtime }
  })
}
