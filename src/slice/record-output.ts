import type { CallOptions } from '../core/call-options.ts'
import { type BamHeader, encodeBamHeader } from '../formats/bam-header.ts'
import { recordFlags } from '../formats/bam-record.ts'
import type { RecordCore } from '../formats/bam-record-codec.ts'
import { createBgzfWriter } from '../formats/bgzf-writer.ts'
import { addressableBases, baiScheme } from '../formats/binning.ts'
import type { BinningIndex } from '../formats/binning-index.ts'
import { csiSchemeFor } from '../formats/csi.ts'
import { createIndexBuilder } from '../formats/index-builder.ts'
import { createSamTextWriter } from '../formats/sam-text-writer.ts'
import type { SlicedRecord } from './bam-slicer.ts'

export interface BamOutputOptions extends CallOptions {
  readonly header: BamHeader
  /** 0 to 9. */
  readonly level: number
  /** Told once the last byte was made; never for records that are out of order. */
  readonly onIndex: (index: BinningIndex) => void
}

/** Records as SAM text, behind their header. */
export async function* recordsAsSam(batches: AsyncIterable<readonly SlicedRecord[]>, header: BamHeader): AsyncGenerator<Uint8Array> {
  if (header.text !== '') yield Buffer.from(header.text)
  const made: Uint8Array[] = []
  const text = createSamTextWriter({ header, onText: (piece) => void made.push(piece) })
  for await (const batch of batches) {
    for (const { bytes } of batch) text.add(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, bytes.length)
    yield* made.splice(0)
  }
  text.flush()
  yield* made
}

/** Whether a record may follow another in a file sorted by coordinate: those without a place come last. */
function follows(next: RecordCore, last: RecordCore | undefined): boolean {
  if (!last) return true
  const [a, b] = [last.referenceId >>> 0, next.referenceId >>> 0]
  return a < b || (a === b && (next.referenceId < 0 || last.position <= next.position))
}

/** Records as a BAM file, with its index when they are in order. */
export async function* recordsAsBam(
  batches: AsyncIterable<readonly SlicedRecord[]>,
  options: BamOutputOptions,
): AsyncGenerator<Uint8Array> {
  const { header, level, onIndex, signal } = options
  const longest = header.references.reduce((most, { length }) => Math.max(most, length), 0)
  const made: Uint8Array[] = []
  const writer = createBgzfWriter((bytes) => void made.push(bytes), { level, ...(signal && { signal }) })
  const index = createIndexBuilder(header.references.length, longest > addressableBases(baiScheme) ? csiSchemeFor(longest) : undefined)
  let last: RecordCore | undefined
  let sorted = true
  await writer.write(encodeBamHeader(header))
  writer.flush()
  for await (const batch of batches) {
    signal?.throwIfAborted()
    for (const { bytes, core } of batch) {
      sorted = sorted && follows(core, last)
      last = core
      writer.reserve(bytes.length)
      const { referenceId, position, end, flags } = core
      if (sorted) index.add({ referenceId, position, end, mapped: (flags & recordFlags.unmapped) === 0 }, writer.position())
      const full = writer.write(bytes)
      if (full) await full
    }
    yield* made.splice(0)
  }
  writer.flush()
  const end = writer.position()
  await writer.finish()
  if (sorted) onIndex(index.finish(end, writer.resolve))
  yield* made.splice(0)
}
