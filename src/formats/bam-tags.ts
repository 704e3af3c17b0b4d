import { ScoreError } from '../core/errors.ts'
import type { ArrayTagType, BamTag } from './bam-record.ts'

interface NumberLayout {
  readonly bytes: number
  readonly least: number
  readonly most: number
  read(view: DataView, at: number): number
  write(view: DataView, at: number, value: number): void
}

/** How each number type lies in a record, little-endian (SAMv1 4.2.4). */
const layouts: Record<ArrayTagType, NumberLayout> = {
  c: { bytes: 1, least: -128, most: 127, read: (view, at) => view.getInt8(at), write: (view, at, value) => view.setInt8(at, value) },
  C: { bytes: 1, least: 0, most: 255, read: (view, at) => view.getUint8(at), write: (view, at, value) => view.setUint8(at, value) },
  s: {
    bytes: 2,
    least: -32_768,
    most: 32_767,
    read: (view, at) => view.getInt16(at, true),
    write: (view, at, value) => view.setInt16(at, value, true),
  },
  S: {
    bytes: 2,
    least: 0,
    most: 65_535,
    read: (view, at) => view.getUint16(at, true),
    write: (view, at, value) => view.setUint16(at, value, true),
  },
  i: {
    bytes: 4,
    least: -(2 ** 31),
    most: 2 ** 31 - 1,
    read: (view, at) => view.getInt32(at, true),
    write: (view, at, value) => view.setInt32(at, value, true),
  },
  I: {
    bytes: 4,
    least: 0,
    most: 2 ** 32 - 1,
    read: (view, at) => view.getUint32(at, true),
    write: (view, at, value) => view.setUint32(at, value, true),
  },
  f: {
    bytes: 4,
    least: -Infinity,
    most: Infinity,
    read: (view, at) => view.getFloat32(at, true),
    write: (view, at, value) => view.setFloat32(at, value, true),
  },
}

function layoutOf(type: string): NumberLayout | undefined {
  return Object.hasOwn(layouts, type) ? layouts[type as ArrayTagType] : undefined
}

/** Bytes that the tag takes in a record. */
export function tagBytes(tag: BamTag): number {
  if (tag.type === 'A') return 4
  if (tag.type === 'Z' || tag.type === 'H') return 4 + Buffer.byteLength(tag.value, 'latin1')
  if (tag.type === 'B') return 8 + tag.value.length * layouts[tag.elementType].bytes
  return 3 + layouts[tag.type].bytes
}

function tagRefused(tag: BamTag, rule: string): ScoreError<'invalid-request'> {
  return new ScoreError('invalid-request', `tag ${tag.name}:${tag.type}: ${rule}`)
}

function writeNumber(view: DataView, at: number, tag: BamTag, type: ArrayTagType, value: number): void {
  const layout = layouts[type]
  if (type !== 'f' && !(Number.isInteger(value) && value >= layout.least && value <= layout.most))
    throw tagRefused(tag, `${value} is no whole number from ${layout.least} to ${layout.most}`)
  layout.write(view, at, value)
}

/** Writes the tag at `at`. @returns where the next begins. @throws `invalid-request` for a value that its type cannot hold. */
export function writeTag(bytes: Buffer, view: DataView, at: number, tag: BamTag): number {
  if (!/^[A-Za-z][A-Za-z0-9]$/.test(tag.name)) throw tagRefused(tag, 'a tag name is a letter and a letter or digit')
  bytes[at] = tag.name.charCodeAt(0)
  bytes[at + 1] = tag.name.charCodeAt(1)
  bytes[at + 2] = tag.type.charCodeAt(0)
  switch (tag.type) {
    case 'A':
      if (!/^[!-~]$/.test(tag.value)) throw tagRefused(tag, 'its value is one printable character')
      bytes[at + 3] = tag.value.charCodeAt(0)
      break
    case 'Z':
      if (!/^[ -~]*$/.test(tag.value)) throw tagRefused(tag, 'its value is printable ASCII text')
      bytes.write(tag.value, at + 3, 'latin1')
      bytes[at + 3 + tag.value.length] = 0
      break
    case 'H':
      if (!/^([0-9A-F]{2})*$/.test(tag.value)) throw tagRefused(tag, 'its value is pairs of upper-case hexadecimal digits')
      bytes.write(tag.value, at + 3, 'latin1')
      bytes[at + 3 + tag.value.length] = 0
      break
    case 'B': {
      bytes[at + 3] = tag.elementType.charCodeAt(0)
      view.setUint32(at + 4, tag.value.length, true)
      const width = layouts[tag.elementType].bytes
      for (let index = 0; index < tag.value.length; index += 1)
        writeNumber(view, at + 8 + index * width, tag, tag.elementType, tag.value[index] as number)
      break
    }
    default:
      writeNumber(view, at + 3, tag, tag.type, tag.value)
  }
  return at + tagBytes(tag)
}

/** Reads the tag at `at`, which must end at or before `end`. `undefined` when it does not, or has a type that BAM does not know. */
export function readTag(
  bytes: Buffer,
  view: DataView,
  at: number,
  end: number,
): { readonly tag: BamTag; readonly next: number } | undefined {
  if (at + 4 > end) return undefined
  const name = bytes.toString('latin1', at, at + 2)
  const type = String.fromCharCode(bytes[at + 2] as number)
  if (type === 'A') return { tag: { name, type, value: bytes.toString('latin1', at + 3, at + 4) }, next: at + 4 }
  if (type === 'Z' || type === 'H') {
    const stop = bytes.indexOf(0, at + 3)
    return stop < 0 || stop >= end ? undefined : { tag: { name, type, value: bytes.toString('latin1', at + 3, stop) }, next: stop + 1 }
  }
  if (type === 'B') return readArray(bytes, view, at, end, name)
  const layout = layoutOf(type)
  if (!layout || at + 3 + layout.bytes > end) return undefined
  return { tag: { name, type: type as ArrayTagType, value: layout.read(view, at + 3) }, next: at + 3 + layout.bytes }
}

function readArray(
  bytes: Buffer,
  view: DataView,
  at: number,
  end: number,
  name: string,
): { readonly tag: BamTag; readonly next: number } | undefined {
  if (at + 8 > end) return undefined
  const elementType = String.fromCharCode(bytes[at + 3] as number)
  const layout = layoutOf(elementType)
  const length = view.getUint32(at + 4, true)
  if (!layout || length > (end - at - 8) / layout.bytes) return undefined
  const value = Array.from({ length }, (_, index) => layout.read(view, at + 8 + index * layout.bytes))
  return { tag: { name, type: 'B', elementType: elementType as ArrayTagType, value }, next: at + 8 + length * layout.bytes }
}
