import { constants } from 'node:fs'
import { type ByteRange, type FileAttributes, type FuseMount, isScoreError } from '../../src/index.ts'
import type { Answers } from './answers.ts'
import type { NativeOperations, NativeStat } from './fuse-native-library.ts'

export interface NativeOperationsOptions {
  readonly mount: FuseMount
  readonly answers: Answers
  readonly owner: { readonly uid: number; readonly gid: number }
  /** Whether others than the owner may read. */
  readonly allowOther: boolean
}

/** The bits of `open`'s flags that tell reading from writing; the others come and go. */
const accessMode = 0o3
const largest32 = 2 ** 32 - 1

function nativeStat(attributes: FileAttributes, options: NativeOperationsOptions): NativeStat {
  const { kind, size, inode, links, blockSize, blocks, modified } = attributes
  const type = kind === 'file' ? constants.S_IFREG : constants.S_IFDIR
  const permissions = options.allowOther ? attributes.permissions : attributes.permissions & 0o770
  const time = modified.getTime()
  return {
    mode: type | permissions,
    ...options.owner,
    size,
    nlink: links,
    ino: inode,
    blksize: blockSize,
    blocks,
    atime: time,
    mtime: time,
    ctime: time,
  }
}

/** What goes wrong here is told by the slower way, which is taken then. */
function isAtHand(mount: FuseMount, file: number, range: ByteRange, take: (pieces: readonly Uint8Array[]) => void): boolean {
  try {
    return mount.readNow(file, range, take)
  } catch {
    return false
  }
}

/**
 * The mount as the handlers of fuse-native. No handler throws, none answers twice or late, and what is answered is always a
 * number: anything else ends the process, or leaves a program waiting that cannot be killed.
 */
export function nativeOperations(options: NativeOperationsOptions): NativeOperations {
  const { mount } = options
  const handle = options.answers.answer
  return {
    getattr: (path, reply) => handle<NativeStat>('getattr', path, reply, async () => nativeStat(await mount.getattr(path), options)),
    fgetattr: (path, file, reply) =>
      handle<NativeStat>('fgetattr', path, reply, async () => nativeStat(await mount.fgetattr(file), options)),
    readdir: (path, reply) =>
      handle<{ readonly names: readonly string[]; readonly stats: readonly NativeStat[] }>(
        'readdir',
        path,
        (error, listed) => reply(error, listed?.names, listed?.stats),
        async () => {
          const entries = await mount.readdir(path)
          return { names: entries.map(({ name }) => name), stats: entries.map(({ attributes }) => nativeStat(attributes, options)) }
        },
      ),
    open: (path, flags, reply) =>
      handle<number>('open', path, reply, async (answer) => {
        if ((flags & accessMode) !== constants.O_RDONLY) return mount.modify('open for writing', path)
        const file = await mount.open(path)
        // Nobody will hear of the handle any more.
        if (!answer.alive()) await mount.release(file)
        return file
      }),
    read(path, file, buffer, length, position, reply) {
      const range = { start: position, end: position + length }
      // What is in memory needs no promise and no timer: this is most of a reading in order.
      let at = 0
      const take = (pieces: readonly Uint8Array[]): void => {
        for (const piece of pieces) {
          buffer.set(piece, at)
          at += piece.length
        }
      }
      if (isAtHand(mount, file, range, take)) return reply(at)
      handle<number>(
        'read',
        path,
        (error, count) => reply(error === 0 ? (count ?? 0) : error),
        async (answer) => {
          const bytes = await mount.read(file, range)
          if (answer.alive()) buffer.set(bytes)
          return bytes.length
        },
      )
    },
    release: (path, file, reply) =>
      handle<void>(
        'release',
        path,
        (error) => reply(error),
        // A mount that was closed has forgotten its handles already.
        () => mount.release(file).catch((error: unknown) => (isScoreError(error, 'not-open') ? undefined : Promise.reject(error))),
      ),
    statfs: (path, reply) =>
      handle('statfs', path, reply, async () => {
        const { blockSize, blocks, files, maximumNameBytes } = await mount.statfs()
        const bounded = { blocks: Math.min(blocks, largest32), files: Math.min(files, largest32) }
        return { bsize: blockSize, frsize: blockSize, ...bounded, bfree: 0, bavail: 0, ffree: 0, favail: 0, namemax: maximumNameBytes }
      }),
  }
}
