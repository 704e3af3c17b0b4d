import { createHash } from 'node:crypto'
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { ScoreError } from '../core/errors.ts'
import type { Part } from '../core/object-spec.ts'
import { errnoOf, toFileError } from '../files/file-error.ts'

/** Version of the journal's format; a higher one is refused. */
export const journalVersion = 1

/** What a journal is about. Written first; a journal of anything else is another transfer's. */
export interface JournalHeader {
  readonly direction: 'upload' | 'download'
  readonly objectId: string
  /** Bytes moved when all is done. */
  readonly size: number
  readonly md5?: string
  /** Digest of the part plan, see {@link planDigest}. */
  readonly plan: string
  /** First byte of the object, for a download of a range. */
  readonly start?: number
  /** Absent while an upload is being opened. */
  readonly uploadId?: string
}

/** Where and when records were written: what follows holds for this file, on this boot of this machine. */
export interface JournalSegment {
  /** Boot of the machine; empty where the system does not tell. */
  readonly boot: string
  /** Identity of the local file; a copy has another one. */
  readonly place: string
}

export interface JournaledPart {
  readonly number: number
  readonly md5: string
  readonly etag?: string
  readonly segment: JournalSegment
  /** The bytes were known to be on disk, not only with the kernel. */
  readonly synced: boolean
}

export interface JournalContent {
  readonly header: JournalHeader
  /** The last word on each part. */
  readonly parts: ReadonlyMap<number, JournaledPart>
  /** The transfer was complete but for its last step; says what was verified. */
  readonly ready?: string
  /** The last one. */
  readonly segment: JournalSegment
  /** Length of the part of the file that can be believed. */
  readonly validBytes: number
}

/** Appends to a journal. Each call resolves when the record is with the kernel: a killed process does not lose it. */
export interface JournalWriter {
  part(record: { readonly number: number; readonly md5: string; readonly etag?: string }): Promise<void>
  /** The bytes of a part are not what a record says. */
  drop(partNumber: number): Promise<void>
  /** All parts are there and verified; only the rename, or the finalise call, is left. */
  ready(verified: string): Promise<void>
  /** Parts recorded since this writer began. */
  readonly recorded: number
  /** Flushes the journal, then states that the first `count` parts recorded by this writer are on disk. */
  sync(count: number): Promise<void>
  close(): Promise<void>
}

/** Digest of number, place and MD5 of every part, so that a journal is never applied to another plan. */
export function planDigest(parts: readonly Part[]): string {
  const hash = createHash('sha256')
  for (const { number, range, md5 } of parts) hash.update(`${number} ${range.start} ${range.end} ${md5 ?? '-'}\n`)
  return hash.digest('hex').slice(0, 32)
}

/** JSON, a space, the CRC-32 of the JSON in hex, a newline. */
export function journalLine(record: object): string {
  const json = JSON.stringify(record)
  return `${json} ${(crc32(json) >>> 0).toString(16).padStart(8, '0')}\n`
}

type JournalRecord = Readonly<Record<string, unknown>>

function parseLine(line: Buffer): JournalRecord | undefined {
  const at = line.lastIndexOf(0x20)
  if (at < 0 || line.length - at !== 9) return undefined
  const json = line.subarray(0, at)
  if (line.toString('latin1', at + 1) !== (crc32(json) >>> 0).toString(16).padStart(8, '0')) return undefined
  return JSON.parse(json.toString('utf8')) as JournalRecord
}

/** Records up to the first line that is cut or damaged; what follows such a line was never promised to anyone. */
function* validRecords(bytes: Buffer): Iterable<{ readonly record: JournalRecord; readonly end: number }> {
  let at = 0
  for (let end = bytes.indexOf(0x0a, at); end >= 0; end = bytes.indexOf(0x0a, at)) {
    const record = parseLine(bytes.subarray(at, end))
    if (!record) return
    at = end + 1
    yield { record, end: at }
  }
}

function requireVersion(path: string, record: JournalRecord): void {
  const version = record['journal']
  if (typeof version !== 'number' || version <= journalVersion) return
  throw new ScoreError(
    'invalid-format',
    `'${path}' was written by a newer version of this program (journal format ${version}, known here: ${journalVersion}). Go on with that version, or remove the file's folder to start over`,
  )
}

