import { type BamHeader, encodeBamHeader } from './bam-header.ts'
import type { BamRecord } from './bam-record.ts'
import { recordFlags } from './bam-record.ts'
import { encodeBamRecord, readRecordCore } from './bam-record-codec.ts'
import { type BgzfWriterOptions, type ByteSink, createBgzfWriter } from './bgzf-writer.ts'
import type { BinningScheme } from './binning.ts'
import type { BinningIndex } from './binning-index.ts'
import { createIndexBuilder } from './index-builder.ts'

export interface BamWriterOptions extends BgzfWriterOptions {
  readonly header: BamHeader
  /** Scheme of a CSI index, needed for references above 512 Mi bases; absent: a BAI index. */
  readonly csiScheme?: BinningScheme
}

/** What was written. */
export interface WrittenBam {
  /** Bytes of the BAM file. */
  readonly size: number
  readonly records: number
  /** Its index; `encodeBai` or `encodeCsi` makes the file of it. */
  readonly index: BinningIndex
}

/** Writes a coordinate-sorted BAM file (SAMv1 4.2) and builds its index on the way. */
export interface BamWriter {
  /**
   * Appends a record, given as plain data or as its encoded bytes. When it gives a promise, await it before the next call.
   *
   * @throws `invalid-request` when BAM cannot hold the record, or it is not in coordinate order.
   */
  write(record: BamRecord | Uint8Array): Promise<void> | undefined
  /** Writes what is left and the EOF marker. */
  finish(): Promise<WrittenBam>
}

/** @param sink takes the file's bytes in order. */
export function createBamWriter(sink: ByteSink, options: BamWriterOptions): BamWriter {
  const bgzf = createBgzfWriter(sink, options)
  const index = createIndexBuilder(options.header.references.length, options.csiScheme)
  let records = 0
  let opening = bgzf.write(encodeBamHeader(options.header))
  // The header has blocks of its own, so that it can be replaced without touching a record's block.
  bgzf.flush()
  return {
    write(record) {
      const bytes = record instanceof Uint8Array ? record : encodeBamRecord(record)
      const { referenceId, position, end, flags } = readRecordCore(new DataView(bytes.buffer, bytes.byteOffset, bytes.length))
      bgzf.reserve(bytes.length)
      index.add({ referenceId, position, end, mapped: (flags & recordFlags.unmapped) === 0 }, bgzf.position())
      records += 1
      const before = opening
      opening = undefined
      const full = bgzf.write(bytes)
      return before ? Promise.all([before, full]).then(() => undefined) : full
    },
    async finish() {
      bgzf.flush()
      const end = bgzf.position()
      const size = await bgzf.finish()
      return { size, records, index: index.finish(end, bgzf.resolve) }
    },
  }
}
