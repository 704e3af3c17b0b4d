import { ScoreError } from '../core/errors.ts'
import { type BamRecord, type BamTag, recordFlags } from './bam-record.ts'
import { readTag, tagBytes, writeTag } from './bam-tags.ts'
import { regionToBin } from './binning.ts'
import {
  type CigarOperation,
  maximumCigarOperations,
  maximumOperationLength,
  packOperation,
  readLength,
  referenceBases,
  referenceLength,
  unpackOperation,
} from './cigar.ts'

/** Bases in the order of their four-bit numbers (SAMv1 4.2). */
const bases = '=ACMGRSVTWYHKDBN'
const fixedBytes = 36
const missingQuality = 0xff
/** Numbers of bases in BAM, by character; 15 (`N`) for what is none. */
export const baseNumbers = new Uint8Array(128).fill(15)
for (let number = 0; number < 16; number += 1) {
  baseNumbers[bases.charCodeAt(number)] = number
  baseNumbers[bases.toLowerCase().charCodeAt(number)] = number
}

/** The fields that placing and filtering need, read without making a {@link BamRecord}. */
export interface RecordCore {
  readonly referenceId: number
  readonly position: number
  /** Zero-based, first base behind the alignment, as samtools reckons it: at least `position + 1`, exactly that when unmapped. */
  readonly end: number
  readonly flags: number
}

function refuse(record: BamRecord, rule: string): never {
  throw new ScoreError('invalid-request', `record '${record.name}': ${rule}`)
}

function checkWhole(record: BamRecord, field: keyof BamRecord & string, least: number, most: number): void {
  const value = record[field]
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most)
    refuse(record, `${field} is ${String(value)}, not a whole number from ${least} to ${most}`)
}

const int32 = 2 ** 31 - 1

function checkRecord(record: BamRecord): void {
  const { name, cigar, sequence, qualities } = record
  checkWhole(record, 'flags', 0, 0xffff)
  checkWhole(record, 'mappingQuality', 0, 255)
  checkWhole(record, 'templateLength', -int32 - 1, int32)
  checkWhole(record, 'referenceId', -1, int32)
  checkWhole(record, 'position', -1, int32)
  checkWhole(record, 'mateReferenceId', -1, int32)
  checkWhole(record, 'matePosition', -1, int32)
  if (!/^[!-~]{1,254}$/.test(name)) refuse(record, 'a name is 1 to 254 printable characters without spaces')
  if (qualities && qualities.length !== sequence.length) refuse(record, `${qualities.length} qualities for ${sequence.length} bases`)
  if (cigar.some(({ length }) => length > maximumOperationLength))
    refuse(record, `a CIGAR operation is longer than ${maximumOperationLength}`)
  if (cigar.length > 0 && sequence !== '' && readLength(cigar) !== sequence.length)
    refuse(record, `its CIGAR accounts for ${readLength(cigar)} bases of the read, which has ${sequence.length}`)
  if (cigar.length > maximumCigarOperations && sequence === '')
    refuse(record, `a CIGAR of more than ${maximumCigarOperations} operations needs a sequence`)
}

/** A CIGAR too long for its field goes to a `CG` tag; the field then only says how long read and alignment are (SAMv1 4.2.2). */
function placeCigar(record: BamRecord): { readonly cigar: readonly CigarOperation[]; readonly tags: readonly BamTag[] } {
  if (record.cigar.length <= maximumCigarOperations) return record
  return {
    cigar: [
      { length: record.sequence.length, code: 'S' },
      { length: referenceLength(record.cigar), code: 'N' },
    ],
    tags: [...record.tags, { name: 'CG', type: 'B', elementType: 'I', value: record.cigar.map(packOperation) }],
  }
}

/**
 * A record's bytes, its own length field first (SAMv1 4.2).
 *
 * @throws `invalid-request` when BAM cannot hold it: a bad name or tag, qualities or CIGAR that do not fit the sequence.
 */
export function encodeBamRecord(record: BamRecord): Uint8Array {
  checkRecord(record)
  const { cigar, tags } = placeCigar(record)
  const { name, sequence, qualities, position } = record
  const span = (record.flags & recordFlags.unmapped) !== 0 ? 1 : Math.max(1, referenceLength(cigar))
  let size = fixedBytes + name.length + 1 + cigar.length * 4 + ((sequence.length + 1) >> 1) + sequence.length
  for (const tag of tags) size += tagBytes(tag)
  const bytes = Buffer.allocUnsafe(size)
  const view = new DataView(bytes.buffer, bytes.byteOffset, size)
  view.setInt32(0, size - 4, true)
  view.setInt32(4, record.referenceId, true)
  view.setInt32(8, position, true)
  view.setUint8(12, name.length + 1)
  view.setUint8(13, record.mappingQuality)
  // A placeless record has the bin of [-1, 0): 4680 (SAMv1 4.2.1). Behind 512 Mi bases the field has no meaning.
  view.setUint16(14, position < 0 ? 4680 : regionToBin(position, position + span) & 0xffff, true)
  view.setUint16(16, cigar.length, true)
  view.setUint16(18, record.flags, true)
  view.setInt32(20, sequence.length, true)
  view.setInt32(24, record.mateReferenceId, true)
  view.setInt32(28, record.matePosition, true)
  view.setInt32(32, record.templateLength, true)
  let at = fixedBytes
  bytes.write(name, at, 'latin1')
  at += name.length
  bytes[at++] = 0
  for (const operation of cigar) {
    view.setUint32(at, packOperation(operation), true)
    at += 4
  }
  at = packSequence(bytes, at, sequence)
  if (qualities) bytes.set(qualities, at)
  else bytes.fill(missingQuality, at, at + sequence.length)
  at += sequence.length
  for (const tag of tags) at = writeTag(bytes, view, at, tag)
  return bytes
}

