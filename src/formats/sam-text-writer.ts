import type { BamHeader } from './bam-header.ts'
import { decodeBamRecord } from './bam-record-codec.ts'
import { type BlockFrame, inflateInto, maximumBlockBytes, packedRoomBytes } from './bgzf-block.ts'
import { anyReference, createKernelInstance, outputSlackBytes, walkEnds, walkWords } from './kernel-instance.ts'
import { formatFloat, formatSamRecord } from './sam-text.ts'

/** Records that {@link SamTextWriter.addChosen} is to choose from. */
export interface RecordWalk {
  /** Of which reference they have to be; absent: of any, and in any order. */
  readonly referenceId?: number
  /** None may lie before. */
  readonly lastPosition: number
}

/** Where {@link SamTextWriter.addChosen} ended. */
export interface RecordWalkEnd {
  /** The first record not taken. */
  readonly at: number
  /** Position of the last one that was. */
  readonly lastPosition: number
}

/** Writes records as lines of SAM text, and gives the text in large pieces, each of them memory of its own. */
export interface SamTextWriter {
  /**
   * Adds the line of the record in `[from, to)` of `record`, its length field first.
   *
   * @param where how a message names the place of the record
   * @throws `invalid-format` when its parts do not fit its length.
   */
  add(record: DataView, from: number, to: number, where?: () => string): void
  /** Inflates a block for {@link SamTextWriter.addChosen}; its bytes are valid until the next. @throws `invalid-format` */
  inflate(bytes: Uint8Array, frame: BlockFrame, fileOffset: number, name: string): Uint8Array
  /** Takes a block that is inflated already, as {@link SamTextWriter.inflate} would give it. */
  load(data: Uint8Array): Uint8Array
  /**
   * Which records {@link SamTextWriter.addChosen} takes, as `RecordChoice` has it: those that overlap one of these, or lie in one.
   * None given: all records.
   */
  choose(regions: readonly { readonly start: number; readonly end: number }[], contained: boolean): void
  /** Adds the records of `[from, to)` of the last block, up to one that somebody else must look at, or that is not all there. */
  addChosen(from: number, to: number, walk: RecordWalk): RecordWalkEnd
  /** Gives what is left. */
  flush(): void
}

export interface SamTextOptions {
  readonly header: Pick<BamHeader, 'references'>
  readonly onText: (text: Buffer) => void
  /** Size of the pieces, about; default 256 KiB. */
  readonly textBytes?: number
}

const regionBytes = 16
/** Larger records are rare, and written without the kernel. */
const largestRecord = maximumBlockBytes
/** A line of a record of that size in the worst case. */
const lineRoom = 5 * largestRecord

interface Rooms {
  readonly packed: number
  readonly block: number
  readonly record: number
  readonly text: number
  readonly textEnd: number
  readonly names: number
  readonly regions: number
  readonly end: number
}

function layOut(start: number, textBytes: number, nameBytes: number, regionCount: number): Rooms {
  const packed = start
  const block = packed + packedRoomBytes
  const record = block + maximumBlockBytes + outputSlackBytes
  const text = record + largestRecord + outputSlackBytes
  const textEnd = text + textBytes + lineRoom
  const names = Math.ceil(textEnd / regionBytes) * regionBytes
  const regions = Math.ceil((names + nameBytes) / regionBytes) * regionBytes
  return { packed, block, record, text, textEnd, names, regions, end: regions + regionCount * regionBytes }
}

/** Regions that are looked at at once; of more, those behind wait. */
const mostRegions = 64 * 1024

