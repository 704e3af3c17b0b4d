// DEFLATE (RFC 1951) of whole blocks, with tables as libdeflate builds them: one look-up for most symbols, up to three literals for
// each refill of 64 bits, copies in eights.
//
// An entry of a table: low byte: bits that it takes, extra bits included; bits 8 to 11: bits of its code alone; from bit 16 on: the
// literal, or the base of the length or offset. Bit 31 marks a literal, bit 15 what is neither literal nor length.

const literal: u32 = 0x8000_0000
const exceptional: u32 = 0x8000
const subtable: u32 = 0x4000
const endOfBlock: u32 = 0x2000

const litBits: u32 = 11
const offBits: u32 = 8
const preBits: u32 = 7
const longestCode: u32 = 15

// Room for the tables and their subtables, at most (libdeflate: 2342, 402 and 128 entries).
const litTable: usize = memory.data(2560 * 4, 16)
const offTable: usize = memory.data(512 * 4, 16)
const preTable: usize = memory.data(128 * 4, 16)
const lengths: usize = memory.data(352, 16)
const counts: usize = memory.data(16 * 4, 16)
const starts: usize = memory.data(16 * 4, 16)
const sorted: usize = memory.data(320 * 2, 16)
const litResults: usize = memory.data(288 * 4, 16)
const offResults: usize = memory.data(32 * 4, 16)
const preResults: usize = memory.data(32 * 4, 16)
const preOrder: usize = memory.data<u8>([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15])
const lengthBases: usize = memory.data<u16>([
  3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
])
const lengthExtras: usize = memory.data<u8>([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0])
const offsetBases: usize = memory.data<u16>([
  1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385,
  24577,
])
const offsetExtras: usize = memory.data<u8>([
  0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13,
])

let ready: bool = false
let next: usize = 0
let bits: u64 = 0
let have: u32 = 0

/** What the symbols mean. Lengths of symbols 286 and 287 and offsets of 30 and 31 are 0: no data may use them. */
function prepare(): void {
  for (let symbol: u32 = 0; symbol < 256; symbol++) store<u32>(litResults + symbol * 4, literal | (symbol << 16))
  store<u32>(litResults + 256 * 4, exceptional | endOfBlock)
  for (let i: u32 = 0; i < 29; i++)
    store<u32>(litResults + (257 + i) * 4, (<u32>load<u16>(lengthBases + i * 2) << 16) | load<u8>(lengthExtras + i))
  for (let i: u32 = 0; i < 30; i++)
    store<u32>(offResults + i * 4, (<u32>load<u16>(offsetBases + i * 2) << 16) | load<u8>(offsetExtras + i))
  for (let i: u32 = 0; i < 19; i++) store<u32>(preResults + i * 4, i << 16)
  ready = true
}

/** The next code of that length, its bits in the order in which they are read. */
@inline
function after(code: u32, length: u32): u32 {
  const bit: u32 = 1 << (31 - clz(code ^ ((1 << length) - 1)))
  return (code & (bit - 1)) | bit
}

@inline
function entryOf(symbol: u32, results: usize, length: u32): u32 {
  return load<u32>(results + (<usize>load<u16>(sorted + symbol * 2) << 2)) + (length | (length << 8))
}

/** Sorts symbols by the length of their codes. @returns how much of all codes of 15 bits they take */
function sortSymbols(codes: usize, count: u32): u32 {
  memory.fill(counts, 0, 64)
  for (let i: u32 = 0; i < count; i++) {
    const at = counts + (<usize>load<u8>(codes + i) << 2)
    store<u32>(at, load<u32>(at) + 1)
  }
  let space: u32 = 0
  let used: u32 = 0
  for (let length: u32 = 1; length <= longestCode; length++) {
    store<u32>(starts + length * 4, used)
    used += load<u32>(counts + length * 4)
    space = (space << 1) + load<u32>(counts + length * 4)
  }
  for (let i: u32 = 0; i < count; i++) {
    const length = <usize>load<u8>(codes + i)
    if (length == 0) continue
    const at = starts + (length << 2)
    store<u16>(sorted + load<u32>(at) * 2, <u16>i)
    store<u32>(at, load<u32>(at) + 1)
  }
  return space
}

