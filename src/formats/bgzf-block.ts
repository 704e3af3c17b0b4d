import { promisify } from 'node:util'
import { constants, crc32, deflateRaw, gunzip, inflateRawSync } from 'node:zlib'
import { ScoreError } from '../core/errors.ts'
import { createKernelInstance, inputSlackBytes, type KernelInstance, outputSlackBytes } from './kernel-instance.ts'

/** Most bytes a block may have, compressed with its frame, and also inflated (SAMv1 4.1). */
export const maximumBlockBytes = 65_536
/** Bytes we put into one block, as htslib does: zlib never makes more than 25 bytes more of them, so the frame always fits. */
export const blockPayloadBytes = 0xff00
/** The empty block that ends a whole BGZF file (SAMv1 4.1.2). */
export const eofMarker: Uint8Array = Uint8Array.from(Buffer.from('1f8b08040000000000ff0600424302001b0003000000000000000000', 'hex'))

const headerBytes = 18
const footerBytes = 8
const deflate = promisify<Uint8Array, object, Buffer>(deflateRaw)
const inflateMembers = promisify<Uint8Array, object, Buffer>(gunzip)

/** One inflated block and where it was. */
export interface BgzfBlock {
  /** First byte in the compressed file. */
  readonly offset: number
  /** Compressed bytes, frame included. */
  readonly size: number
  /** Inflated bytes, at most 65536. */
  readonly data: Uint8Array
}

/** A block's place inside a piece of compressed bytes. */
export interface BlockFrame {
  readonly start: number
  readonly end: number
  /** Where its deflate data begin. */
  readonly dataStart: number
}

/** The error of a BGZF file that breaks the rules; `offset` is where the offending block begins. */
export function blockError(name: string, offset: number, what: string, options?: ErrorOptions): ScoreError<'invalid-format'> {
  return new ScoreError('invalid-format', `${name}: BGZF block at byte ${offset}: ${what}`, options)
}

/**
 * Reads the frame of the block that begins at `start`: gzip header with the `BC` extra subfield (SAMv1 4.1).
 *
 * @param fileOffset place of `bytes[0]` in the file, for messages.
 * @returns `undefined` when `bytes` end before the frame's size is known, or before the block's own end.
 * @throws `invalid-format` when no BGZF block begins there.
 */
export function frameBlock(bytes: Uint8Array, start: number, fileOffset: number, name: string): BlockFrame | undefined {
  if (bytes.length - start < 12) return undefined
  if (bytes[start] !== 0x1f || bytes[start + 1] !== 0x8b || bytes[start + 2] !== 8 || ((bytes[start + 3] as number) & 4) === 0)
    throw blockError(
      name,
      fileOffset + start,
      'no block begins here (wrong magic bytes); the file is damaged, is not BGZF, or its index is of another file',
    )
  const dataStart = start + 12 + (bytes[start + 10] as number) + (bytes[start + 11] as number) * 256
  if (bytes.length < dataStart) return undefined
  const size = blockSize(bytes, start + 12, dataStart)
  if (size === undefined || size < dataStart - start + footerBytes)
    throw blockError(name, fileOffset + start, 'its header has no valid BC field; a plain gzip file must be made anew with bgzip')
  return bytes.length < start + size ? undefined : { start, end: start + size, dataStart }
}

function blockSize(bytes: Uint8Array, from: number, until: number): number | undefined {
  for (let at = from; at + 4 <= until; ) {
    const length = (bytes[at + 2] as number) + (bytes[at + 3] as number) * 256
    if (bytes[at] === 0x42 && bytes[at + 1] === 0x43 && length === 2 && at + 6 <= until)
      return (bytes[at + 4] as number) + (bytes[at + 5] as number) * 256 + 1
    at += 4 + length
  }
  return undefined
}

/** Inflated size that a whole block claims in its footer. @throws `invalid-format` above 64 KiB. */
export function claimedSize(bytes: Uint8Array, frame: BlockFrame, fileOffset: number, name: string): number {
  const size = new DataView(bytes.buffer, bytes.byteOffset).getUint32(frame.end - 4, true)
  if (size > maximumBlockBytes)
    throw blockError(name, fileOffset + frame.start, `it claims ${size} inflated bytes; a block holds at most ${maximumBlockBytes}`)
  return size
}

/** Why a block does not inflate, in zlib's words. */
function zlibFailure(deflated: Uint8Array): { readonly cause?: unknown; readonly length?: number } {
  try {
    return { length: inflateRawSync(deflated, { maxOutputLength: maximumBlockBytes }).length }
  } catch (cause) {
    return { cause }
  }
}

/** Memory in a kernel that {@link inflateInto} needs, but for what it gives. */
export const packedRoomBytes = maximumBlockBytes + inputSlackBytes

