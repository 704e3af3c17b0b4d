import { type CramCursor, createCramCursor } from './itf8.ts'

/** How the values of a data series or a tag are written (CRAM 3.1, 12). */
export type CramEncoding =
  | { readonly kind: 'none' }
  /** In an external block of their own, or shared with others. */
  | { readonly kind: 'external'; readonly id: number }
  | { readonly kind: 'huffman'; readonly symbols: readonly number[]; readonly widths: readonly number[] }
  | { readonly kind: 'array-with-length'; readonly lengths: CramEncoding; readonly values: CramEncoding }
  | { readonly kind: 'array-with-stop'; readonly stop: number; readonly id: number }
  | { readonly kind: 'beta'; readonly offset: number; readonly bits: number }
  | { readonly kind: 'subexponential'; readonly offset: number; readonly bits: number }
  | { readonly kind: 'gamma'; readonly offset: number }
  /** Known to the specification and written by nobody. */
  | { readonly kind: 'unsupported'; readonly number: number }

/** What a container says of how its records are written (CRAM 3.1, 8.4). */
export interface CramCompression {
  /** Whether every record has its name; else only those whose mate is elsewhere. */
  readonly hasNames: boolean
  /** Whether positions are written as what the last one grew by. */
  readonly deltaPositions: boolean
  readonly needsReference: boolean
  /** Base read, by the number of the reference's base in `ACGTN` and a code of two bits: at `base * 4 + code`. */
  readonly substitutions: Uint8Array
  /** Combinations of tags that occur, each tag by its key in `tags`. */
  readonly tagLists: readonly (readonly number[])[]
  readonly series: ReadonlyMap<string, CramEncoding>
  /** By name and type: three characters as a number. */
  readonly tags: ReadonlyMap<number, CramEncoding>
}

const bases = 'ACGTN'
/** Arrays in arrays come from damage. */
const deepestEncoding = 4

function readEncoding(cursor: CramCursor, depth = 0): CramEncoding {
  const number = cursor.itf8()
  const length = cursor.itf8()
  const own = createCramCursor(cursor.take(length), `encoding ${number}`)
  if (depth > deepestEncoding) throw cursor.broken('its encodings hold one another')
  switch (number) {
    case 0:
      return { kind: 'none' }
    case 1:
      return { kind: 'external', id: own.itf8() }
    case 3:
      return { kind: 'huffman', symbols: own.array(), widths: own.array() }
    case 4:
      return { kind: 'array-with-length', lengths: readEncoding(own, depth + 1), values: readEncoding(own, depth + 1) }
    case 5:
      return { kind: 'array-with-stop', stop: own.byte(), id: own.itf8() }
    case 6:
      return { kind: 'beta', offset: own.itf8(), bits: own.itf8() }
    case 7:
      return { kind: 'subexponential', offset: own.itf8(), bits: own.itf8() }
    case 9:
      return { kind: 'gamma', offset: own.itf8() }
    default:
      return { kind: 'unsupported', number }
  }
}

function readSubstitutions(codes: Uint8Array): Uint8Array {
  const table = new Uint8Array(20)
  for (const [reference, base] of [...bases].entries()) {
    const others = [...bases].filter((other) => other !== base)
    for (const [at, other] of others.entries()) {
      table[reference * 4 + (((codes[reference] as number) >> (6 - 2 * at)) & 3)] = other.charCodeAt(0)
    }
  }
  return table
}

function readTagLists(bytes: Uint8Array, cursor: CramCursor): number[][] {
  const lists: number[][] = []
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0, at)
    if (end < 0 || (end - at) % 3 !== 0) throw cursor.broken('its dictionary of tags is damaged')
    const list: number[] = []
    for (; at < end; at += 3) list.push(((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number))
    lists.push(list)
    at = end + 1
  }
  return lists
}

function readKey(cursor: CramCursor): string {
  return String.fromCharCode(cursor.byte(), cursor.byte())
}

/**
 * Reads the inflated compression header of a container.
 *
 * @param where how messages name it
 * @throws `invalid-format` when it is damaged, or has entries that CRAM 3.1 does not know.
 */
export function parseCramCompression(bytes: Uint8Array, where: string): CramCompression {
  const cursor = createCramCursor(bytes, `${where}: compression header`)
  const flags = { RN: true, AP: true, RR: true }
  let substitutions: Uint8Array = new Uint8Array(20)
  let tagLists: number[][] = []
  cursor.itf8()
  for (let left = cursor.itf8(); left > 0; left -= 1) {
    const key = readKey(cursor)
    if (key === 'RN' || key === 'AP' || key === 'RR') flags[key] = cursor.byte() !== 0
    else if (key === 'SM') substitutions = readSubstitutions(cursor.take(5))
    else if (key === 'TD') tagLists = readTagLists(cursor.take(cursor.itf8()), cursor)
    else throw cursor.broken(`its preservation map has the unknown key '${key}'`)
  }
  const series = new Map<string, CramEncoding>()
  cursor.itf8()
  for (let left = cursor.itf8(); left > 0; left -= 1) series.set(readKey(cursor), readEncoding(cursor))
  const tags = new Map<number, CramEncoding>()
  cursor.itf8()
  for (let left = cursor.itf8(); left > 0; left -= 1) tags.set(cursor.itf8(), readEncoding(cursor))
  return { hasNames: flags.RN, deltaPositions: flags.AP, needsReference: flags.RR, substitutions, tagLists, series, tags }
}