/** Codes that leave bits unused: allowed is none, or one of one bit (RFC 1951 3.2.7). */
function buildIncomplete(table: usize, tableBits: u32, results: usize, space: u32): bool {
  if (space != 0 && (space != 0x4000 || load<u32>(counts + 4) != 1)) return false
  // What no code stands for ends as an offset or length of 0, which is refused.
  const entry: u32 = space == 0 ? 1 : entryOf(0, results, 1)
  for (let i: u32 = 0; i < <u32>(1 << tableBits); i++) store<u32>(table + i * 4, i & 1 ? 1 : entry)
  return true
}

/** @returns false when the lengths are none of a prefix code */
function build(table: usize, tableBits: u32, codes: usize, count: u32, results: usize): bool {
  const space = sortSymbols(codes, count)
  if (space > 0x8000) return false
  if (space < 0x8000) return buildIncomplete(table, tableBits, results, space)
  let code: u32 = 0
  let length: u32 = 1
  while (load<u32>(counts + length * 4) == 0) length++
  let left = load<u32>(counts + length * 4)
  let symbol: u32 = 0
  let end: u32 = 1 << length
  // Codes that one look-up finds. What is filled so far stands for all longer indexes, and is doubled with each length.
  while (length <= tableBits) {
    do {
      store<u32>(table + code * 4, entryOf(symbol, results, length))
      symbol++
      if (code == end - 1) {
        for (; length < tableBits; length++) {
          memory.copy(table + (end << 2), table, end << 2)
          end <<= 1
        }
        return true
      }
      code = after(code, length)
    } while (--left)
    do {
      if (++length <= tableBits) {
        memory.copy(table + (end << 2), table, end << 2)
        end <<= 1
      }
      left = load<u32>(counts + length * 4)
    } while (left == 0)
  }
  return buildSubtables(table, tableBits, results, code, length, left, symbol)
}

/** The longer codes: a table of their own for each beginning. */
function buildSubtables(table: usize, tableBits: u32, results: usize, from: u32, shortest: u32, remaining: u32, firstSymbol: u32): bool {
  const mask: u32 = (1 << tableBits) - 1
  let code = from
  let length = shortest
  let left = remaining
  let symbol = firstSymbol
  let end: u32 = 1 << tableBits
  let prefix: u32 = 0xffff_ffff
  let first: u32 = 0
  for (;;) {
    if ((code & mask) != prefix) {
      prefix = code & mask
      first = end
      let size = length - tableBits
      let taken = left
      while (taken < <u32>(1 << size)) {
        size++
        taken = (taken << 1) + load<u32>(counts + (tableBits + size) * 4)
      }
      end = first + (1 << size)
      store<u32>(table + prefix * 4, (first << 16) | exceptional | subtable | (size << 8) | tableBits)
    }
    const entry = entryOf(symbol, results, length - tableBits)
    symbol++
    const stride: u32 = 1 << (length - tableBits)
    for (let at = first + (code >> tableBits); at < end; at += stride) store<u32>(table + at * 4, entry)
    if (code == <u32>(1 << length) - 1) return true
    code = after(code, length)
    left--
    while (left == 0) {
      length++
      left = load<u32>(counts + length * 4)
    }
  }
  return false
}

@inline
function refill(): void {
  bits |= load<u64>(next) << have
  next += (63 - have) >> 3
  have |= 56
}

/** At most 56 bits after a refill. */
@inline
function take(count: u32): u32 {
  const value = <u32>bits & ((1 << count) - 1)
  bits >>= <u64>count
  have -= count
  return value
}