/**
 * Inflates one block on this thread to `at` of a kernel's memory, size and CRC checked.
 *
 * @param room where {@link packedRoomBytes} may be used
 * @returns the inflated bytes, valid until that memory is used again; up to `outputSlackBytes` behind them are overwritten too.
 * @throws `invalid-format` naming the block's place in the file.
 */
export function inflateInto(
  kernel: KernelInstance,
  room: number,
  at: number,
  bytes: Uint8Array,
  frame: BlockFrame,
  fileOffset: number,
  name: string,
): Buffer {
  const offset = fileOffset + frame.start
  const expected = claimedSize(bytes, frame, fileOffset, name)
  const deflated = bytes.subarray(frame.dataStart, frame.end - footerBytes)
  kernel.bytes.set(deflated, room)
  const end = kernel.inflate(room, room + deflated.length, at, at + expected)
  if (end !== at + expected) {
    const { cause, length = end > 0 ? end - at : 0 } = zlibFailure(deflated)
    if (!cause) throw blockError(name, offset, `inflates to ${length} bytes, its footer says ${expected}`)
    throw blockError(name, offset, `its data do not inflate (${cause instanceof Error ? cause.message : String(cause)})`, { cause })
  }
  const data = kernel.bytes.subarray(at, end)
  const sum = new DataView(bytes.buffer, bytes.byteOffset).getUint32(frame.end - footerBytes, true)
  if (crc32(data) !== sum) throw blockError(name, offset, 'its CRC-32 does not match its data')
  return data
}

let shared: KernelInstance | undefined

/** Inflates one block on this thread, size and CRC checked. @throws `invalid-format` naming the block's place in the file. */
export function inflateBlock(bytes: Uint8Array, frame: BlockFrame, fileOffset: number, name: string): BgzfBlock {
  shared ??= createKernelInstance(packedRoomBytes + maximumBlockBytes + outputSlackBytes)
  const data = inflateInto(shared, shared.free, shared.free + packedRoomBytes, bytes, frame, fileOffset, name)
  const own = Buffer.allocUnsafeSlow(data.length)
  data.copy(own)
  return { offset: fileOffset + frame.start, size: frame.end - frame.start, data: own }
}

/**
 * Inflates neighbouring blocks in one go off this thread: to zlib they are members of one gzip file, and it checks each
 * CRC and size itself. About twice as fast as block by block.
 *
 * @throws `invalid-format` naming the first block that is bad.
 */
export async function inflateRun(bytes: Uint8Array, frames: readonly BlockFrame[], fileOffset: number, name: string): Promise<BgzfBlock[]> {
  const first = frames[0]
  const last = frames.at(-1)
  if (!first || !last) return []
  const sizes = frames.map((frame) => claimedSize(bytes, frame, fileOffset, name))
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const all = await inflateMembers(bytes.subarray(first.start, last.end), {
    // With nothing left over, Node would ask zlib once more, with another array of that size.
    chunkSize: total + 64,
    maxOutputLength: total + 64,
  }).catch(() => undefined)
  // zlib tells neither which member was bad nor that it stopped early at bytes that are no gzip header.
  if (all?.length !== total) return frames.map((frame) => inflateBlock(bytes, frame, fileOffset, name))
  let at = 0
  return frames.map((frame, index) => {
    const data = all.subarray(at, at + (sizes[index] as number))
    at += data.length
    return { offset: fileOffset + frame.start, size: frame.end - frame.start, data }
  })
}

/** How a block is deflated. One setting and one build of zlib give the same bytes every time. */
export interface Compression {
  /** 0 (stored) to 9; default 6. */
  readonly level?: number
  /** `huffman-only` looks for no repeats: on aligned reads about 2.5 times faster than level 1, and 1.7 times as large. */
  readonly strategy?: 'default' | 'huffman-only'
}

/** One BGZF block of at most {@link blockPayloadBytes} bytes, deflated off this thread. */
export async function deflateBlock(payload: Uint8Array, { level = 6, strategy = 'default' }: Compression): Promise<Uint8Array> {
  const sum = crc32(payload)
  const data = await deflate(payload, {
    level,
    strategy: strategy === 'default' ? constants.Z_DEFAULT_STRATEGY : constants.Z_HUFFMAN_ONLY,
    chunkSize: maximumBlockBytes,
  })
  const block = new Uint8Array(headerBytes + data.length + footerBytes)
  block.set(eofMarker.subarray(0, headerBytes))
  block.set(data, headerBytes)
  const view = new DataView(block.buffer)
  view.setUint16(16, block.length - 1, true)
  view.setUint32(block.length - 8, sum, true)
  view.setUint32(block.length - 4, payload.length, true)
  return block
}
