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
  /** Ids of the `@RG` lines, in order. */
  readonly readGroups: readonly string[]
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

const [differencesKey, distanceKey] = [keyOf('MD'), keyOf('NM')]

/** A text value, with the NUL that ends it. */
function endedText(value: Uint8Array): Uint8Array {
  return value.at(-1) === 0 ? value : Buffer.concat([value, Uint8Array.of(0)])
}

function tagBytes(name: number, type: string, value: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(name >> 8, name & 255, type.charCodeAt(0)), value])
}

/** The smallest unsigned number that holds the distance, as htslib writes it. */
function distanceTag(count: number): Uint8Array {
  const value = Buffer.alloc(4)
  value.writeUInt32LE(count)
  if (count <= 0xff) return tagBytes(distanceKey, 'C', value.subarray(0, 1))
  return count <= 0xffff ? tagBytes(distanceKey, 'S', value.subarray(0, 2)) : tagBytes(distanceKey, 'I', value)
}

/** The tags as htslib orders them: those of the file, then `MD` and `NM` where they were not stored, then the read group. */
function tagsOf(record: CramRecord, read: AlignedRead | undefined, context: CramToBamContext): Uint8Array[] {
  const tags: Uint8Array[] = []
  const stored = new Set<number>()
  for (const { key, value } of record.tags) {
    const type = String.fromCharCode(key & 255)
    stored.add(key >> 8)
    tags.push(tagBytes(key >> 8, type, type === 'Z' || type === 'H' ? endedText(value) : value))
  }
  if (read?.differences) {
    const { text, count } = read.differences
    if (!stored.has(differencesKey)) tags.push(tagBytes(differencesKey, 'Z', Buffer.from(`${text}\0`)))
    if (!stored.has(distanceKey)) tags.push(distanceTag(count))
  }
  const group = context.readGroups[record.readGroup]
  if (record.readGroup >= 0 && group === undefined)
    throw new ScoreError(
      'invalid-format',
      `${context.where}: a record is of read group ${record.readGroup}; the header has ${context.readGroups.length}`,
    )
  if (group !== undefined) tags.push(tagBytes(keyOf('RG'), 'Z', Buffer.from(`${group}\0`)))
  return tags
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
  for (let at = 0; at < sequence.length; at += 2) {
    const high = baseNumbers[(sequence[at] as number) & 127] as number
    const low = at + 1 < sequence.length ? (baseNumbers[(sequence[at + 1] as number) & 127] as number) : 0
    bytes[from + (at >> 1)] = (high << 4) | low
  }
}

/** Operations that a record's own field cannot hold go to a `CG` tag (SAMv1 4.2.2). */
function placeOperations(cigar: readonly number[], length: number, span: number): { cigar: readonly number[]; tag?: Uint8Array } {
  if (cigar.length <= maximumCigarOperations) return { cigar }
  const value = Buffer.alloc(5 + cigar.length * 4)
  value.write('I', 'latin1')
  value.writeUInt32LE(cigar.length, 1)
  for (const [at, operation] of cigar.entries()) value.writeUInt32LE(operation, 5 + at * 4)
  return { cigar: [((length << 4) | 4) >>> 0, ((span << 4) | 3) >>> 0], tag: tagBytes(keyOf('CG'), 'B', value) }
}

/** A record of a slice as BAM has it, its own length field first. @throws `invalid-format` when BAM cannot hold it. */
export function cramRecordToBam(number: number, context: CramToBamContext): Uint8Array {
  const record = context.records[number] as CramRecord
  const mate = context.mates[number] as CramMate
  const mapped = (mate.flags & recordFlags.unmapped) === 0
  const read = mapped ? alignRead(record, context.windowOf(record.referenceId), context.substitutions) : undefined
  const sequence = read?.sequence ?? record.bases
  const span = (read?.cigar ?? []).reduce((sum, operation) => sum + referenceBases(operation), 0)
  const { cigar, tag } = placeOperations(read?.cigar ?? [], sequence.length, span)
  const tags = [...tagsOf(record, read, context), ...(tag ? [tag] : [])]
  const name = nameOf(number, context)
  if (name.length > 254)
    throw new ScoreError('invalid-format', `${context.where}: record ${number} has a name of ${name.length} characters`)
  const sequenceAt = fixedBytes + name.length + 1 + cigar.length * 4
  const qualitiesAt = sequenceAt + ((sequence.length + 1) >> 1)
  const tagsAt = qualitiesAt + sequence.length
  const bytes = Buffer.allocUnsafe(tags.reduce((sum, { length }) => sum + length, tagsAt))
  const position = record.position - 1
  bytes.writeInt32LE(bytes.length - 4)
  bytes.writeInt32LE(record.referenceId, 4)
  bytes.writeInt32LE(position, 8)
  bytes[12] = name.length + 1
  bytes[13] = record.mappingQuality
  bytes.writeUInt16LE(position < 0 ? placelessBin : regionToBin(position, position + Math.max(1, span)) & 0xffff, 14)
  bytes.writeUInt16LE(cigar.length, 16)
  bytes.writeUInt16LE(mate.flags & 0xffff, 18)
  bytes.writeInt32LE(sequence.length, 20)
  bytes.writeInt32LE(mate.mateReferenceId, 24)
  bytes.writeInt32LE(mate.matePosition - 1, 28)
  bytes.writeInt32LE(mate.templateLength, 32)
  bytes.set(name, fixedBytes)
  bytes[fixedBytes + name.length] = 0
  for (const [at, operation] of cigar.entries()) bytes.writeUInt32LE(operation, fixedBytes + name.length + 1 + at * 4)
  packSequence(bytes, sequenceAt, sequence)
  const qualities = read ? read.qualities : record.qualities
  if (qualities && qualities.length === sequence.length) bytes.set(qualities, qualitiesAt)
  else bytes.fill(missingQuality, qualitiesAt, tagsAt)
  let at = tagsAt
  for (const one of tags) {
    bytes.set(one, at)
    at += one.length
  }
  return bytes
}