export function createSamTextWriter({ header, onText, textBytes = 256 * 1024 }: SamTextOptions): SamTextWriter {
  const names = header.references.map(({ name }) => Buffer.from(name))
  const longestName = names.reduce((most, { length }) => Math.max(most, length), 1)
  // A name's bytes, one a character, as the line of a record that is not plain is written so.
  const references = names.map((name, id) => ({ name: name.toString('latin1'), length: header.references[id]?.length ?? 0 }))
  // Names are copied in eights.
  const nameBytes = names.reduce((sum, { length }) => sum + length + 8, 8)
  const room = layOut(0, textBytes, nameBytes, mostRegions).end + regionBytes
  const kernel = createKernelInstance(room, (value, at) => kernel.bytes.write(formatFloat(value), at, 'latin1'))
  const { bytes, view, walk } = kernel
  const rooms = layOut(kernel.free, textBytes, nameBytes, mostRegions)
  const word = (place: number): number => view.getUint32(walk + place, true)
  const setWord = (place: number, value: number): void => view.setUint32(walk + place, value, true)
  let used = rooms.text
  let regionCount = 0

  const layNames = (): void => {
    let at = rooms.names + names.length * 8
    for (const [id, name] of names.entries()) {
      view.setUint32(rooms.names + id * 8, at, true)
      view.setUint32(rooms.names + id * 8 + 4, name.length, true)
      at += name.copy(bytes, at)
    }
    setWord(walkWords.names, rooms.names)
    setWord(walkWords.nameCount, names.length)
    setWord(walkWords.longestName, longestName)
    setWord(walkWords.outEnd, rooms.textEnd)
    setWord(walkWords.regions, rooms.regions)
  }

  const flush = (): void => {
    if (used === rooms.text) return
    const text = Buffer.allocUnsafeSlow(used - rooms.text)
    bytes.copy(text, 0, rooms.text, used)
    used = rooms.text
    onText(text)
  }

  /** @returns how the walk over `[from, to)` ended */
  const go = (from: number, to: number): number => {
    setWord(walkWords.at, from)
    setWord(walkWords.end, to)
    for (;;) {
      setWord(walkWords.out, used)
      const end = kernel.writeLines()
      const before = used
      used = word(walkWords.out)
      if (used - rooms.text >= textBytes) flush()
      if (end !== walkEnds.isFull) return end
      if (before === used) flush()
    }
  }

  /** By way of plain data: damaged records, which throw, those with a `CG` tag, and very large ones. */
  const addDecoded = (record: Uint8Array, where?: () => string): void => {
    const line = Buffer.from(`${formatSamRecord(decodeBamRecord(record, where?.()), { references })}\n`, 'latin1')
    flush()
    onText(line)
  }

  layNames()
  return {
    add(record, from, to, where) {
      const source = new Uint8Array(record.buffer, record.byteOffset + from, to - from)
      const whole = source.length >= 36 && record.getInt32(from, true) === source.length - 4
      if (!whole || source.length > largestRecord) return addDecoded(source, where)
      bytes.set(source, rooms.record)
      setWord(walkWords.referenceId, anyReference)
      setWord(walkWords.regionCount, 0)
      const end = go(rooms.record, rooms.record + source.length)
      if (end !== walkEnds.needsMore || word(walkWords.at) !== rooms.record + source.length) addDecoded(source, where)
    },
    inflate: (packed, frame, fileOffset, name) => inflateInto(kernel, rooms.packed, rooms.block, packed, frame, fileOffset, name),
    load(data) {
      bytes.set(data, rooms.block)
      return bytes.subarray(rooms.block, rooms.block + data.length)
    },
    choose(regions, contained) {
      regionCount = Math.min(regions.length, mostRegions)
      for (let at = 0; at < regionCount; at += 1) {
        const { start, end } = regions[at] as (typeof regions)[number]
        view.setFloat64(rooms.regions + at * regionBytes, start, true)
        view.setFloat64(rooms.regions + at * regionBytes + 8, end, true)
      }
      setWord(walkWords.regionAt, 0)
      setWord(walkWords.contained, contained ? 1 : 0)
    },
    addChosen(from, to, { referenceId = anyReference, lastPosition }) {
      setWord(walkWords.referenceId, referenceId)
      setWord(walkWords.lastPosition, lastPosition)
      setWord(walkWords.regionCount, regionCount)
      go(rooms.block + from, rooms.block + to)
      return { at: word(walkWords.at) - rooms.block, lastPosition: view.getInt32(walk + walkWords.lastPosition, true) }
    },
    flush,
  }
}
