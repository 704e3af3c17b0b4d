import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import pLimit from 'p-limit'
import type { CallOptions } from '../../core/call-options.ts'
import { createFileExclusive } from '../../files/atomic-write.ts'
import { toFileError } from '../../files/file-error.ts'
import { acquireLock } from '../../files/lock-file.ts'
import { makeFolder } from '../../files/make-folder.ts'
import type { JsonObject } from '../song-json.ts'
import { createEventReader, type EventPosition, type EventReader, type EventSink, header } from './event-reader.ts'

export interface EventLogOptions extends EventSink {
  readonly folder: string
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

async function create(folder: string, path: string): Promise<void> {
  await makeFolder(folder)
  await createFileExclusive(path, header)
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
 * One look at the file for all calls of one turn of the event loop. It begins when they have all been made, so that each
 * sees what was there when it was made; requests that come together then also go on together.
 */
function lookOnce(reader: EventReader, refresh: () => Promise<void>): () => Promise<void> {
  let next: Promise<void> | undefined
  const look = (): Promise<void> | undefined => {
    next = undefined
    return reader.isCurrent() ? undefined : refresh()
  }
  return () => {
    next ??= nextTurn().then(look)
    return next
  }
}

/** Puts a line at `end`, in place of what a writer that died left there: no one was told that it succeeded. */
async function writeLine(path: string, end: number, line: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    if ((await file.stat()).size > end) await file.truncate(end)
    const bytes = Buffer.from(line)
    try {
      for (let done = 0; done < bytes.length; ) {
        done += (await file.write(bytes, done, bytes.length - done, end + done)).bytesWritten
      }
    } catch (error) {
      await file.truncate(end)
      throw error
    }
    await file.sync()
  } finally {
    await file.close()
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
  await create(options.folder, path)
  const reader = createEventReader(path, options)
  const refresh = shareNext(reader.readNew)
  const look = lookOnce(reader, refresh)

  const append = async (decide: () => JsonObject | undefined, callOptions: CallOptions): Promise<void> => {
    const lock = await acquireLock(lockPath, { ...callOptions, label: 'change of the catalogue', wait: true, pollMs: 10 })
    try {
      await refresh()
      const event = decide()
      if (event === undefined) return
      await lock.assertHeld()
      try {
        await writeLine(path, reader.told(), `${JSON.stringify(event)}\n`)
      } catch (error) {
        throw toFileError(error, 'write', path)
      }
      await refresh()
    } finally {
      await lock.release()
    }
  }

  await refresh()
  return {
    async refresh(callOptions = {}) {
      callOptions.signal?.throwIfAborted()
      await look()
    },
    append: (decide, callOptions = {}) => oneAtATime(() => append(decide, callOptions)),
    read: reader.read,
    close: reader.close,
  }
}
