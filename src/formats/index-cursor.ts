import { ScoreError } from '../core/errors.ts'
import type { Chunk } from './chunk.ts'
import { readVirtualOffset, type VirtualOffset } from './virtual-offset.ts'

/** Reads an index file's fields one after the other; each read checks that the bytes are there. */
export interface IndexCursor {
  /** Bytes read so far. */
  readonly at: number
  /** Bytes not yet read. */
  readonly rest: number
  uint32(what: string): number
  /** A count of items that take at least `itemBytes` each: a false count fails here and not by filling memory. */
  count(what: string, itemBytes: number): number
  /** A 64-bit number of records. */
  records(what: string): number
  offset(what: string): VirtualOffset
  chunks(): Chunk[]
  skip(bytes: number): void
  /** @returns the error of a file that breaks the rules at this place. */
  broken(rule: string): ScoreError<'invalid-format'>
}

/** @param name how messages name the file. @throws `invalid-format` from every read behind the end of the file. */
export function createIndexCursor(bytes: Uint8Array, start: number, name: string): IndexCursor {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = start
  const broken = (rule: string): ScoreError<'invalid-format'> =>
    new ScoreError('invalid-format', `${name}: ${rule} (byte ${at}); make the index anew`)
  const advance = (what: string, length: number): number => {
    if (bytes.length - at < length) throw broken(`cut off at its ${what}`)
    at += length
    return at - length
  }
  const offset = (what: string): VirtualOffset => readVirtualOffset(view, advance(what, 8))
  const count = (what: string, itemBytes: number): number => {
    const value = view.getInt32(advance(what, 4), true)
    if (value < 0 || value * itemBytes > bytes.length - at)
      throw broken(`says ${value} for its ${what}, more than its ${bytes.length} bytes hold`)
    return value
  }
  return {
    get at() {
      return at
    },
    get rest() {
      return bytes.length - at
    },
    uint32: (what) => view.getUint32(advance(what, 4), true),
    count,
    records: (what) => Number(view.getBigUint64(advance(what, 8), true)),
    offset,
    chunks: () => Array.from({ length: count('number of chunks', 16) }, () => ({ start: offset('chunk'), end: offset('chunk') })),
    skip: (length) => void advance('extra data', length),
    broken,
  }
}
