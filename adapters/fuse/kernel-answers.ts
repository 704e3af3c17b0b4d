import type { FileSystemStatus } from '../../src/index.ts'
import type { CacheSeconds } from './cache-seconds.ts'
import type { FileStat } from './file-stat.ts'
import { littleEndian, setWord64, viewOf } from './kernel-words.ts'

/** What we tell the kernel, as `include/uapi/linux/fuse.h` lays it out (protocol 7.23 and later). */

const headerBytes = 16
const attributeBytes = 88
const entryBytes = 40 + attributeBytes
const folderEntryBytes = 24

/** @param error 0 or a negative error number. */
export function encodeHeader(unique: number, error: number, bodyBytes: number): Uint8Array {
  const bytes = new Uint8Array(headerBytes)
  const view = viewOf(bytes)
  view.setUint32(0, headerBytes + bodyBytes, littleEndian)
  view.setInt32(4, error, littleEndian)
  setWord64(view, 8, unique)
  return bytes
}

/**
 * Notifications have no request; their number stands where errors do. FUSE_NOTIFY_RETRIEVE is answered with a request: for
 * a node that the kernel knows, which newer kernels (seen: 6.18) want to be a file.
 */
export function encodeWake(node: number): Uint8Array {
  const retrieve = 5
  const body = new Uint8Array(32)
  setWord64(viewOf(body), 8, node)
  return Buffer.concat([encodeHeader(0, retrieve, body.length), body])
}

export interface Agreement {
  readonly minor: number
  readonly readAheadBytes: number
  readonly flags: number
  readonly maximumBackground: number
  readonly maximumWriteBytes: number
  readonly maximumPages: number
}

export function encodeAgreement(agreement: Agreement): Uint8Array {
  const bytes = new Uint8Array(64)
  const view = viewOf(bytes)
  view.setUint32(0, 7, littleEndian)
  view.setUint32(4, agreement.minor, littleEndian)
  view.setUint32(8, agreement.readAheadBytes, littleEndian)
  view.setUint32(12, agreement.flags, littleEndian)
  view.setUint16(16, agreement.maximumBackground, littleEndian)
  view.setUint16(18, Math.floor((agreement.maximumBackground * 3) / 4), littleEndian)
  view.setUint32(20, agreement.maximumWriteBytes, littleEndian)
  // Times in ns.
  view.setUint32(24, 1, littleEndian)
  view.setUint16(28, agreement.maximumPages, littleEndian)
  return bytes
}

function setAttributes(view: DataView, at: number, stat: FileStat): void {
  const times = [stat.atime, stat.mtime, stat.ctime].map((time) => Math.max(0, time))
  for (const [index, value] of [stat.ino, stat.size, stat.blocks, ...times.map((time) => Math.floor(time / 1000))].entries())
    setWord64(view, at + index * 8, value)
  const nanoseconds = times.map((time) => (Math.floor(time) % 1000) * 1_000_000)
  const device = 0
  for (const [index, value] of [...nanoseconds, stat.mode, stat.nlink, stat.uid, stat.gid, device, stat.blksize].entries())
    view.setUint32(at + 48 + index * 4, value, littleEndian)
}

export function encodeAttributes(stat: FileStat, seconds: number): Uint8Array {
  const bytes = new Uint8Array(16 + attributeBytes)
  const view = viewOf(bytes)
  setWord64(view, 0, seconds)
  setAttributes(view, 16, stat)
  return bytes
}

function setEntry(view: DataView, at: number, node: number, stat: FileStat, seconds: number): void {
  setWord64(view, at, node)
  setWord64(view, at + 16, seconds)
  setWord64(view, at + 24, seconds)
  setAttributes(view, at + 40, stat)
}

export function encodeEntry(node: number, stat: FileStat, { attributes }: CacheSeconds): Uint8Array {
  const bytes = new Uint8Array(entryBytes)
  setEntry(viewOf(bytes), 0, node, stat, attributes)
  return bytes
}

/** That a name is not there, to be kept. */
export function encodeAbsence({ negative }: CacheSeconds): Uint8Array {
  const bytes = new Uint8Array(entryBytes)
  setWord64(viewOf(bytes), 16, negative)
  return bytes
}

/** FOPEN_KEEP_CACHE: what the kernel has of this node's bytes is still right. */
const keepCache = 2

export function encodeOpened(handle: number, kind: 'file' | 'folder'): Uint8Array {
  const bytes = new Uint8Array(16)
  setWord64(viewOf(bytes), 0, handle)
  viewOf(bytes).setUint32(8, kind === 'file' ? keepCache : 0, littleEndian)
  return bytes
}

export function encodeStatus({ blockSize, blocks, files, maximumNameBytes }: FileSystemStatus): Uint8Array {
  const bytes = new Uint8Array(80)
  const view = viewOf(bytes)
  setWord64(view, 0, blocks)
  setWord64(view, 24, files)
  view.setUint32(40, blockSize, littleEndian)
  view.setUint32(44, maximumNameBytes, littleEndian)
  view.setUint32(48, blockSize, littleEndian)
  return bytes
}

/** An entry of a folder that is being listed. */
export interface ListedEntry {
  readonly name: string
  readonly stat: FileStat
}

/**
 * As many entries from `from` on as `size` bytes hold. With `nodeOf` their attributes are told too
 * (READDIRPLUS): it is asked for the node of each that is, 0 for one that the kernel must not keep.
 */
export function encodeListing<Entry extends ListedEntry>(
  entries: readonly Entry[],
  { from, size, seconds, nodeOf }: { from: number; size: number; seconds: number; nodeOf?: (entry: Entry) => number },
): Uint8Array {
  const bytes = Buffer.alloc(size)
  const view = viewOf(bytes)
  const before = nodeOf === undefined ? 0 : entryBytes
  let at = 0
  for (let index = from; index < entries.length; index += 1) {
    const entry = entries[index] as Entry
    const nameBytes = Buffer.byteLength(entry.name)
    const length = Math.ceil((before + folderEntryBytes + nameBytes) / 8) * 8
    if (at + length > size) break
    const node = nodeOf?.(entry) ?? 0
    if (node !== 0) setEntry(view, at, node, entry.stat, seconds)
    const start = at + before
    setWord64(view, start, entry.stat.ino)
    setWord64(view, start + 8, index + 1)
    view.setUint32(start + 16, nameBytes, littleEndian)
    view.setUint32(start + 20, entry.stat.mode >>> 12, littleEndian)
    bytes.write(entry.name, start + folderEntryBytes)
    at += length
  }
  return bytes.subarray(0, at)
}
