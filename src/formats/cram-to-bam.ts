import { ScoreError } from '../core/errors.ts'
import { recordFlags } from './bam-record.ts'
import { baseNumbers } from './bam-record-codec.ts'
import { regionToBin } from './binning.ts'
import { maximumCigarOperations, referenceBases } from './cigar.ts'
import type { CramMate } from './cram-mates.ts'
import { type AlignedRead, alignRead, type ReferenceWindow } from './cram-read.ts'
import type { CramRecord } from './cram-records.ts'

/** What the records of a slice share. */
export interface CramToBamContext {
  readonly records: readonly CramRecord[]
  readonly mates: readonly CramMate[]
  /** Records of the file before the slice. */
  readonly recordCounter: number
  readonly substitutions: Uint8Array
  /** Ids of the `@RG` lines as bytes, in order. */
  readonly readGroups: readonly Uint8Array[]
  /** What made-up names begin with; their record's number follows a colon. */
  readonly namePrefix: string
  /** The reference under a record; absent where the file needs none, and `MD` and `NM` are not made then. */
  readonly windowOf: (referenceId: number) => ReferenceWindow | undefined
  /** How messages name the slice. */
  readonly where: string
}

const fixedBytes = 36
const missingQuality = 0xff
/** The bin of reads without a place (SAMv1 4.2.1). */
const placelessBin = 4680

function keyOf(name: string): number {
  return (name.charCodeAt(0) << 8) | name.charCodeAt(1)
}

const [differencesKey, distanceKey, groupKey] = [keyOf('MD'), keyOf('NM'), keyOf('RG')]

/** A tag to be written: name, type, the bytes of its value, and whether the NUL is missing that ends a text. */
interface PlannedTag {
  readonly name: number
  readonly type: number
  readonly value: Uint8Array
  readonly ending: 0 | 1
}

const [text, hexadecimal, bytesType] = [...'ZHB'].map((type) => type.charCodeAt(0)) as [number, number, number]

/** The smallest unsigned number that holds the distance, as htslib writes it. */
function distanceTag(count: number): PlannedTag {
  const value = Buffer.alloc(4)
  value.writeUInt32LE(count)
  const [type, bytes] = count <= 0xff ? (['C', 1] as const) : count <= 0xffff ? (['S', 2] as const) : (['I', 4] as const)
  return { name: distanceKey, type: type.charCodeAt(0), value: value.subarray(0, bytes), ending: 0 }
}

/** The tags as htslib orders them: those of the file, then `MD` and `NM` where they were not stored, then the read group. */
function tagsOf(record: CramRecord, read: AlignedRead | undefined, context: CramToBamContext): PlannedTag[] {
  const tags: PlannedTag[] = []
  let [hasDifferences, hasDistance] = [false, false]
  for (const { key, value } of record.tags) {
    const [name, type] = [key >> 8, key & 0xff]
    hasDifferences ||= name === differencesKey
    hasDistance ||= name === distanceKey
    tags.push({ name, type, value, ending: (type === text || type === hexadecimal) && value[value.length - 1] !== 0 ? 1 : 0 })
  }
  if (read?.differences) {
    const { text: differences, count } = read.differences
    if (!hasDifferences) tags.push({ name: differencesKey, type: text, value: Buffer.from(differences, 'latin1'), ending: 1 })
    if (!hasDistance) tags.push(distanceTag(count))
  }
  if (record.readGroup >= 0) {
    const value = context.readGroups[record.readGroup]
    if (!value)
      throw new ScoreError(
        'invalid-format',
        `${context.where}: a record is of read group ${record.readGroup}; the header has ${context.readGroups.length}`,
      )
    tags.push({ name: groupKey, type: text, value, ending: 1 })
  }
  return tags
}

function writeTags(bytes: Uint8Array, from: number, tags: readonly PlannedTag[]): void {
  let at = from
  for (const { name, type, value, ending } of tags) {
    bytes[at] = name >> 8
    bytes[at + 1] = name & 0xff
    bytes[at + 2] = type
    bytes.set(value, at + 3)
    at += 3 + value.length
    if (ending) bytes[at++] = 0
  }
}

/** A name as stored, or the mate's, or one made of the number of the template's first record. */
function nameOf(number: number, context: CramToBamContext): Uint8Array {
  const { records, mates, recordCounter, namePrefix } = context
  const next = (mates[number] as CramMate).next
  const own = records[number]?.name ?? records[next]?.name
  const text = own && own.at(-1) === 0 ? own.subarray(0, -1) : own
  if (text && text.length > 0) return text
  const first = next >= 0 && next < number ? next : number
  return Buffer.from(`${namePrefix}:${recordCounter + first + 1}`)
}

