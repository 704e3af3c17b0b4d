import { close, fdatasync, fstat, open, read, readSync, type Stats, write, writeSync } from 'node:fs'
import { promisify } from 'node:util'
import { ScoreError } from '../../core/errors.ts'
import { toFileError } from '../../files/file-error.ts'

/**
 * Reads and writes at a place. In a worker they block it: that takes a third less processor time than a thread pool, and
 * a slow disk then slows the sender down. In the caller's own thread they must not.
 */
interface FileIo {
  read(fd: number, view: Uint8Array, position: number): number | Promise<number>
  write(fd: number, view: Uint8Array, position: number): number | Promise<number>
}

const openAsync = promisify(open)
const closeAsync = promisify(close)
const fstatAsync = promisify(fstat) as (fd: number) => Promise<Stats>
const fdatasyncAsync = promisify(fdatasync)

const blocking: FileIo = {
  read: (fd, view, position) => readSync(fd, view, 0, view.length, position),
  write: (fd, view, position) => writeSync(fd, view, 0, view.length, position),
}

const yielding: FileIo = {
  read: (fd, view, position) =>
    new Promise((resolve, reject) => read(fd, view, 0, view.length, position, (error, count) => (error ? reject(error) : resolve(count)))),
  write: (fd, view, position) =>
    new Promise((resolve, reject) => write(fd, view, 0, view.length, position, (error, count) => (error ? reject(error) : resolve(count)))),
}

/** A file in use by one part. */
export interface OpenFile {
  readonly path: string
  /** Fills the view. @throws `size-changed` where the file ends before; `local-storage` when it cannot be read */
  read(view: Uint8Array, position: number): Promise<void>
  /** @throws `local-storage` when it cannot be written */
  write(view: Uint8Array, position: number): Promise<void>
  /** Changes with every write to the file. */
  version(): Promise<{ readonly size: number; readonly mtimeMs: number }>
}

/** Handles stay open between parts, until the path is released. */
export interface OpenFiles {
  use<Result>(path: string, mode: 'read' | 'write', work: (file: OpenFile) => Promise<Result>): Promise<Result>
  /** Makes all that any thread has written to the file survive a power cut. */
  sync(path: string): Promise<void>
  /** Waits for the parts that use the file, then closes its handles. */
  release(path: string): Promise<void>
  close(): Promise<void>
}

interface Entry {
  readonly fd: Promise<number>
  readonly users: Set<Promise<unknown>>
}

async function readFully(io: FileIo, fd: number, path: string, view: Uint8Array, position: number): Promise<void> {
  let done = 0
  while (done < view.length) {
    const count = await io.read(fd, done === 0 ? view : view.subarray(done), position + done)
    if (count === 0) {
      const message = `'${path}' ends at byte ${position + done}, before the part that should be read: it was cut while in use; start again`
      throw new ScoreError('size-changed', message)
    }
    done += count
  }
}

async function writeFully(io: FileIo, fd: number, view: Uint8Array, position: number): Promise<void> {
  let done = 0
  while (done < view.length) done += await io.write(fd, done === 0 ? view : view.subarray(done), position + done)
}

function describeFile(io: FileIo, fd: number, path: string): OpenFile {
  return {
    path,
    async read(view, position) {
      await readFully(io, fd, path, view, position).catch((error: unknown) => {
        throw toFileError(error, 'read', path)
      })
    },
    async write(view, position) {
      await writeFully(io, fd, view, position).catch((error: unknown) => {
        throw toFileError(error, 'write to', path)
      })
    },
    async version() {
      const { size, mtimeMs } = await fstatAsync(fd).catch((error: unknown) => {
        throw toFileError(error, 'read', path)
      })
      return { size, mtimeMs }
    },
  }
}

export function createOpenFiles(options: { readonly blocking: boolean }): OpenFiles {
  const io = options.blocking ? blocking : yielding
  const entries = new Map<string, Entry>()

  function entryOf(path: string, mode: 'read' | 'write'): Entry {
    const key = `${mode} ${path}`
    const known = entries.get(key)
    if (known) return known
    const fd = openAsync(path, mode === 'read' ? 'r' : 'r+').catch((error: unknown) => {
      entries.delete(key)
      throw toFileError(error, 'open', path)
    })
    const entry: Entry = { fd, users: new Set() }
    entries.set(key, entry)
    return entry
  }

  async function closeEntry(key: string): Promise<void> {
    const entry = entries.get(key)
    if (!entry) return
    entries.delete(key)
    await Promise.allSettled(entry.users)
    const fd = await entry.fd.catch(() => undefined)
    if (fd !== undefined) await closeAsync(fd)
  }

  return {
    async use(path, mode, work) {
      const entry = entryOf(path, mode)
      const use = entry.fd.then((fd) => work(describeFile(io, fd, path)))
      entry.users.add(use)
      try {
        return await use
      } finally {
        entry.users.delete(use)
      }
    },
    async sync(path) {
      const entry = entryOf(path, 'write')
      const synced = entry.fd.then(fdatasyncAsync).catch((error: unknown) => {
        throw toFileError(error, 'sync', path)
      })
      entry.users.add(synced)
      await synced.finally(() => entry.users.delete(synced))
    },
    async release(path) {
      await Promise.all([closeEntry(`read ${path}`), closeEntry(`write ${path}`)])
    },
    async close() {
      await Promise.all([...entries.keys()].map(closeEntry))
    },
  }
}
