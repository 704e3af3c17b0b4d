import { cigarCodes } from './cigar.ts'
import { formatFloat } from './sam-text.ts'

/** Bases in the order of their four-bit numbers (SAMv1 4.2). */
const bases = '=ACMGRSVTWYHKDBN'
const fixedBytes = 36
const [tab, newline, star, equals, minus, comma, colon, zero] = [9, 10, 42, 61, 45, 44, 58, 48]
const [typeA, typeB, typeC, typeH, typeI, typeS, typeZ] = [65, 66, 67, 72, 73, 83, 90]
const [typeSmallC, typeFloat, typeSmallI, typeSmallS] = [99, 102, 105, 115]
const softClip = 4
const skipped = 3
/** In place of a line's end: this record is not for {@link writeSamLine}. */
const notPlain = -1

/** Four characters for each two bytes of packed bases, little-endian as they are read; its first 256 hold the two of one byte. */
const baseQuads = new Uint32Array(0x1_0000)
for (let packed = 0; packed < baseQuads.length; packed += 1) {
  const character = (shift: number): number => bases.charCodeAt((packed >> shift) & 15)
  baseQuads[packed] = (character(4) | (character(0) << 8) | (character(12) << 16) | (character(8) << 24)) >>> 0
}
const operationCharacters = Uint8Array.from(cigarCodes, (code) => code.charCodeAt(0))

/** Most bytes that {@link writeSamLine} can need: one byte of an array makes five (`,-128`), four of an operation ten. */
export function mostLineBytes(recordBytes: number, longestName: number): number {
  return 5 * recordBytes + 2 * longestName + 128
}

/**
 * Writes the record in `[from, to)` of `record`, its length field first, as one line of SAM with its newline: the same bytes as
 * `formatSamRecord` makes, but out of the record's bytes at once (SAMv1 1.4, 1.5, 4.2).
 *
 * @param names of the references, in their order
 * @param out with room for {@link mostLineBytes} from `at` on
 * @returns where the line ends; less than 0 when the record is not plain: it is damaged, or has its CIGAR in a `CG` tag
 */
export function writeSamLine(record: DataView, from: number, to: number, names: readonly Uint8Array[], out: DataView, at: number): number {
  if (to - from < fixedBytes || record.getInt32(from, true) !== to - from - 4) return notPlain
  const referenceId = record.getInt32(from + 4, true)
  const nameBytes = record.getUint8(from + 12)
  const operations = record.getUint16(from + 16, true)
  const length = record.getInt32(from + 20, true)
  const mateId = record.getInt32(from + 24, true)
  const cigarAt = from + fixedBytes + nameBytes
  const sequenceAt = cigarAt + operations * 4
  const qualitiesAt = sequenceAt + ((length + 1) >> 1)
  const tagsAt = qualitiesAt + length
  if (nameBytes < 1 || length < 0 || tagsAt > to || record.getUint8(cigarAt - 1) !== 0) return notPlain
  if (operations === 2 && standsForTag(record, cigarAt, length)) return notPlain
  let end = copyBytes(record, from + fixedBytes, nameBytes - 1, out, at)
  end = writeField(out, end, record.getUint16(from + 18, true))
  end = writeName(out, end, names[referenceId])
  end = writeField(out, end, record.getInt32(from + 8, true) + 1)
  end = writeField(out, end, record.getUint8(from + 13))
  end = writeCigar(record, cigarAt, sequenceAt, out, end)
  if (end < 0) return notPlain
  if (mateId >= 0 && mateId === referenceId) end = writeCharacter(out, end, equals)
  else end = writeName(out, end, names[mateId])
  end = writeField(out, end, record.getInt32(from + 28, true) + 1)
  end = writeField(out, end, record.getInt32(from + 32, true))
  end = writeBases(record, sequenceAt, length, out, end)
  end = writeQualities(record, qualitiesAt, length, out, end)
  end = writeTags(record, tagsAt, to, out, end)
  if (end < 0) return notPlain
  out.setUint8(end, newline)
  return end + 1
}

