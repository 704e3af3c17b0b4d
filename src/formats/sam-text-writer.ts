import type { BamHeader } from './bam-header.ts'
import { decodeBamRecord } from './bam-record-codec.ts'
import { mostLineBytes, writeSamLine } from './sam-line.ts'
import { formatSamRecord } from './sam-text.ts'

/** Gathers the lines of records as SAM text. */
export interface SamTextWriter {
  /** Bytes gathered. */
  readonly length: number
  /**
   * Adds the line of the record in `[from, to)` of `record`, its length field first.
   *
   * @param where how a message names the place of the record
   * @throws `invalid-format` when its parts do not fit its length.
   */
  add(record: DataView, from: number, to: number, where?: () => string): void
  /** What was gathered; it is the caller's now, and the writer begins anew. */
  take(): Uint8Array
}

/** @param textBytes that will be gathered, but for the last line */
export function createSamTextWriter(header: Pick<BamHeader, 'references'>, textBytes: number): SamTextWriter {
  const names = header.references.map(({ name }) => Buffer.from(name))
  const longestName = names.reduce((most, { length }) => Math.max(most, length), 1)
  // A name's bytes, one a character, as the line of a record that is not plain is written so.
  const references = names.map((name, id) => ({ name: name.toString('latin1'), length: header.references[id]?.length ?? 0 }))
  const leastBytes = textBytes + 32 * 1024
  let bytes: Buffer = Buffer.alloc(0)
  let view = new DataView(bytes.buffer)
  let used = 0

  const makeRoom = (room: number): void => {
    if (used + room <= bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(leastBytes, used === 0 ? room : (used + room) * 2))
    bytes.copy(larger, 0, 0, used)
    bytes = larger
    view = new DataView(larger.buffer, larger.byteOffset, larger.length)
  }

  return {
    get length() {
      return used
    },
    add(record, from, to, where) {
      makeRoom(mostLineBytes(to - from, longestName))
      const end = writeSamLine(record, from, to, names, view, used)
      if (end >= 0) {
        used = end
        return
      }
      const decoded = decodeBamRecord(new Uint8Array(record.buffer, record.byteOffset + from, to - from), where?.())
      const line = `${formatSamRecord(decoded, { references })}\n`
      makeRoom(line.length)
      used += bytes.write(line, used, 'latin1')
    },
    take() {
      const text = bytes.subarray(0, used)
      bytes = Buffer.alloc(0)
      view = new DataView(bytes.buffer, bytes.byteOffset, 0)
      used = 0
      return text
    },
  }
}
