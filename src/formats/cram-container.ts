import { crc32 } from 'node:zlib'
import type { CramVersion } from './cram-version.ts'
import { createCramCursor, encodeItf8, itf8Bytes, ltf8Bytes } from './itf8.ts'

/** What stands before the blocks of a container (CRAM 3.1, 7). */
export interface CramContainerHeader {
  /** Bytes of the header itself. */
  readonly size: number
  /** Bytes of the blocks behind it. */
  readonly length: number
  /** -1: reads without a place; -2: of several references. */
  readonly referenceId: number
  /** Place of its reads, zero-based and half-open; means nothing for several references and for reads without a place. */
  readonly start: number
  readonly end: number
  readonly records: number
  readonly blocks: number
  /** Where each slice begins, counted from the first block. */
  readonly landmarks: readonly number[]
}

/** The letters of `EOF`, as the position of the container that ends a file. */
const eofPosition = 0x454f46

/** Whether this is the container that ends a file. */
export function isCramEof({ records, referenceId, start }: CramContainerHeader): boolean {
  return records === 0 && referenceId === -1 && start + 1 === eofPosition
}

/** Bytes of the container header that begins at `at`; `undefined` when `bytes` end before that is known, or before the header does. */
export function containerHeaderBytes(bytes: Uint8Array, at: number, { major }: CramVersion): number | undefined {
  let next = at + 4
  const pass = (widthOf: (first: number) => number): void => {
    next += next < bytes.length ? widthOf(bytes[next] as number) : bytes.length
  }
  for (let field = 0; field < 4; field += 1) pass(itf8Bytes)
  pass(major >= 3 ? ltf8Bytes : itf8Bytes)
  pass(ltf8Bytes)
  pass(itf8Bytes)
  const count = next
  pass(itf8Bytes)
  if (next > bytes.length) return undefined
  const landmarks = createCramCursor(bytes, '', count).itf8()
  for (let left = landmarks; left > 0 && next <= bytes.length; left -= 1) pass(itf8Bytes)
  next += major >= 3 ? 4 : 0
  return next > bytes.length ? undefined : next - at
}

/**
 * Reads the container header that takes all of `bytes`.
 *
 * @param where how messages name it, with its place in the file
 * @throws `invalid-format` when it is damaged, or none: CRAM 3 has its CRC.
 */
export function decodeContainerHeader(bytes: Uint8Array, { major }: CramVersion, where: string): CramContainerHeader {
  const cursor = createCramCursor(bytes, where)
  const length = cursor.int32()
  const [referenceId, start, span, records] = [cursor.itf8(), cursor.itf8(), cursor.itf8(), cursor.itf8()] as const
  if (major >= 3) cursor.ltf8()
  else cursor.itf8()
  cursor.ltf8()
  const blocks = cursor.itf8()
  const landmarks = cursor.array()
  if (major >= 3 && cursor.int32() !== (crc32(bytes.subarray(0, cursor.at() - 4)) | 0))
    throw cursor.broken('no container begins here, or its header is damaged: its CRC-32 does not match')
  const wrong = length < 0 || blocks < 0 || records < 0 || span < 0 || referenceId < -2 || landmarks.some((at) => at < 0 || at > length)
  if (wrong || cursor.at() !== bytes.length) throw cursor.broken('no container begins here, or its header is damaged')
  return { size: bytes.length, length, referenceId, start: start - 1, end: start - 1 + span, records, blocks, landmarks }
}

/** A container header for blocks that hold no records: the SAM header's. */
export function encodeHeaderContainer(blocks: readonly Uint8Array[], { major }: CramVersion): Uint8Array {
  const length = blocks.reduce((sum, block) => sum + block.length, 0)
  const landmarks = [0]
  for (const block of blocks.slice(0, -1)) landmarks.push((landmarks.at(-1) as number) + block.length)
  // Reference, position, span, records, record counter and bases are all 0.
  const fields = [0, 0, 0, 0, 0, 0, ...encodeItf8(blocks.length), ...encodeItf8(landmarks.length), ...landmarks.flatMap(encodeItf8)]
  const header = Buffer.alloc(4 + fields.length + (major >= 3 ? 4 : 0))
  header.writeInt32LE(length)
  header.set(fields, 4)
  if (major >= 3) header.writeUInt32LE(crc32(header.subarray(0, -4)), header.length - 4)
  return Buffer.concat([header, ...blocks])
}