/** Whether a CIGAR of two operations may be the placeholder of one in a `CG` tag (SAMv1 4.2.2). */
function standsForTag(record: DataView, cigarAt: number, length: number): boolean {
  const first = record.getUint32(cigarAt, true)
  return (first & 15) === softClip && first >>> 4 === length && (record.getUint8(cigarAt + 4) & 15) === skipped
}

function copyBytes(from: DataView, start: number, length: number, out: DataView, at: number): number {
  let done = 0
  for (; done + 4 <= length; done += 4) out.setUint32(at + done, from.getUint32(start + done))
  for (; done < length; done += 1) out.setUint8(at + done, from.getUint8(start + done))
  return at + length
}

/** A tab and one character. */
function writeCharacter(out: DataView, at: number, character: number): number {
  out.setUint8(at, tab)
  out.setUint8(at + 1, character)
  return at + 2
}

function writeName(out: DataView, at: number, name: Uint8Array | undefined): number {
  if (!name) return writeCharacter(out, at, star)
  out.setUint8(at, tab)
  for (let index = 0; index < name.length; index += 1) out.setUint8(at + 1 + index, name[index] as number)
  return at + 1 + name.length
}

/** A tab and a number. */
function writeField(out: DataView, at: number, value: number): number {
  out.setUint8(at, tab)
  return writeNumber(out, at + 1, value)
}

function digitsOf(value: number): number {
  if (value < 1e4) return value < 100 ? (value < 10 ? 1 : 2) : value < 1000 ? 3 : 4
  if (value < 1e7) return value < 1e5 ? 5 : value < 1e6 ? 6 : 7
  return value < 1e8 ? 8 : value < 1e9 ? 9 : 10
}

/** @param value a whole number of at most ten digits */
function writeNumber(out: DataView, at: number, value: number): number {
  if (value < 0) {
    out.setUint8(at, minus)
    return writeNumber(out, at + 1, -value)
  }
  const end = at + digitsOf(value)
  let last = end - 1
  let rest = value
  if (rest >= 2 ** 31) {
    // From here on integers of 32 bits do, which divide faster.
    const tens = Math.floor(rest / 10)
    out.setUint8(last, zero + (rest - tens * 10))
    last -= 1
    rest = tens
  }
  rest |= 0
  for (; last >= at; last -= 1) {
    const tens = (rest / 10) | 0
    out.setUint8(last, zero + rest - tens * 10)
    rest = tens
  }
  return end
}

function writeCigar(record: DataView, from: number, to: number, out: DataView, at: number): number {
  if (from === to) return writeCharacter(out, at, star)
  out.setUint8(at, tab)
  let end = at + 1
  for (let operation = from; operation < to; operation += 4) {
    const packed = record.getUint32(operation, true)
    const number = packed & 15
    if (number >= operationCharacters.length) return notPlain
    end = writeNumber(out, end, packed >>> 4)
    out.setUint8(end, operationCharacters[number] as number)
    end += 1
  }
  return end
}

function writeBases(record: DataView, from: number, length: number, out: DataView, at: number): number {
  if (length === 0) return writeCharacter(out, at, star)
  out.setUint8(at, tab)
  let [packed, end, left] = [from, at + 1, length]
  for (; left >= 4; left -= 4) {
    out.setUint32(end, baseQuads[record.getUint16(packed, true)] as number, true)
    packed += 2
    end += 4
  }
  for (; left > 0; left -= 2) {
    const pair = baseQuads[record.getUint8(packed)] as number
    out.setUint8(end, pair & 0xff)
    if (left > 1) out.setUint8(end + 1, (pair >>> 8) & 0xff)
    packed += 1
    end += Math.min(left, 2)
  }
  return end
}

function writeQualities(record: DataView, from: number, length: number, out: DataView, at: number): number {
  if (length === 0 || record.getUint8(from) === 0xff) return writeCharacter(out, at, star)
  out.setUint8(at, tab)
  const shift = at + 1 - from
  const until = from + length
  let next = from
  for (; next + 4 <= until; next += 4) {
    const four = record.getUint32(next)
    // With a top bit set, adding could carry from one into another.
    if ((four & 0x8080_8080) !== 0) break
    out.setUint32(next + shift, four + 0x2121_2121)
  }
  for (; next < until; next += 1) out.setUint8(next + shift, record.getUint8(next) + 33)
  return until + shift
}