function fixedTables(): bool {
  memory.fill(lengths, 8, 144)
  memory.fill(lengths + 144, 9, 112)
  memory.fill(lengths + 256, 7, 24)
  memory.fill(lengths + 280, 8, 8)
  memory.fill(lengths + 288, 5, 32)
  return build(offTable, offBits, lengths + 288, 32, offResults) && build(litTable, litBits, lengths, 288, litResults)
}

/** Reads the code lengths of a block (RFC 1951 3.2.7). */
function dynamicTables(srcEnd: usize): bool {
  const litCount = take(5) + 257
  const offCount = take(5) + 1
  const preCount = take(4) + 4
  if (litCount > 286 || offCount > 30) return false
  memory.fill(lengths, 0, 19)
  for (let i: u32 = 0; i < preCount; i++) {
    refill()
    store<u8>(lengths + load<u8>(preOrder + i), <u8>take(3))
  }
  if (!build(preTable, preBits, lengths, 19, preResults)) return false
  const all = litCount + offCount
  for (let i: u32 = 0; i < all; ) {
    refill()
    if (next > srcEnd + 16) return false
    const entry = load<u32>(preTable + ((<u32>bits & 127) << 2))
    take(entry & 0xff)
    const symbol = entry >> 16
    if (symbol < 16) {
      store<u8>(lengths + i, <u8>symbol)
      i++
      continue
    }
    if (symbol == 16 && i == 0) return false
    const value: u8 = symbol == 16 ? load<u8>(lengths + i - 1) : 0
    const repeat: u32 = symbol == 16 ? 3 + take(2) : symbol == 17 ? 3 + take(3) : 11 + take(7)
    if (i + repeat > all) return false
    memory.fill(lengths + i, value, repeat)
    i += repeat
  }
  return build(offTable, offBits, lengths + litCount, offCount, offResults) && build(litTable, litBits, lengths, litCount, litResults)
}

/** Copies what lies `offset` before `out`; up to 15 bytes behind `end` are written too. */
@inline
function copyMatch(out: usize, end: usize, offset: usize): void {
  let from = out - offset
  if (offset >= 8) {
    do {
      store<u64>(out, load<u64>(from))
      store<u64>(out + 8, load<u64>(from + 8))
      out += 16
      from += 16
    } while (out < end)
  } else if (offset == 1) {
    const eight = <u64>load<u8>(from) * 0x0101_0101_0101_0101
    do {
      store<u64>(out, eight)
      out += 8
    } while (out < end)
  } else {
    do {
      store<u64>(out, load<u64>(from))
      out += offset
      from += offset
    } while (out < end)
  }
}

