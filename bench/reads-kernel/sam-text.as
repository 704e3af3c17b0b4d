// Lines of SAM text out of the bytes of BAM records (SAMv1 1.4, 1.5, 4.2): the same bytes as `formatSamRecord` of src/formats/sam-text.ts.

/** Writes a number of type `f` as text to `at`. @returns how many bytes it takes */
@external("m", "float")
declare function formatFloat(value: f32, at: usize): u32

const fixedBytes: usize = 36
const tab: u8 = 9

/** How a walk over records ended. */
const needsMore: i32 = 0
const isFull: i32 = 1
const isSpecial: i32 = 2

/** What a walk is told and where it tells how far it came; src/formats/reads-kernel-memory.ts knows the same places. */
@unmanaged
class Walk {
  /** Next record, and the end of what is there. */
  at: usize
  end: usize
  /** Next line, and the end of its room. */
  out: usize
  outEnd: usize
  /** Of the references: pairs of address and length. */
  names: usize
  nameCount: u32
  longestName: u32
  /** -2: of any reference and in any order, all chosen. */
  referenceId: i32
  /** No record before may follow. */
  lastPosition: i32
  /** Pairs of start and end, in order; the first that may still be hit. */
  regions: usize
  regionCount: u32
  regionAt: u32
  contained: u32
}

const walk: usize = memory.data(64, 16)

export function walkAddress(): usize {
  return walk
}

// Four characters for each two bytes of packed bases; its first 256 hold the two of one byte.
const quads: usize = memory.data(0x1_0000 * 4, 16)
const bases: usize = memory.data<u8>([61, 65, 67, 77, 71, 82, 83, 86, 84, 87, 89, 72, 75, 68, 66, 78])
const pairs: usize = memory.data(200, 16)
// MIDNSHP=X
const operations: usize = memory.data<u8>([77, 73, 68, 78, 83, 72, 80, 61, 88])
// One bit an operation's number.
const consumesReference: u32 = 0b1_1000_1101
let tablesReady: bool = false

function prepareTables(): void {
  for (let packed: u32 = 0; packed < 0x1_0000; packed++) {
    const four =
      <u32>load<u8>(bases + ((packed >> 4) & 15)) |
      (<u32>load<u8>(bases + (packed & 15)) << 8) |
      (<u32>load<u8>(bases + (packed >> 12)) << 16) |
      (<u32>load<u8>(bases + ((packed >> 8) & 15)) << 24)
    store<u32>(quads + (packed << 2), four)
  }
  for (let value: u32 = 0; value < 100; value++) {
    store<u8>(pairs + value * 2, <u8>(48 + value / 10))
    store<u8>(pairs + value * 2 + 1, <u8>(48 + value % 10))
  }
  tablesReady = true
}

/** Copies in eights; up to seven bytes behind the end are written too, so the room must have them. */
@inline
function copy(to: usize, from: usize, length: usize): usize {
  const end = to + length
  while (to < end) {
    store<u64>(to, load<u64>(from))
    to += 8
    from += 8
  }
  return end
}

@inline
function digitsOf(value: u32): usize {
  if (value < 10000) return value < 100 ? (value < 10 ? 1 : 2) : value < 1000 ? 3 : 4
  if (value < 10000000) return value < 100000 ? 5 : value < 1000000 ? 6 : 7
  return value < 100000000 ? 8 : value < 1000000000 ? 9 : 10
}

function writeUnsigned(out: usize, value: u32): usize {
  if (value < 10) {
    store<u8>(out, <u8>(48 + value))
    return out + 1
  }
  const end = out + digitsOf(value)
  let at = end
  while (value >= 100) {
    const rest = value / 100
    at -= 2
    store<u16>(at, load<u16>(pairs + ((value - rest * 100) << 1)))
    value = rest
  }
  if (value >= 10) store<u16>(at - 2, load<u16>(pairs + (value << 1)))
  else store<u8>(at - 1, <u8>(48 + value))
  return end
}

@inline
function writeSigned(out: usize, value: i64): usize {
  if (value < 0) {
    store<u8>(out, 45)
    return writeUnsigned(out + 1, <u32>-value)
  }
  return writeUnsigned(out, <u32>value)
}

/** A tab and a number. */
@inline
function writeField(out: usize, value: i64): usize {
  store<u8>(out, tab)
  return writeSigned(out + 1, value)
}

/** A tab and one character. */
@inline
function writeCharacter(out: usize, character: u8): usize {
  store<u8>(out, tab)
  store<u8>(out + 1, character)
  return out + 2
}

@inline
function writeName(out: usize, state: Walk, referenceId: i32): usize {
  if (<u32>referenceId >= state.nameCount) return writeCharacter(out, 42)
  const entry = state.names + (<usize>referenceId << 3)
  store<u8>(out, tab)
  return copy(out + 1, load<u32>(entry), load<u32>(entry + 4))
}

