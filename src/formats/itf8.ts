import { ScoreError } from '../core/errors.ts'

/** Reads the integers of CRAM, one behind the other, from bytes that are all there. */
export interface CramCursor {
  readonly bytes: Uint8Array
  /** Where the next value begins. */
  at(): number
  byte(): number
  /** A signed 32-bit integer, little-endian. */
  int32(): number
  /** A signed 32-bit integer of 1 to 5 bytes (CRAM 3.1, 2.3). */
  itf8(): number
  /** A signed 64-bit integer of 1 to 9 bytes; whole up to 2^53. */
  ltf8(): number
  /** The next `length` bytes, as a view. */
  take(length: number): Uint8Array
  /** ITF-8 values, behind their number. */
  array(): number[]
  /** An error that names the input and the place. */
  broken(what: string): ScoreError<'invalid-format'>
}

/** @param where how messages name these bytes, such as `x.cram: container at byte 26` */
export function createCramCursor(bytes: Uint8Array, where: string, start = 0): CramCursor {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = start
  const broken = (what: string): ScoreError<'invalid-format'> => new ScoreError('invalid-format', `${where}: ${what}`)
  const need = (count: number): number => {
    const from = at
    if (count < 0 || from + count > bytes.length) throw broken(`it ends after ${bytes.length} bytes, in the middle of a value`)
    at += count
    return from
  }
  const byte = (): number => bytes[need(1)] as number
  const itf8 = (): number => {
    const first = byte()
    if (first < 0x80) return first
    if (first < 0xc0) return ((first & 0x3f) << 8) | byte()
    if (first < 0xe0) return ((first & 0x1f) << 16) | (byte() << 8) | byte()
    if (first < 0xf0) return ((first & 0x0f) << 24) | (byte() << 16) | (byte() << 8) | byte()
    return ((first & 0x0f) << 28) | (byte() << 20) | (byte() << 12) | (byte() << 4) | (byte() & 0x0f)
  }
  return {
    bytes,
    at: () => at,
    byte,
    int32: () => view.getInt32(need(4), true),
    itf8,
    ltf8() {
      const first = byte()
      const more = Math.clz32(~(first << 24))
      let value = more >= 7 ? 0n : BigInt(first & (0x7f >> more))
      for (let left = more; left > 0; left -= 1) value = (value << 8n) | BigInt(byte())
      return Number(BigInt.asIntN(64, value))
    },
    take(length) {
      const from = need(length)
      return bytes.subarray(from, from + length)
    },
    array() {
      const length = itf8()
      if (length < 0 || length > bytes.length - at) throw broken(`a list claims ${length} entries`)
      return Array.from({ length }, itf8)
    },
    broken,
  }
}

/** Bytes that an ITF-8 value takes, told by its first byte. */
export function itf8Bytes(first: number): number {
  return Math.min(5, 1 + Math.clz32(~(first << 24)))
}

/** Bytes that an LTF-8 value takes, told by its first byte. */
export function ltf8Bytes(first: number): number {
  return Math.min(9, 1 + Math.clz32(~(first << 24)))
}

/** A signed 32-bit integer in 1 to 5 bytes. */
export function encodeItf8(value: number): number[] {
  const bits = value >>> 0
  if (bits < 0x80) return [bits]
  if (bits < 0x4000) return [0x80 | (bits >>> 8), bits & 0xff]
  if (bits < 0x20_0000) return [0xc0 | (bits >>> 16), (bits >>> 8) & 0xff, bits & 0xff]
  if (bits < 0x1000_0000) return [0xe0 | (bits >>> 24), (bits >>> 16) & 0xff, (bits >>> 8) & 0xff, bits & 0xff]
  return [0xf0 | (bits >>> 28), (bits >>> 20) & 0xff, (bits >>> 12) & 0xff, (bits >>> 4) & 0xff, bits & 0x0f]
}
