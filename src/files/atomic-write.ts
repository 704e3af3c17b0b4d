import { randomBytes } from 'node:crypto'
import { type FileHandle, link, open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { errnoOf, toFileError } from './file-error.ts'

export interface WriteFileOptions {
  /** Permission bits of the new file, before the umask; default 0o666. */
  readonly mode?: number
  /** Survives a power cut once the promise resolves (fsync of file and folder); default true. */
  readonly durable?: boolean
  /** Where the file is made before it is renamed; on the same file system. Default: the folder of the target. */
  readonly temporaryFolder?: string
}

const temporaryName = /^\.tmp-[0-9a-f]{24}$/

/** A name for a file in the making, in the folder where it will be renamed. Unique, without any trace of the target's name. */
export function temporaryPath(folder: string): string {
  return join(folder, `.tmp-${randomBytes(12).toString('hex')}`)
}

/** Whether a file name is one that {@link temporaryPath} makes: left over when old, otherwise in the making. */
export function isTemporaryName(name: string): boolean {
  return temporaryName.test(name)
}

// Some network and FUSE file systems, and Windows, cannot sync a folder: there the rename itself is all there is.
const folderSyncUnsupported = new Set(['EINVAL', 'ENOTSUP', 'EISDIR', 'EPERM', 'ENOSYS'])

/**
 * Makes renames, creations and removals in the folder survive a power cut.
 *
 * @throws `local-storage`
 */
export async function syncDirectory(path: string): Promise<void> {
  let handle: FileHandle | undefined
  try {
    handle = await open(path, 'r')
    await handle.sync()
  } catch (error) {
    if (!folderSyncUnsupported.has(errnoOf(error) ?? '')) throw toFileError(error, 'sync the folder', path)
  } finally {
    await handle?.close()
  }
}

/** Removes a temporary file. A failure here must not hide the one that led to it; what stays is swept later. */
export async function discard(path: string): Promise<void> {
  await rm(path, { force: true }).catch(() => undefined)
}

async function writeTemporary(path: string, bytes: Uint8Array | string, options: WriteFileOptions): Promise<void> {
  const handle = await open(path, 'wx', options.mode ?? 0o666)
  try {
    await handle.writeFile(bytes)
    if (options.durable !== false) await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Creates or replaces a file at once: a reader sees the old bytes or the new ones, also after a crash at any moment. A
 * crash can leave a temporary file behind ({@link isTemporaryName}), never a half-written target.
 *
 * @throws `local-storage` naming the path
 */
export async function writeFileAtomic(path: string, bytes: Uint8Array | string, options: WriteFileOptions = {}): Promise<void> {
  const temporary = temporaryPath(options.temporaryFolder ?? dirname(path))
  try {
    await writeTemporary(temporary, bytes, options)
    await rename(temporary, path)
  } catch (error) {
    await discard(temporary)
    throw toFileError(error, 'write', path)
  }
  if (options.durable !== false) await syncDirectory(dirname(path))
}

// File systems without hard links (FAT, some SMB and FUSE mounts).
const linkUnsupported = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'])

async function linkExclusive(temporary: string, path: string): Promise<boolean> {
  try {
    await link(temporary, path)
    return true
  } catch (error) {
    const errno = errnoOf(error) ?? ''
    if (errno === 'EEXIST') return isSameFile(temporary, path)
    if (!linkUnsupported.has(errno)) throw error
    return createWithoutLink(temporary, path)
  }
}

/** NFS may repeat a link request whose answer was lost and report EEXIST for our own success. */
async function isSameFile(temporary: string, path: string): Promise<boolean> {
  const handle = await open(temporary, 'r')
  try {
    const own = await handle.stat({ bigint: true })
    if (own.nlink < 2n) return false
    const there = await open(path, 'r')
    try {
      const found = await there.stat({ bigint: true })
      return found.ino === own.ino && found.dev === own.dev
    } finally {
      await there.close()
    }
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false
    throw error
  } finally {
    await handle.close()
  }
}

async function createWithoutLink(temporary: string, path: string): Promise<boolean> {
  const source = await open(temporary, 'r')
  try {
    const { mode } = await source.stat()
    const bytes = await source.readFile()
    const target = await open(path, 'wx', mode & 0o777).catch((error: unknown) => {
      if (errnoOf(error) === 'EEXIST') return undefined
      throw error
    })
    if (!target) return false
    try {
      await target.writeFile(bytes)
      await target.sync()
    } finally {
      await target.close()
    }
    return true
  } finally {
    await source.close()
  }
}

/**
 * Creates a file only if there is none: among any number of processes and machines one gets `true`. The content is
 * whole when the name appears; only on file systems without hard links may a reader see a shorter one for a moment.
 *
 * @returns false when the name is taken; nothing is changed then.
 * @throws `local-storage` naming the path
 */
export async function createFileExclusive(path: string, bytes: Uint8Array | string, options: WriteFileOptions = {}): Promise<boolean> {
  const temporary = temporaryPath(options.temporaryFolder ?? dirname(path))
  let created: boolean
  try {
    await writeTemporary(temporary, bytes, options)
    created = await linkExclusive(temporary, path)
  } catch (error) {
    throw toFileError(error, 'create', path)
  } finally {
    await discard(temporary)
  }
  if (created && options.durable !== false) await syncDirectory(dirname(path))
  return created
}
