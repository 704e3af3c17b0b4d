import { crc32 } from 'node:zlib'
import { ScoreError } from '../core/errors.ts'
import type { CramVersion } from './cram-version.ts'
import { createCramCursor, encodeItf8, itf8Bytes } from './itf8.ts'

/** How a block is compressed, in the order of the numbers for it (CRAM 3.1, 8.1). */
export const cramBlockMethods = ['raw', 'gzip', 'bzip2', 'lzma', 'rans4x8', 'ransNx16', 'arithmetic', 'fqzcomp', 'tok3'] as const
export type CramBlockMethod = (typeof cramBlockMethods)[number]

/** What a block holds, in the order of the numbers for it (CRAM 3.1, 8.1). */
export const cramBlockContents = ['file-header', 'compression-header', 'slice-header', 'reserved', 'external', 'core'] as const
export type CramBlockContent = (typeof cramBlockContents)[number]

export interface CramBlock {
  readonly method: CramBlockMethod
  readonly content: CramBlockContent
  /** Number by which encodings name an external block. */
  readonly id: number
  /** Its data as they lie in the file. */
  readonly data: Uint8Array
  /** Bytes once inflated. */
  readonly inflatedSize: number
  /** The whole block, with header and CRC. */
  readonly bytes: Uint8Array
}

/** Sizes of the block that begins at `at`. */
export interface CramBlockSizes {
  readonly header: number
  readonly data: number
  /** Of its CRC; 0 before CRAM 3. */
  readonly footer: number
}

/** `undefined` when `bytes` end before the block's header does. */
export function cramBlockSizes(bytes: Uint8Array, at: number, { major }: CramVersion, where: string): CramBlockSizes | undefined {
  let next = at + 2
  let size = next
  for (let field = 0; field < 3; field += 1) {
    if (field === 1) size = next
    if (next >= bytes.length) return undefined
    next += itf8Bytes(bytes[next] as number)
  }
  if (next > bytes.length) return undefined
  const data = createCramCursor(bytes, where, size).itf8()
  if (data < 0) throw new ScoreError('invalid-format', `${where}: a block claims ${data} bytes`)
  return { header: next - at, data, footer: major >= 3 ? 4 : 0 }
}

/**
 * Reads the block that begins at `at`, with its CRC checked (CRAM 3).
 *
 * @param where how messages name the bytes
 * @throws `invalid-format` when it is damaged or cut off.
 */
export function decodeCramBlock(bytes: Uint8Array, at: number, version: CramVersion, where: string): CramBlock {
  const broken = (what: string): ScoreError<'invalid-format'> =>
    new ScoreError('invalid-format', `${where}, block at its byte ${at}: ${what}`)
  const sizes = cramBlockSizes(bytes, at, version, where)
  const end = sizes && at + sizes.header + sizes.data + sizes.footer
  if (!sizes || !end || end > bytes.length) throw broken('it is cut off')
  const checked = bytes.subarray(at, end - sizes.footer)
  if (sizes.footer > 0 && new DataView(bytes.buffer, bytes.byteOffset).getUint32(end - 4, true) !== crc32(checked))
    throw broken('its CRC-32 does not match its data')
  const method = cramBlockMethods[bytes[at] as number]
  const content = cramBlockContents[bytes[at + 1] as number]
  if (!method || !content) throw broken(`its method ${bytes[at]} or content ${bytes[at + 1]} is not known to CRAM 3.1`)
  const cursor = createCramCursor(bytes, where, at + 2)
  const [id, , inflatedSize] = [cursor.itf8(), cursor.itf8(), cursor.itf8()] as const
  const data = bytes.subarray(at + sizes.header, at + sizes.header + sizes.data)
  if (inflatedSize < 0 || (method === 'raw' && inflatedSize !== data.length))
    throw broken(`its sizes ${data.length} and ${inflatedSize} do not fit`)
  return { method, content, id, data, inflatedSize, bytes: bytes.subarray(at, end) }
}

/** @param data as `method` says; `inflatedSize` bytes once inflated */
export function encodeCramBlock(block: Omit<CramBlock, 'bytes'>, { major }: CramVersion): Uint8Array {
  const { method, content, id, data, inflatedSize } = block
  const header = [
    cramBlockMethods.indexOf(method),
    cramBlockContents.indexOf(content),
    ...[id, data.length, inflatedSize].flatMap(encodeItf8),
  ]
  const bytes = Buffer.alloc(header.length + data.length + (major >= 3 ? 4 : 0))
  bytes.set(header)
  bytes.set(data, header.length)
  if (major >= 3) bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), bytes.length - 4)
  return bytes
}
