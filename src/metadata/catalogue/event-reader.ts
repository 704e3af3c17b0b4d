import { statSync } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { ScoreError } from '../../core/errors.ts'
import { errnoOf, toFileError } from '../../files/file-error.ts'
import { isJsonObject, type JsonObject } from '../song-json.ts'

/** Where an event stands in the file. */
export interface EventPosition {
  readonly offset: number
  /** Bytes, the line feed left out. */
  readonly length: number
}

export interface EventSink {
  /** Told each event once, in order. */
  readonly apply: (event: JsonObject, position: EventPosition) => void
  /** All events will be told again from the first: the file was replaced by another. */
  readonly reset: () => void
}

export interface EventReader {
  /** Whether everything that is in the file now was told. Asks the file system and waits for nothing. */
  isCurrent(): boolean
  /** Tells the lines that came since; what stands behind the last line feed does not count. Not to be called twice at once. */
  readNew(): Promise<void>
  /** End of the last line that was told. */
  told(): number
  read(position: EventPosition): Promise<JsonObject>
  close(): Promise<void>
}

const format = 'score-sdk catalogue'
const version = 1

/** First line of the file. */
export const header = `${JSON.stringify({ format, version })}\n`

const chunkBytes = 4 * 1024 * 1024
const lineFeed = 0x0a

function parseLine(line: Buffer, path: string, offset: number): JsonObject {
  try {
    const value: unknown = JSON.parse(line.toString('utf8'))
    if (isJsonObject(value)) return value
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new ScoreError(
    'invalid-format',
    `'${path}' is damaged at byte ${offset}: the line there is not JSON. Restore the file from a backup`,
  )
}

function checkHeader(line: JsonObject, path: string): void {
  if (line['format'] !== format) throw new ScoreError('invalid-format', `'${path}' is not a catalogue of this package`)
  if (line['version'] !== version)
    throw new ScoreError(
      'invalid-configuration',
      `'${path}' has format version ${String(line['version'])}, made by a newer release; this one knows version ${version}. Upgrade, or use another folder`,
    )
}

/** The whole lines of a range, in pieces of bounded size. */
async function* lines(file: FileHandle, start: number, end: number): AsyncGenerator<Buffer> {
  let pending = Buffer.alloc(0)
  for (let at = start; at < end; ) {
    const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, end - at))
    const { bytesRead } = await file.read(chunk, 0, chunk.length, at)
    if (bytesRead === 0) return
    at += bytesRead
    const bytes = Buffer.concat([pending, chunk.subarray(0, bytesRead)])
    let from = 0
    for (let feed = bytes.indexOf(lineFeed); feed >= 0; feed = bytes.indexOf(lineFeed, from)) {
      yield bytes.subarray(from, feed)
      from = feed + 1
    }
    pending = bytes.subarray(from)
  }
}

/** Reads a file of events as it grows, and from the start when it is exchanged for another. */
export function createEventReader(path: string, sink: EventSink): EventReader {
  let handle: FileHandle | undefined
  let inode = 0n
  let told = 0

  let closed = false

  const requireOpen = (): void => {
    if (closed) throw new ScoreError('internal', `the catalogue of '${path}' was closed, and then used`)
  }

  const reopen = async (): Promise<FileHandle> => {
    const before = handle
    const fresh = await open(path, 'r')
    handle = fresh
    await before?.close()
    inode = (await fresh.stat({ bigint: true })).ino
    told = 0
    sink.reset()
    return fresh
  }

  const tell = (line: Buffer): void => {
    const event = parseLine(line, path, told)
    if (told === 0) checkHeader(event, path)
    else sink.apply(event, { offset: told, length: line.length })
    told += line.length + 1
  }

  return {
    told: () => told,
    isCurrent() {
      requireOpen()
      try {
        // It takes some microseconds; the same question from a thread of the pool costs ten times that, at each request.
        const found = statSync(path, { bigint: true })
        return handle !== undefined && found.ino === inode && Number(found.size) === told
      } catch {
        // `readNew` meets the same trouble, and says what it is.
        return false
      }
    },
    async readNew() {
      requireOpen()
      try {
        const { size, ino } = await stat(path, { bigint: true })
        const file = handle === undefined || ino !== inode || Number(size) < told ? await reopen() : handle
        for await (const line of lines(file, told, Number(size))) tell(line)
      } catch (error) {
        if (errnoOf(error) !== 'ENOENT') throw toFileError(error, 'read', path)
        throw new ScoreError('local-storage', `'${path}' is gone; put it back from a backup, or start with an empty folder`, {
          cause: error,
        })
      }
    },
    async read({ offset, length }) {
      requireOpen()
      const bytes = Buffer.allocUnsafe(length)
      try {
        await handle?.read(bytes, 0, length, offset)
      } catch (error) {
        throw toFileError(error, 'read', path)
      }
      return parseLine(bytes, path, offset)
    },
    async close() {
      closed = true
      await handle?.close()
      handle = undefined
    },
  }
}