/** @returns where the output of the block ends; 0 when it is bad */
function inflateCodes(from: usize, dst: usize, dstEnd: usize, srcEnd: usize): usize {
  let input = next
  let hold = bits
  let count = have
  let out = from
  hold |= load<u64>(input) << count
  input += (63 - count) >> 3
  count |= 56
  let entry = load<u32>(litTable + ((<u32>hold & 2047) << 2))
  for (;;) {
    // Here 56 bits are at hand, those of `entry` among them.
    if (input > srcEnd + 16 || out > dstEnd) return 0
    let saved = hold
    hold >>= <u64>(entry & 0xff)
    count -= entry & 0xff
    if (<i32>entry < 0) {
      store<u8>(out, <u8>(entry >> 16))
      out++
      entry = load<u32>(litTable + ((<u32>hold & 2047) << 2))
      saved = hold
      hold >>= <u64>(entry & 0xff)
      count -= entry & 0xff
      if (<i32>entry < 0) {
        store<u8>(out, <u8>(entry >> 16))
        out++
        entry = load<u32>(litTable + ((<u32>hold & 2047) << 2))
        saved = hold
        hold >>= <u64>(entry & 0xff)
        count -= entry & 0xff
        if (<i32>entry < 0) {
          store<u8>(out, <u8>(entry >> 16))
          out++
          entry = load<u32>(litTable + ((<u32>hold & 2047) << 2))
          hold |= load<u64>(input) << count
          input += (63 - count) >> 3
          count |= 56
          continue
        }
      }
    }
    if (entry & exceptional) {
      if (entry & endOfBlock) break
      entry = load<u32>(litTable + (((entry >> 16) + (<u32>hold & ((1 << ((entry >> 8) & 15)) - 1))) << 2))
      saved = hold
      hold >>= <u64>(entry & 0xff)
      count -= entry & 0xff
      if (<i32>entry < 0) {
        store<u8>(out, <u8>(entry >> 16))
        out++
        hold |= load<u64>(input) << count
        input += (63 - count) >> 3
        count |= 56
        entry = load<u32>(litTable + ((<u32>hold & 2047) << 2))
        continue
      }
      if (entry & endOfBlock) break
    }
    const length = (entry >> 16) + (<u32>(saved & ((<u64>1 << (entry & 0xff)) - 1)) >> ((entry >> 8) & 15))
    // An offset takes up to 15 bits and 13 more.
    if (count < 28) {
      hold |= load<u64>(input) << count
      input += (63 - count) >> 3
      count |= 56
    }
    entry = load<u32>(offTable + ((<u32>hold & 255) << 2))
    if (entry & exceptional) {
      hold >>= offBits
      count -= offBits
      entry = load<u32>(offTable + (((entry >> 16) + (<u32>hold & ((1 << ((entry >> 8) & 15)) - 1))) << 2))
    }
    saved = hold
    hold >>= <u64>(entry & 0xff)
    count -= entry & 0xff
    const offset = (entry >> 16) + (<u32>(saved & ((<u64>1 << (entry & 0xff)) - 1)) >> ((entry >> 8) & 15))
    if (length == 0 || offset == 0 || offset > <u32>(out - dst)) return 0
    // Looked up before the copy, so that the two overlap.
    hold |= load<u64>(input) << count
    input += (63 - count) >> 3
    count |= 56
    entry = load<u32>(litTable + ((<u32>hold & 2047) << 2))
    copyMatch(out, out + length, offset)
    out += length
  }
  next = input
  bits = hold
  have = count
  return out
}

/** @returns where the output of the block ends; 0 when it is bad */
function copyStored(out: usize, dstEnd: usize, srcEnd: usize): usize {
  next -= have >> 3
  bits = 0
  have = 0
  if (next + 4 > srcEnd) return 0
  const length = <usize>load<u16>(next)
  next += 4
  if (length != (<usize>load<u16>(next - 2) ^ 0xffff) || next + length > srcEnd || out + length > dstEnd) return 0
  memory.copy(out, next, length)
  next += length
  return out + length
}

/**
 * Inflates `[src, srcEnd)` to `[dst, dstEnd)`. Up to 32 bytes behind `srcEnd` are read, up to 320 behind `dstEnd` written.
 *
 * @returns where the output ends; 0 when the data are bad, end elsewhere than they should, or do not fit
 */
export function inflate(src: usize, srcEnd: usize, dst: usize, dstEnd: usize): usize {
  if (!ready) prepare()
  next = src
  bits = 0
  have = 0
  let out = dst
  for (;;) {
    if (next - (have >> 3) > srcEnd) return 0
    refill()
    const last = take(1)
    const type = take(2)
    if (type == 0) out = copyStored(out, dstEnd, srcEnd)
    else if (type == 3 || !(type == 1 ? fixedTables() : dynamicTables(srcEnd))) return 0
    else out = inflateCodes(out, dst, dstEnd, srcEnd)
    if (out == 0 || out > dstEnd) return 0
    if (last) break
  }
  return next - (have >> 3) == srcEnd ? out : 0
}

/** Where free memory begins. */
export function freeAddress(): usize {
  return __heap_base
}