/** @returns 0 for an unknown operation */
@inline
function writeCigar(out: usize, from: usize, to: usize): usize {
  if (from == to) return writeCharacter(out, 42)
  store<u8>(out, tab)
  out++
  for (let at = from; at < to; at += 4) {
    const packed = load<u32>(at)
    if ((packed & 15) > 8) return 0
    out = writeUnsigned(out, packed >> 4)
    store<u8>(out, load<u8>(operations + (packed & 15)))
    out++
  }
  return out
}

@inline
function writeBases(out: usize, from: usize, length: usize): usize {
  if (length == 0) return writeCharacter(out, 42)
  store<u8>(out, tab)
  out++
  const end = out + length
  // The last four may be bases of what follows; what comes next is written over them.
  while (out < end) {
    store<u32>(out, load<u32>(quads + (<usize>load<u16>(from) << 2)))
    out += 4
    from += 2
  }
  return end
}

@inline
function writeQualities(out: usize, from: usize, length: usize): usize {
  if (length == 0 || load<u8>(from) == 0xff) return writeCharacter(out, 42)
  store<u8>(out, tab)
  out++
  const until = from + length
  while (from + 8 <= until) {
    const eight = load<u64>(from)
    // With a top bit set, adding could carry from one into another.
    if (eight & 0x8080_8080_8080_8080) break
    store<u64>(out, eight + 0x2121_2121_2121_2121)
    out += 8
    from += 8
  }
  while (from < until) {
    store<u8>(out, load<u8>(from) + 33)
    out++
    from++
  }
  return out
}

/** Bytes of a number of that type; 0 for what is none (SAMv1 4.2.4). */
@inline
function widthOf(type: u8): usize {
  if (type == 99 || type == 67) return 1
  if (type == 115 || type == 83) return 2
  return type == 105 || type == 73 || type == 102 ? 4 : 0
}

function writeValue(out: usize, from: usize, type: u8): usize {
  if (type == 67) return writeUnsigned(out, load<u8>(from))
  if (type == 99) return writeSigned(out, <i64>load<i8>(from))
  if (type == 83) return writeUnsigned(out, load<u16>(from))
  if (type == 115) return writeSigned(out, <i64>load<i16>(from))
  if (type == 73) return writeUnsigned(out, load<u32>(from))
  if (type == 105) return writeSigned(out, <i64>load<i32>(from))
  return out + formatFloat(load<f32>(from), out)
}

/** A tab, the tag's name and its type as SAM has it. */
@inline
function writeTagHead(out: usize, tag: usize, type: u32): usize {
  store<u32>(out, <u32>tab | (<u32>load<u16>(tag) << 8) | (0x3a << 24))
  store<u16>(out + 4, <u16>(type | 0x3a00))
  return out + 6
}

function writeArray(out: usize, tag: usize, to: usize): usize {
  const type = load<u8>(tag + 3)
  const width = widthOf(type)
  if (width == 0) return 0
  store<u8>(out, type)
  out++
  for (let at = tag + 8; at < to; at += width) {
    store<u8>(out, 44)
    out = writeValue(out + 1, at, type)
  }
  return out
}

/** @returns 0 where a tag does not end before `to`, or has a type that BAM does not know */
@inline
function writeTags(out: usize, from: usize, to: usize): usize {
  let tag = from
  while (tag < to) {
    if (tag + 4 > to) return 0
    const type = load<u8>(tag + 2)
    if (type == 90 || type == 72) {
      out = writeTagHead(out, tag, type)
      let at = tag + 3
      for (;;) {
        if (at >= to) return 0
        const character = load<u8>(at)
        at++
        if (character == 0) break
        store<u8>(out, character)
        out++
      }
      tag = at
    } else if (type == 65) {
      out = writeTagHead(out, tag, type)
      store<u8>(out, load<u8>(tag + 3))
      out++
      tag += 4
    } else if (type == 66) {
      if (tag + 8 > to) return 0
      const width = widthOf(load<u8>(tag + 3))
      const count = <u64>load<u32>(tag + 4)
      if (width == 0 || <u64>(tag + 8) + count * <u64>width > <u64>to) return 0
      const next = tag + 8 + <usize>count * width
      out = writeArray(writeTagHead(out, tag, type), tag, next)
      tag = next
    } else {
      const width = widthOf(type)
      if (width == 0 || tag + 3 + width > to) return 0
      out = writeValue(writeTagHead(out, tag, type == 102 ? 102 : 105), tag + 3, type)
      tag += 3 + width
    }
  }
  return out
}

/** Whether a CIGAR of two operations may be the placeholder of one in a `CG` tag (SAMv1 4.2.2). */
@inline
function standsForTag(cigarAt: usize, length: u32): bool {
  const first = load<u32>(cigarAt)
  return (first & 15) == 4 && first >> 4 == length && (load<u8>(cigarAt + 4) & 15) == 3
}