interface MutablePart {
  number: number
  md5: string
  etag?: string
  segment: JournalSegment
  synced: boolean
}

interface Reading {
  ready?: string
  segment: JournalSegment
  /** Parts recorded since the segment began, in order: what a `sync` counts. */
  inSegment: MutablePart[]
  readonly parts: Map<number, MutablePart>
}

function apply(reading: Reading, record: JournalRecord): void {
  if (typeof record['boot'] === 'string') {
    reading.segment = { boot: record['boot'], place: String(record['place']) }
    reading.inSegment = []
  } else if (typeof record['n'] === 'number') {
    const { n, md5, etag } = record as { n: number; md5: string; etag?: string }
    const part: MutablePart = { number: n, md5, segment: reading.segment, synced: false, ...(etag === undefined ? {} : { etag }) }
    reading.parts.set(n, part)
    reading.inSegment.push(part)
  } else if (typeof record['drop'] === 'number') {
    reading.parts.delete(record['drop'])
  } else if (typeof record['sync'] === 'number') {
    for (const part of reading.inSegment.slice(0, record['sync'])) part.synced = true
  } else if (typeof record['ready'] === 'string') {
    reading.ready = record['ready']
  }
}

/** @throws `invalid-format` for a journal of a newer version. */
export function parseJournal(path: string, bytes: Buffer): JournalContent | undefined {
  let header: JournalHeader | undefined
  let validBytes = 0
  const reading: Reading = { segment: { boot: '', place: '' }, inSegment: [], parts: new Map() }
  for (const { record, end } of validRecords(bytes)) {
    if (header) apply(reading, record)
    else {
      requireVersion(path, record)
      if (record['journal'] !== journalVersion) return undefined
      header = record['about'] as JournalHeader
    }
    validBytes = end
  }
  if (!header) return undefined
  const { parts, segment, ready } = reading
  return { header, parts, segment, validBytes, ...(ready === undefined ? {} : { ready }) }
}

/** @returns `undefined` when there is no journal, or none that got as far as its first line. @throws `local-storage`, `invalid-format`. */
export async function readJournal(path: string): Promise<JournalContent | undefined> {
  try {
    return parseJournal(path, await readFile(path))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw toFileError(error, 'read the journal', path)
  }
}

export interface OpenJournal {
  readonly path: string
  readonly header: JournalHeader
  /** What was read from the file, to be gone on with. Without it the file is begun anew. */
  readonly resume?: JournalContent
  readonly segment: JournalSegment
}

/** Opens the journal for appending, mode 0600: cut after its last good line, or begun anew. @throws `local-storage`. */
export async function openJournal(request: OpenJournal): Promise<JournalWriter> {
  const { path, resume, segment } = request
  const file = await inFile(path, () => open(path, resume ? 'r+' : 'w+', 0o600))
  let at = resume?.validBytes ?? 0
  let recorded = 0
  let queue: Promise<unknown> = Promise.resolve()
  const append = (record: object): Promise<void> => {
    const write = async (): Promise<void> => {
      const line = Buffer.from(journalLine(record))
      // A failed or short write leaves `at` where it was, so the next record takes the place of the torn one.
      for (let written = 0; written < line.length; ) {
        const from = written
        written += (await inFile(path, () => file.write(line, from, line.length - from, at + from))).bytesWritten
      }
      at += line.length
    }
    const done = queue.then(write)
    queue = done.catch(() => undefined)
    return done
  }
  await inFile(path, () => file.truncate(at))
  if (!resume) await append({ journal: journalVersion, about: request.header })
  await append({ boot: segment.boot, place: segment.place })
  return {
    get recorded() {
      return recorded
    },
    async part({ number, md5, etag }) {
      await append({ n: number, md5, ...(etag === undefined ? {} : { etag }) })
      recorded++
    },
    drop: (partNumber) => append({ drop: partNumber }),
    ready: (verified) => append({ ready: verified }),
    async sync(count) {
      await inFile(path, () => file.datasync())
      await append({ sync: count })
    },
    close: () => closeAfter(queue, file),
  }
}

async function closeAfter(queue: Promise<unknown>, file: FileHandle): Promise<void> {
  await queue
  await file.close()
}

async function inFile<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    throw toFileError(error, 'write the journal', path)
  }
}