function packSequence(bytes: Uint8Array, from: number, sequence: Uint8Array): void {
  const whole = sequence.length & ~1
  let to = from
  for (let at = 0; at < whole; at += 2)
    bytes[to++] =
      ((baseNumbers[(sequence[at] as number) & 127] as number) << 4) | (baseNumbers[(sequence[at + 1] as number) & 127] as number)
  if (whole < sequence.length) bytes[to] = (baseNumbers[(sequence[whole] as number) & 127] as number) << 4
}

/** Operations that a record's own field cannot hold go to a `CG` tag (SAMv1 4.2.2). */
function placeOperations(cigar: readonly number[], length: number, span: number): { cigar: readonly number[]; tag?: PlannedTag } {
  if (cigar.length <= maximumCigarOperations) return { cigar }
  const value = Buffer.alloc(5 + cigar.length * 4)
  value.write('I', 'latin1')
  value.writeUInt32LE(cigar.length, 1)
  for (const [at, operation] of cigar.entries()) value.writeUInt32LE(operation, 5 + at * 4)
  return { cigar: [((length << 4) | 4) >>> 0, ((span << 4) | 3) >>> 0], tag: { name: keyOf('CG'), type: bytesType, value, ending: 0 } }
}

/** Bases of the reference under the packed operations. */
function spanOf(cigar: readonly number[]): number {
  let span = 0
  for (const operation of cigar) span += referenceBases(operation)
  return span
}

/** A record's flags, places and mapping quality as BAM has them, and nothing else of it. No reference is needed. */
export function cramPlaceToBam(record: CramRecord, mate: CramMate): Uint8Array {
  const bytes = new Uint8Array(fixedBytes + 2)
  const view = new DataView(bytes.buffer)
  writeFixed(view, { record, mate, nameLength: 1, operations: 0, bases: 0, span: record.last - record.position + 1 })
  bytes[fixedBytes] = '*'.charCodeAt(0)
  return bytes
}

interface FixedFields {
  readonly record: CramRecord
  readonly mate: CramMate
  readonly nameLength: number
  readonly operations: number
  readonly bases: number
  /** Bases of the reference that it covers. */
  readonly span: number
}

/** The fields of fixed length, those of a record that takes all of the view (SAMv1 4.2). */
function writeFixed(view: DataView, { record, mate, nameLength, operations, bases, span }: FixedFields): void {
  const position = record.position - 1
  view.setInt32(0, view.byteLength - 4, true)
  view.setInt32(4, record.referenceId, true)
  view.setInt32(8, position, true)
  view.setUint8(12, nameLength + 1)
  view.setUint8(13, record.mappingQuality)
  view.setUint16(14, position < 0 ? placelessBin : regionToBin(position, position + Math.max(1, span)) & 0xffff, true)
  view.setUint16(16, operations, true)
  view.setUint16(18, mate.flags, true)
  view.setInt32(20, bases, true)
  view.setInt32(24, mate.mateReferenceId, true)
  view.setInt32(28, mate.matePosition - 1, true)
  view.setInt32(32, mate.templateLength, true)
}

/** A record of a slice as BAM has it, its own length field first. @throws `invalid-format` when BAM cannot hold it. */
export function cramRecordToBam(number: number, context: CramToBamContext): Uint8Array {
  const record = context.records[number] as CramRecord
  const mate = context.mates[number] as CramMate
  const mapped = (mate.flags & recordFlags.unmapped) === 0
  const read = mapped ? alignRead(record, context.windowOf(record.referenceId), context.substitutions) : undefined
  const sequence = read ? read.sequence : record.bases
  const span = read ? spanOf(read.cigar) : 0
  const { cigar, tag } = placeOperations(read ? read.cigar : [], sequence.length, span)
  const tags = tagsOf(record, read, context)
  if (tag) tags.push(tag)
  const name = nameOf(number, context)
  if (name.length > 254)
    throw new ScoreError('invalid-format', `${context.where}: record ${number} has a name of ${name.length} characters`)
  const cigarAt = fixedBytes + name.length + 1
  const sequenceAt = cigarAt + cigar.length * 4
  const qualitiesAt = sequenceAt + ((sequence.length + 1) >> 1)
  const tagsAt = qualitiesAt + sequence.length
  let size = tagsAt
  for (const { value, ending } of tags) size += 3 + value.length + ending
  const bytes = new Uint8Array(size)
  const view = new DataView(bytes.buffer)
  writeFixed(view, { record, mate, nameLength: name.length, operations: cigar.length, bases: sequence.length, span })
  bytes.set(name, fixedBytes)
  for (let at = 0; at < cigar.length; at += 1) view.setUint32(cigarAt + at * 4, cigar[at] as number, true)
  packSequence(bytes, sequenceAt, sequence)
  const qualities = read ? read.qualities : record.qualities
  if (qualities && qualities.length === sequence.length) bytes.set(qualities, qualitiesAt)
  else bytes.fill(missingQuality, qualitiesAt, tagsAt)
  writeTags(bytes, tagsAt, tags)
  return bytes
}