/** A tab, a tag's name and its type as SAM has it. */
function writeTagHead(record: DataView, from: number, type: number, out: DataView, at: number): number {
  out.setUint8(at, tab)
  out.setUint16(at + 1, record.getUint16(from))
  out.setUint8(at + 3, colon)
  out.setUint8(at + 4, type)
  out.setUint8(at + 5, colon)
  return at + 6
}

/** Bytes of a number of that type; 0 for what is none (SAMv1 4.2.4). */
function widthOf(type: number): number {
  if (type === typeSmallC || type === typeC) return 1
  if (type === typeSmallS || type === typeS) return 2
  return type === typeSmallI || type === typeI || type === typeFloat ? 4 : 0
}

function writeValue(record: DataView, from: number, type: number, out: DataView, at: number): number {
  if (type === typeC) return writeNumber(out, at, record.getUint8(from))
  if (type === typeSmallC) return writeNumber(out, at, record.getInt8(from))
  if (type === typeS) return writeNumber(out, at, record.getUint16(from, true))
  if (type === typeSmallS) return writeNumber(out, at, record.getInt16(from, true))
  if (type === typeI) return writeNumber(out, at, record.getUint32(from, true))
  if (type === typeSmallI) return writeNumber(out, at, record.getInt32(from, true))
  const text = formatFloat(record.getFloat32(from, true))
  for (let index = 0; index < text.length; index += 1) out.setUint8(at + index, text.charCodeAt(index))
  return at + text.length
}

function writeTags(record: DataView, from: number, to: number, out: DataView, at: number): number {
  let end = at
  for (let tag = from; tag < to; ) {
    const next = endOfTag(record, tag, to)
    if (next < 0) return notPlain
    end = writeTag(record, tag, next, out, end)
    tag = next
  }
  return end
}

function writeTag(record: DataView, tag: number, next: number, out: DataView, at: number): number {
  const type = record.getUint8(tag + 2)
  if (type === typeB) return writeArray(record, tag, next, out, at)
  if (type === typeZ || type === typeH || type === typeA) {
    const length = next - tag - (type === typeA ? 3 : 4)
    return copyBytes(record, tag + 3, length, out, writeTagHead(record, tag, type, out, at))
  }
  return writeValue(record, tag + 3, type, out, writeTagHead(record, tag, type === typeFloat ? typeFloat : typeSmallI, out, at))
}

/** Where the next tag begins; less than 0 when this one does not end before, or has a type that BAM does not know. */
function endOfTag(record: DataView, tag: number, to: number): number {
  if (tag + 4 > to) return notPlain
  const type = record.getUint8(tag + 2)
  if (type === typeZ || type === typeH) return endOfText(record, tag + 3, to)
  if (type === typeB) return endOfArray(record, tag, to)
  const end = tag + 3 + (type === typeA ? 1 : widthOf(type))
  return end === tag + 3 || end > to ? notPlain : end
}

function endOfText(record: DataView, from: number, to: number): number {
  for (let at = from; at < to; at += 1) if (record.getUint8(at) === 0) return at + 1
  return notPlain
}

function endOfArray(record: DataView, tag: number, to: number): number {
  if (tag + 8 > to) return notPlain
  const width = widthOf(record.getUint8(tag + 3))
  const count = record.getUint32(tag + 4, true)
  return width === 0 || count > (to - tag - 8) / width ? notPlain : tag + 8 + count * width
}

function writeArray(record: DataView, tag: number, next: number, out: DataView, at: number): number {
  const type = record.getUint8(tag + 3)
  const width = widthOf(type)
  let end = writeTagHead(record, tag, typeB, out, at)
  out.setUint8(end, type)
  end += 1
  for (let value = tag + 8; value < next; value += width) {
    out.setUint8(end, comma)
    end = writeValue(record, value, type, out, end + 1)
  }
  return end
}
