import { constants } from 'node:fs'
import { type FileHandle, open, utimes } from 'node:fs/promises'
import { crc32 } from 'node:zlib'

/** Pages of one object's stretch in one file: a head that names it, a table of checksums, and the pages in their places. */
export interface DiskSegment {
  /** How many pages from a place on are here, up to `most`. */
  held(place: number, most: number): number
  /** Neighbouring pages that are {@link DiskSegment.held}. @returns `undefined` when what is there is damaged */
  read(place: number, count: number): Promise<Uint8Array | undefined>
  /** Bytes last, checksum after them: what is cut off in between is no page. */
  write(place: number, page: Uint8Array): Promise<void>
  close(): Promise<void>
}

export const segmentPages = 256
export const segmentPageBytes = 64 * 1024

const headBytes = 4096
const entryBytes = 16
/** Before the pages: what a file takes besides them. */
export const segmentHeadBytes = headBytes + segmentPages * entryBytes
const mark = 0x53434f52
/** A file's time tells when it was used last, to the minute. */
const touchEveryMs = 60_000

/** A checksum for the entry itself, with whose page it is: an entry of another file, or half of one, is none. */
function encodeEntry(key: string, place: number, page: Uint8Array): Buffer {
  const entry = Buffer.alloc(entryBytes)
  entry.writeUInt32LE(mark, 0)
  entry.writeUInt32LE(page.length, 4)
  entry.writeUInt32LE(crc32(page), 8)
  entry.writeUInt32LE(crc32(`${key} ${place}`, crc32(entry.subarray(0, 12))), 12)
  return entry
}

interface Entry {
  readonly length: number
  readonly checksum: number
}

function decodeEntry(key: string, place: number, table: Buffer): Entry | undefined {
  const entry = table.subarray(place * entryBytes, (place + 1) * entryBytes)
  if (entry.readUInt32LE(0) !== mark || entry.readUInt32LE(12) !== crc32(`${key} ${place}`, crc32(entry.subarray(0, 12)))) return undefined
  return { length: entry.readUInt32LE(4), checksum: entry.readUInt32LE(8) }
}

async function prepareHead(file: FileHandle, key: string): Promise<Buffer> {
  const head = Buffer.alloc(headBytes)
  head.write(`score pages 1\n${key}\n`)
  const table = Buffer.alloc(segmentHeadBytes)
  const { bytesRead } = await file.read(table, 0, segmentHeadBytes, 0)
  if (bytesRead >= headBytes && table.subarray(0, headBytes).equals(head)) return table.subarray(headBytes)
  // New, or of something else: nothing of it is believed.
  await file.truncate(0)
  await file.write(head, 0, headBytes, 0)
  return Buffer.alloc(segmentPages * entryBytes)
}

/** Opens the file of a segment; @returns `undefined` where there is none and none is to be made. */
export async function openDiskSegment(
  path: string,
  key: string,
  { create, now }: { readonly create: boolean; readonly now: () => number },
): Promise<DiskSegment | undefined> {
  const flags = constants.O_RDWR | (create ? constants.O_CREAT : 0)
  const file = await open(path, flags, 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' && !create) return undefined
    throw error
  })
  if (!file) return undefined
  const entries: (Entry | undefined)[] = []
  try {
    const table = await prepareHead(file, key)
    for (let place = 0; place < segmentPages; place += 1) entries.push(decodeEntry(key, place, table))
  } catch (error) {
    await file.close()
    throw error
  }
  let touchedAt = 0
  const touch = async (): Promise<void> => {
    if (now() - touchedAt < touchEveryMs) return
    touchedAt = now()
    await utimes(path, new Date(touchedAt), new Date(touchedAt)).catch(() => undefined)
  }
  return {
    held(place, most) {
      let count = 0
      while (count < most && entries[place + count] !== undefined) count += 1
      return count
    },
    async read(place, count) {
      const wanted = entries.slice(place, place + count)
      const length = wanted.reduce((sum, entry) => sum + (entry?.length ?? 0), 0)
      const bytes = Buffer.allocUnsafe(length)
      const { bytesRead } = await file.read(bytes, 0, length, segmentHeadBytes + place * segmentPageBytes)
      let at = 0
      for (const entry of wanted) {
        if (!entry || at + entry.length > bytesRead || crc32(bytes.subarray(at, at + entry.length)) !== entry.checksum) return undefined
        at += entry.length
      }
      await touch()
      return bytes
    },
    async write(place, page) {
      await file.write(page, 0, page.length, segmentHeadBytes + place * segmentPageBytes)
      const entry = encodeEntry(key, place, page)
      await file.write(entry, 0, entryBytes, headBytes + place * entryBytes)
      entries[place] = { length: page.length, checksum: entry.readUInt32LE(8) }
    },
    close: () => file.close(),
  }
}
