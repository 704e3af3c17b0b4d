import type { ByteSource } from '../bytes/byte-source.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { type BamHeader, decodeBamHeader } from './bam-header.ts'
import { type BgzfReaderOptions, createBgzfReader } from './bgzf-reader.ts'
import type { VirtualOffset } from './virtual-offset.ts'

/** A record as it lies in the file. */
export interface EncodedRecord {
  /** Where it begins. */
  readonly start: VirtualOffset
  /** Its bytes, length field first; `decodeBamRecord` and `readRecordCore` read them. Valid until the next record is asked for. */
  readonly bytes: Uint8Array
}

/** Reads a BAM file (SAMv1 4.2) from any {@link ByteSource}. */
export interface BamReader {
  /** Read once, then remembered. @throws `invalid-format` when the file is no BAM. */
  header(options?: CallOptions): Promise<BamHeader>
  /** Where the first record begins, or would begin. */
  firstRecord(options?: CallOptions): Promise<VirtualOffset>
  /**
   * The records that begin in `[start, end)`, in file order; default all of them. Both must be beginnings of records.
   *
   * @throws `invalid-format` naming the place of a bad block, or of a record that is cut off or impossible.
   */
  records(span?: { readonly start?: VirtualOffset; readonly end?: VirtualOffset }, options?: CallOptions): AsyncIterable<EncodedRecord>
  /** @throws `invalid-format` when the EOF marker is missing: the file has most likely been cut off. */
  checkEofMarker(options?: CallOptions): Promise<void>
}

/** Fixed fields without the length itself: no record is shorter (SAMv1 4.2). */
const leastRecordBytes = 32
const lengthBytes = 4

export function createBamReader(source: ByteSource, options: BgzfReaderOptions = {}): BamReader {
  const { name = 'BAM input' } = options
  const bgzf = createBgzfReader(source, { ...options, name })
  let head: Promise<{ readonly header: BamHeader; readonly first: VirtualOffset }> | undefined

  const readHead = async (call?: CallOptions): Promise<{ readonly header: BamHeader; readonly first: VirtualOffset }> => {
    const pieces: Uint8Array[] = []
    let have = 0
    let tryAt = 0
    for await (const { start, data } of bgzf.read({}, call)) {
      pieces.push(data)
      have += data.length
      // Joining and parsing again at every block would be quadratic for headers of many megabytes.
      if (have < tryAt) continue
      tryAt = have * 2
      const found = decodeBamHeader(Buffer.concat(pieces), name)
      if (found) return { header: found.header, first: await placeOf(found.length, { start, data }, have, call) }
    }
    const found = decodeBamHeader(Buffer.concat(pieces), name)
    if (!found) throw new ScoreError('invalid-format', `${name}: the file ends inside its BAM header, after ${have} inflated bytes`)
    return { header: found.header, first: await placeOf(found.length, undefined, have, call) }
  }

  /** Virtual offset of inflated byte `length`; the last block read, when it holds it, spares a second walk. */
  const placeOf = async (
    length: number,
    last: { readonly start: VirtualOffset; readonly data: Uint8Array } | undefined,
    have: number,
    call?: CallOptions,
  ): Promise<VirtualOffset> => {
    if (last && length >= have - last.data.length && length < have) {
      return { block: last.start.block, within: length - (have - last.data.length) }
    }
    let before = 0
    for await (const block of bgzf.blocks({}, call)) {
      if (length < before + block.data.length) return { block: block.offset, within: length - before }
      before += block.data.length
    }
    return { block: await source.size(call), within: 0 }
  }

  const once = async (call?: CallOptions): Promise<{ readonly header: BamHeader; readonly first: VirtualOffset }> => {
    head ??= readHead(call)
    try {
      return await head
    } catch (error) {
      // The next caller tries again: the failure may have been the way to the bytes, not the bytes.
      head = undefined
      throw error
    }
  }

  return {
    header: async (call) => (await once(call)).header,
    firstRecord: async (call) => (await once(call)).first,
    async *records(span = {}, call) {
      const start = span.start ?? (await once(call)).first
      if (start.block >= (await source.size(call))) return
      yield* cutRecords(bgzf.read({ start, ...(span.end && { end: span.end }) }, call), name)
    },
    checkEofMarker: (call) => bgzf.checkEofMarker(call),
  }
}

/** Cuts the byte stream into records; one may cross any number of blocks. */
async function* cutRecords(
  pieces: AsyncIterable<{ readonly start: VirtualOffset; readonly data: Uint8Array }>,
  name: string,
): AsyncGenerator<EncodedRecord> {
  let crossing: { readonly start: VirtualOffset; readonly parts: Uint8Array[]; have: number; want: number } | undefined
  for await (const { start: pieceStart, data } of pieces) {
    const view = new DataView(data.buffer, data.byteOffset, data.length)
    let at = 0
    while (at < data.length) {
      const start: VirtualOffset = crossing?.start ?? { block: pieceStart.block, within: pieceStart.within + at }
      if (!crossing && at + lengthBytes <= data.length) {
        const end = at + recordBytes(view, at, start, name)
        if (end <= data.length) {
          yield { start, bytes: data.subarray(at, end) }
          at = end
          continue
        }
      }
      crossing ??= { start, parts: [], have: 0, want: lengthBytes }
      const part = data.subarray(at, Math.min(data.length, at + crossing.want - crossing.have))
      crossing.parts.push(part)
      crossing.have += part.length
      at += part.length
      if (crossing.have < crossing.want) continue
      if (crossing.want === lengthBytes) {
        const length = Buffer.concat(crossing.parts)
        crossing.want = recordBytes(new DataView(length.buffer, length.byteOffset), 0, start, name)
        continue
      }
      yield { start, bytes: Buffer.concat(crossing.parts) }
      crossing = undefined
    }
  }
  if (crossing)
    throw new ScoreError(
      'invalid-format',
      `${name}: the record at ${place(crossing.start)} needs ${crossing.want} bytes, only ${crossing.have} follow; the file has been cut off or the index is of another file`,
    )
}

function recordBytes(view: DataView, at: number, start: VirtualOffset, name: string): number {
  const length = view.getInt32(at, true)
  if (length < leastRecordBytes)
    throw new ScoreError(
      'invalid-format',
      `${name}: no record begins at ${place(start)} (its length field says ${length}); the file is damaged or the index is of another file`,
    )
  return lengthBytes + length
}

function place({ block, within }: VirtualOffset): string {
  return `byte ${block}, inflated byte ${within} of its block`
}
