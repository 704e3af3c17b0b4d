import type { CramVersion } from './cram-version.ts'
import { createCramCursor } from './itf8.ts'

/** What stands before the blocks of a slice (CRAM 3.1, 8.5). */
export interface CramSliceHeader {
  /** -1: reads without a place; -2: each record names its own. */
  readonly referenceId: number
  /** Zero-based, half-open. */
  readonly start: number
  readonly end: number
  readonly records: number
  /** Records of the file before it. */
  readonly recordCounter: number
  /** Blocks behind the header. */
  readonly blocks: number
  /** Id of the external block that holds the bases of the reference; -1 when there is none. */
  readonly referenceBlock: number
  /** MD5 of the reference's bases under the slice, in hexadecimal; absent where none was written. */
  readonly referenceMd5?: string
}

/** @throws `invalid-format` when it is damaged. */
export function parseCramSliceHeader(bytes: Uint8Array, { major }: CramVersion, where: string): CramSliceHeader {
  const cursor = createCramCursor(bytes, `${where}: slice header`)
  const [referenceId, start, span, records] = [cursor.itf8(), cursor.itf8(), cursor.itf8(), cursor.itf8()] as const
  const recordCounter = major >= 3 ? cursor.ltf8() : cursor.itf8()
  const blocks = cursor.itf8()
  cursor.array()
  const referenceBlock = cursor.itf8()
  const md5 = Buffer.from(cursor.take(16)).toString('hex')
  if (referenceId < -2 || records < 0 || span < 0 || blocks < 1) throw cursor.broken('its numbers are impossible')
  return {
    referenceId,
    start: start - 1,
    end: start - 1 + span,
    records,
    recordCounter,
    blocks,
    referenceBlock,
    ...(/[^0]/.test(md5) && { referenceMd5: md5 }),
  }
}