function packSequence(bytes: Buffer, from: number, sequence: string): number {
  let at = from
  for (let index = 0; index + 1 < sequence.length; index += 2) {
    bytes[at++] =
      ((baseNumbers[sequence.charCodeAt(index) & 127] as number) << 4) | (baseNumbers[sequence.charCodeAt(index + 1) & 127] as number)
  }
  if (sequence.length & 1) bytes[at++] = (baseNumbers[sequence.charCodeAt(sequence.length - 1) & 127] as number) << 4
  return at
}

/** Reads place, end and flags of the encoded record that begins at `at`; its bytes must be whole. */
export function readRecordCore(view: DataView, at = 0): RecordCore {
  const position = view.getInt32(at + 8, true)
  const flags = view.getUint16(at + 18, true)
  let span = 0
  if ((flags & recordFlags.unmapped) === 0) {
    const first = at + fixedBytes + view.getUint8(at + 12)
    const last = first + view.getUint16(at + 16, true) * 4
    for (let operation = first; operation < last; operation += 4) span += referenceBases(view.getUint32(operation, true))
  }
  return { referenceId: view.getInt32(at + 4, true), position, end: position + Math.max(1, span), flags }
}

/**
 * The record in `bytes`, which hold it whole and nothing else, its length field first.
 *
 * @param where how a message names the place, e.g. `x.bam: record at 1234:56`.
 * @throws `invalid-format` when its parts do not fit its length.
 */
export function decodeBamRecord(bytes: Uint8Array, where = 'BAM record'): BamRecord {
  const broken = (what: string): never => {
    throw new ScoreError('invalid-format', `${where}: ${what}`)
  }
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (data.length < fixedBytes || view.getInt32(0, true) !== data.length - 4) broken(`its length field does not say ${data.length - 4}`)
  const nameLength = view.getUint8(12)
  const operations = view.getUint16(16, true)
  const length = view.getInt32(20, true)
  const cigarAt = fixedBytes + nameLength
  const sequenceAt = cigarAt + operations * 4
  const qualitiesAt = sequenceAt + ((length + 1) >> 1)
  const tagsAt = qualitiesAt + length
  if (nameLength < 1 || length < 0 || tagsAt > data.length) broken(`name, CIGAR and ${length} bases do not fit its ${data.length} bytes`)
  if (data[cigarAt - 1] !== 0) broken('its name does not end with NUL')
  const cigar: CigarOperation[] = []
  for (let at = cigarAt; at < sequenceAt; at += 4)
    cigar.push(unpackOperation(view.getUint32(at, true)) ?? broken('unknown CIGAR operation'))
  const tags: BamTag[] = []
  for (let at = tagsAt; at < data.length; ) {
    const { tag, next } = readTag(data, view, at, data.length) ?? broken(`the tag at its byte ${at} is cut off or of unknown type`)
    tags.push(tag)
    at = next
  }
  const record: BamRecord = {
    name: data.toString('latin1', fixedBytes, cigarAt - 1),
    flags: view.getUint16(18, true),
    referenceId: view.getInt32(4, true),
    position: view.getInt32(8, true),
    mappingQuality: view.getUint8(13),
    mateReferenceId: view.getInt32(24, true),
    matePosition: view.getInt32(28, true),
    templateLength: view.getInt32(32, true),
    sequence: unpackSequence(data, sequenceAt, length),
    ...(length > 0 && data[qualitiesAt] !== missingQuality && { qualities: new Uint8Array(data.subarray(qualitiesAt, tagsAt)) }),
    ...restoreCigar(cigar, tags, length, broken),
  }
  return record
}

function unpackSequence(data: Buffer, at: number, length: number): string {
  let sequence = ''
  for (let index = 0; index < length; index += 1) {
    const pair = data[at + (index >> 1)] as number
    sequence += bases[index & 1 ? pair & 15 : pair >> 4]
  }
  return sequence
}

/** The reverse of {@link placeCigar}: only a placeholder over the whole read makes `CG` the CIGAR (SAMv1 4.2.2). */
function restoreCigar(
  cigar: readonly CigarOperation[],
  tags: readonly BamTag[],
  length: number,
  broken: (what: string) => never,
): Pick<BamRecord, 'cigar' | 'tags'> {
  const first = cigar[0]
  if (first?.code !== 'S' || first.length !== length || cigar[1]?.code !== 'N' || cigar.length !== 2) return { cigar, tags }
  const long = tags.find((tag) => tag.name === 'CG')
  if (long?.type !== 'B' || long.elementType !== 'I') return { cigar, tags }
  return {
    cigar: Array.from(long.value, (packed) => unpackOperation(packed) ?? broken('unknown CIGAR operation in its CG tag')),
    tags: tags.filter((tag) => tag !== long),
  }
}
