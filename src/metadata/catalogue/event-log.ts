import { type FileHandle, mkdir, open, stat } from 'node:fs/promises'
import { join } from 'node:path'
import pLimit from 'p-limit'
import type { CallOptions } from '../../core/call-options.ts'
import { ScoreError } from '../../core/errors.ts'
import { createFileExclusive } from '../../files/atomic-write.ts'
import { errnoOf, toFileError } from '../../files/file-error.ts'
import { acquireLock } from '../../files/lock-file.ts'
import { isJsonObject, type JsonObject } from '../song-json.ts'

/** Where an event stands in the file. */
export interface EventPosition {
  readonly offset: number
  /** Bytes, the line feed left out. */
  readonly length: number
}

export interface EventLogOptions {
  readonly folder: string
  /** Told each event once, in order. */
  readonly apply: (event: JsonObject, position: EventPosition) => void
  /** All events will be told again from the first: the file was replaced by another. */
  readonly reset: () => void
}

/**
 * An append-only file of JSON lines that any number of processes share. A line counts once its line feed is there, so an
 * event is wholly there or not at all, whenever a process dies; all see the events in one order.
 */
export interface EventLog {
  /** Tells what others appended since; what was appended before the call began is told when it ends. */
  refresh(options?: CallOptions): Promise<void>
  /**
   * Decides with everything told and no one else appending, then appends the event that was decided, if any. Resolves once
   * it is on disk and told.
   *
   * @throws whatever `decide` throws, and then nothing is appended; `local-storage`.
   */
  append(decide: () => JsonObject | undefined, options?: CallOptions): Promise<void>
  /** Reads an event again. */
  read(position: EventPosition): Promise<JsonObject>
  close(): Promise<void>
}

const format = 'score-sdk catalogue'
const version = 1
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

function checkHeader(header: JsonObject, path: string): void {
  if (header['format'] !== format) throw new ScoreError('invalid-format', `'${path}' is not a catalogue of this package`)
  if (header['version'] !== version)
    throw new ScoreError(
      'invalid-configuration',
      `'${path}' has format version ${String(header['version'])}, made by a newer release; this one knows version ${version}. Upgrade, or use another folder`,
    )
}

async function create(folder: string, path: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true })
  } catch (error) {
    throw toFileError(error, 'make the folder', folder)
  }
  await createFileExclusive(path, `${JSON.stringify({ format, version })}\n`)
}

/** One at a time, in order. A call joins the run that has not begun yet, so it sees what was there when it was made. */
function shareNext(work: () => Promise<void>): () => Promise<void> {
  let last: Promise<void> = Promise.resolve()
  let waiting: Promise<void> | undefined
  return () => {
    if (waiting) return waiting
    waiting = last
      .catch(() => undefined)
      .then(() => {
        waiting = undefined
        return work()
      })
    last = waiting
    return waiting
  }
}

/**
 * Opens the log of a folder, making both where they are missing.
 *
 * @throws `local-storage`; `invalid-format` for a damaged file; `invalid-configuration` for one of a newer release.
 */
export async function openEventLog(options: EventLogOptions): Promise<EventLog> {
  const path = join(options.folder, 'catalogue.jsonl')
  const lockPath = join(options.folder, 'catalogue.lock')
  const oneAtATime = pLimit(1)
  let handle: FileHandle | undefined
  let inode = 0n
  /** End of the last line that was told. */
  let told = 0

  const reopen = async (): Promise<FileHandle> => {
    await handle?.close()
    handle = await open(path, 'r')
    inode = (await handle.stat({ bigint: true })).ino
    told = 0
    options.reset()
    return handle
  }

  const tell = (line: Buffer, offset: number): void => {
    const event = parseLine(line, path, offset)
    if (offset === 0) checkHeader(event, path)
    else options.apply(event, { offset, length: line.length })
    told = offset + line.length + 1
  }

  const readTail = async (file: FileHandle, size: number): Promise<void> => {
    let pending = Buffer.alloc(0)
    for (let at = told; at < size; ) {
      const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, size - at))
      const { bytesRead } = await file.read(chunk, 0, chunk.length, at)
      if (bytesRead === 0) return
      at += bytesRead
      pending = pending.length === 0 ? chunk.subarray(0, bytesRead) : Buffer.concat([pending, chunk.subarray(0, bytesRead)])
      let start = 0
      for (let end = pending.indexOf(lineFeed); end >= 0; end = pending.indexOf(lineFeed, start)) {
        tell(pending.subarray(start, end), told)
        start = end + 1
      }
      pending = pending.subarray(start)
    }
  }

  const readNew = async (): Promise<void> => {
    try {
      const { size, ino } = await stat(path, { bigint: true })
      const file = handle === undefined || ino !== inode || Number(size) < told ? await reopen() : handle
      if (Number(size) > told) await readTail(file, Number(size))
    } catch (error) {
      if (errnoOf(error) === 'ENOENT')
        throw new ScoreError('local-storage', `'${path}' is gone; put it back from a backup, or start with an empty folder`)
      throw toFileError(error, 'read', path)
    }
  }
  const refresh = shareNext(readNew)

  const writeLine = async (text: string): Promise<void> => {
    const file = await open(path, 'r+')
    try {
      // What stands behind the last line feed was left by a writer that died: no one was told that it succeeded.
      if ((await file.stat()).size > told) await file.truncate(told)
      const bytes = Buffer.from(text)
      try {
        for (let done = 0; done < bytes.length; ) {
          done += (await file.write(bytes, done, bytes.length - done, told + done)).bytesWritten
        }
      } catch (error) {
        await file.truncate(told)
        throw error
      }
      await file.sync()
    } catch (error) {
      throw toFileError(error, 'write', path)
    } finally {
      await file.close()
    }
  }

  const append = async (decide: () => JsonObject | undefined, callOptions: CallOptions): Promise<void> => {
    const lock = await acquireLock(lockPath, { ...callOptions, label: 'change of the catalogue', wait: true, pollMs: 10 })
    try {
      await refresh()
      const event = decide()
      if (event === undefined) return
      await lock.assertHeld()
      await writeLine(`${JSON.stringify(event)}\n`)
      await refresh()
    } finally {
      await lock.release()
    }
  }

  await create(options.folder, path)
  await refresh()
  return {
    async refresh(callOptions = {}) {
      callOptions.signal?.throwIfAborted()
      await refresh()
    },
    append: (decide, callOptions = {}) => oneAtATime(() => append(decide, callOptions)),
    async read({ offset, length }) {
      const bytes = Buffer.allocUnsafe(length)
      try {
        await (handle as FileHandle).read(bytes, 0, length, offset)
      } catch (error) {
        throw toFileError(error, 'read', path)
      }
      return parseLine(bytes, path, offset)
    },
    async close() {
      await handle?.close()
      handle = undefined
    },
  }
}