/**
 * Writes the record in `[from, to)`, its length field first, as one line with its newline.
 *
 * @returns where the line ends; 0 when the record is not plain: it is damaged, or has its CIGAR in a `CG` tag
 */
function writeLine(state: Walk, from: usize, to: usize, out: usize): usize {
  const referenceId = load<i32>(from + 4)
  const nameBytes = <usize>load<u8>(from + 12)
  const operations = <usize>load<u16>(from + 16)
  const length = load<i32>(from + 20)
  const mateId = load<i32>(from + 24)
  const cigarAt = from + fixedBytes + nameBytes
  const sequenceAt = cigarAt + operations * 4
  if (nameBytes < 1 || length < 0 || <u64>sequenceAt + <u64>((<u32>length + 1) >> 1) + <u64>length > <u64>to) return 0
  const qualitiesAt = sequenceAt + ((<usize>length + 1) >> 1)
  const tagsAt = qualitiesAt + <usize>length
  if (load<u8>(cigarAt - 1) != 0) return 0
  if (operations == 2 && standsForTag(cigarAt, length)) return 0
  out = copy(out, from + fixedBytes, nameBytes - 1)
  out = writeField(out, <i64>load<u16>(from + 18))
  out = writeName(out, state, referenceId)
  out = writeField(out, <i64>load<i32>(from + 8) + 1)
  out = writeField(out, <i64>load<u8>(from + 13))
  out = writeCigar(out, cigarAt, sequenceAt)
  if (out == 0) return 0
  if (mateId >= 0 && mateId == referenceId) out = writeCharacter(out, 61)
  else out = writeName(out, state, mateId)
  out = writeField(out, <i64>load<i32>(from + 28) + 1)
  out = writeField(out, <i64>load<i32>(from + 32))
  out = writeBases(out, sequenceAt, <usize>length)
  out = writeQualities(out, qualitiesAt, <usize>length)
  out = writeTags(out, tagsAt, to)
  if (out == 0) return 0
  store<u8>(out, 10)
  return out + 1
}

/** Most bytes that a line can need: one byte of an array makes five (`,-128`), four of an operation ten. */
@inline
function mostLineBytes(recordBytes: usize, state: Walk): usize {
  return 5 * recordBytes + 2 * state.longestName + 128
}

/** Behind the last base of the reference that the record covers (SAMv1 4.2.1). */
@inline
function endOf(from: usize, position: i32): i64 {
  if (load<u16>(from + 18) & 4) return <i64>position + 1
  const first = from + fixedBytes + load<u8>(from + 12)
  const last = first + (<usize>load<u16>(from + 16) << 2)
  let span: i64 = 0
  for (let at = first; at < last; at += 4) {
    const packed = load<u32>(at)
    if ((consumesReference >> (packed & 15)) & 1) span += <i64>(packed >> 4)
  }
  return <i64>position + (span < 1 ? 1 : span)
}

/**
 * Writes lines for the whole records of `[at, end)` that are chosen.
 *
 * @returns 0 when the next record is not all there, 1 when there is no room for its line, 2 when it is for others to look at: it
 *   is not plain, out of its order, of another reference, or behind the region looked for
 */
export function writeLines(): i32 {
  if (!tablesReady) prepareTables()
  const state = changetype<Walk>(walk)
  for (;;) {
    const from = state.at
    if (from + fixedBytes > state.end) return needsMore
    const length = load<i32>(from)
    if (length < 32) return isSpecial
    if (<u64>from + 4 + <u64>length > <u64>state.end) return needsMore
    const to = from + 4 + <usize>length
    const position = load<i32>(from + 8)
    if (state.referenceId != -2) {
      if (load<i32>(from + 4) != state.referenceId || position < state.lastPosition) return isSpecial
      if (from + fixedBytes + load<u8>(from + 12) + (<usize>load<u16>(from + 16) << 2) > to) return isSpecial
    }
    if (state.regionCount > 0) {
      const before = state.regionAt
      let region = state.regions + (<usize>before << 4)
      while (state.regionAt < state.regionCount && load<f64>(region + 8) <= <f64>position) {
        state.regionAt++
        region += 16
      }
      if (state.regionAt != before || state.regionAt == state.regionCount) return isSpecial
      const start = load<f64>(region)
      const end = <f64>endOf(from, position)
      const chosen = state.contained ? start <= <f64>position && end <= load<f64>(region + 8) : start < end
      if (!chosen) {
        state.lastPosition = position
        state.at = to
        continue
      }
    }
    if (state.out + mostLineBytes(to - from, state) > state.outEnd) return isFull
    const out = writeLine(state, from, to, state.out)
    if (out == 0) return isSpecial
    state.out = out
    state.lastPosition = position
    state.at = to
  }
  return needsMore
}
