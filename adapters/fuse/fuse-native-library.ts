import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { ScoreError } from '../../src/index.ts'
import type { FileStat } from './file-stat.ts'

/** What `stat` gives the library; times in ms since 1970. */
export type NativeStat = FileStat

export interface NativeStatfs {
  readonly bsize: number
  readonly frsize: number
  readonly blocks: number
  readonly bfree: number
  readonly bavail: number
  readonly files: number
  readonly ffree: number
  readonly favail: number
  readonly namemax: number
}

/** Errors are negative numbers, or 0. */
export interface NativeOperations {
  getattr(path: string, done: (error: number, stat?: NativeStat) => void): void
  /** By handle; see {@link NativeMount._op_fgetattr}. */
  fgetattr(path: string, handle: number, done: (error: number, stat?: NativeStat) => void): void
  readdir(path: string, done: (error: number, names?: readonly string[], stats?: readonly NativeStat[]) => void): void
  open(path: string, flags: number, done: (error: number, handle?: number) => void): void
  /** `buffer` belongs to a thread of the library, and only until `done`. */
  read(path: string, handle: number, buffer: Uint8Array, length: number, position: number, done: (result: number) => void): void
  release(path: string, handle: number, done: (error: number) => void): void
  statfs(path: string, done: (error: number, status?: NativeStatfs) => void): void
}

/** How the library's C part asks for a read; the position comes in two halves. `thread` is who asks, and is told by it. */
export type NativeRead = (
  thread: Uint8Array,
  operation: number,
  path: string,
  handle: number,
  buffer: Uint8Array,
  length: number,
  positionLow: number,
  positionHigh: number,
) => void

/** The library's C part, as far as we speak to it ourselves. */
export interface NativeBinding {
  readonly op_read: number
  /** Lets the thread go on, and takes its memory from us. Once for each read: a second one would answer a later one. */
  fuse_native_signal_read(thread: Uint8Array, result: number, count: number, memory: ArrayBufferLike): void
}

/** A mount of the library, which serves once. */
export interface NativeMount {
  /** By operation. The one of reads is replaced by ours: the library's own has a timer and seven closures for each. */
  readonly _handlers: (NativeRead | undefined)[]
  /** Replaced by ours: the library's own knows too few options. */
  _fuseOptions: () => string
  /** Replaced by ours: the library's own asks `getattr` by path, where an open file may be gone from the tree. */
  _op_fgetattr: (signal: (error: number, stat?: Uint32Array) => void, path: string, handle: number) => void
  mount(done: (error?: Error | null) => void): void
  unmount(done: (error?: Error | null) => void): void
}

/** fuse-native 2.2.6, as far as we use it. */
export interface FuseNativeLibrary {
  new (mountPoint: string, operations: NativeOperations, options: { readonly timeout: number }): NativeMount
  /** Replaced by ours: the library's own hands the path to a shell. */
  unmount: (mountPoint: string, done: (error?: Error | null) => void) => void
  /** Put there by us: the library keeps it to itself. */
  binding: NativeBinding
}

/** Whoever answers must answer once and in time; see {@link NativeOperations}. */
export function nativeRead({ fuse_native_signal_read: signal }: NativeBinding, { read }: Pick<NativeOperations, 'read'>): NativeRead {
  return (thread, _, path, handle, buffer, length, low, high) =>
    read(path, handle, buffer, length, high * 2 ** 32 + low, (result) => signal(thread, result, 0, buffer.buffer))
}

/** A `stat` as the library's C part reads it: numbers above 2^32 in two halves. */
export function encodeNativeStat(stat: NativeStat): Uint32Array {
  const halves = (value: number): readonly [number, number] => [value % 2 ** 32, Math.floor(value / 2 ** 32)]
  const { mode, uid, gid, size, nlink, ino, blksize, blocks, atime, mtime, ctime } = stat
  const [device, rawDevice] = [0, 0]
  const times = [atime, mtime, ctime].flatMap((time) => halves(Math.max(0, time)))
  return Uint32Array.of(mode, uid, gid, ...halves(size), device, nlink, ino, rawDevice, blksize, ...halves(blocks), ...times)
}

/** glibc's RTLD_NODELETE, which Node does not name: without it the library is gone again when `dlopen` fails. */
const keepMapped = 0x1000

const wayOut =
  'Install it again with its prebuilt parts: FUSE_NATIVE=1 npm install fuse-native@2.2.6 (or npm install --ignore-scripts). It exists for Linux on x64 with glibc'

function load(require: NodeJS.Require): unknown {
  try {
    return require('fuse-native')
  } catch (error) {
    if (process.platform !== 'linux' || !/libfuse\.so\.2/.test(String(error))) throw error
  }
  // The package brings libfuse 2 and does not find it; once it is in the process, the name resolves to it.
  const library = join(dirname(require.resolve('fuse-native/package.json')), 'prebuilds', `linux-${process.arch}`, 'libfuse.so')
  const { RTLD_NOW, RTLD_GLOBAL } = constants.dlopen
  try {
    process.dlopen({ exports: {} }, library, RTLD_NOW | RTLD_GLOBAL | keepMapped)
  } catch {
    // "Module did not self-register": it is no addon. If it was not mapped either, the next line says so.
  }
  return require('fuse-native')
}

let loaded: FuseNativeLibrary | undefined

/**
 * Loads fuse-native, also where the distribution has no libfuse 2, and takes the shell out of its unmounting.
 *
 * @throws `invalid-configuration` with the way out, where it is not installed or has no build for this machine.
 */
export function loadFuseNative(require: NodeJS.Require = createRequire(import.meta.url)): FuseNativeLibrary {
  if (loaded) return loaded
  try {
    const library = load(require) as FuseNativeLibrary
    const folder = dirname(require.resolve('fuse-native/package.json'))
    library.binding = createRequire(join(folder, 'package.json'))('node-gyp-build')(folder)
    library.unmount = (_, done) => process.nextTick(done, null)
    loaded = library
    return library
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    const what =
      code === 'MODULE_NOT_FOUND' ? 'the package fuse-native is not installed' : `fuse-native cannot be loaded (${String(error)})`
    throw new ScoreError('invalid-configuration', `${what}. ${wayOut}`, { cause: error })
  }
}
