import { constants } from 'node:fs'
import { type FuseMount, isScoreError } from '../../src/index.ts'
import type { Answers } from './answers.ts'
import { type FileOwnership, fileStat } from './file-stat.ts'
import type { NativeOperations, NativeStat } from './fuse-native-library.ts'
import { readAtHand } from './read-at-hand.ts'

export interface NativeOperationsOptions extends FileOwnership {
  readonly mount: FuseMount
  readonly answers: Answers
}

/** The bits of `open`'s flags that tell reading from writing; the others come and go. */
const accessMode = 0o3
const largest32 = 2 ** 32 - 1

/**
 * The mount as the handlers of fuse-native. No handler throws, none answers twice or late, and what is answered is always a
 * number: anything else ends the process, or leaves a program waiting that cannot be killed.
 */
export function nativeOperations(options: NativeOperationsOptions): NativeOperations {
  const { mount } = options
  const handle = options.answers.answer
  return {
    getattr: (path, reply) => handle<NativeStat>('getattr', path, reply, async () => fileStat(await mount.getattr(path), options)),
    fgetattr: (path, file, reply) => handle<NativeStat>('fgetattr', path, reply, async () => fileStat(await mount.fgetattr(file), options)),
    readdir: (path, reply) =>
      handle<{ readonly names: readonly string[]; readonly stats: readonly NativeStat[] }>(
        'readdir',
        path,
        (error, listed) => reply(error, listed?.names, listed?.stats),
        async () => {
          const entries = await mount.readdir(path)
          return { names: entries.map(({ name }) => name), stats: entries.map(({ attributes }) => fileStat(attributes, options)) }
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
      if (readAtHand(mount, file, range, take)) return reply(at)
      handle<number>(
        'read',
        path,
        (error, count) => reply(error === 0 ? (count ?? 0) : error),
        async (answer) => {
          const bytes = await mount.read(file, range, { into: buffer })
          if (bytes.buffer !== buffer.buffer && answer.alive()) buffer.set(bytes)
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
