import { createMemorySource } from '../../src/bytes/memory-source.ts'
import { encodeBai } from '../../src/formats/bai.ts'
import type { BamHeader } from '../../src/formats/bam-header.ts'
import { createBamReader } from '../../src/formats/bam-reader.ts'
import type { BamRecord, BamTag } from '../../src/formats/bam-record.ts'
import { decodeBamRecord } from '../../src/formats/bam-record-codec.ts'
import { createBamWriter, type WrittenBam } from '../../src/formats/bam-writer.ts'
import type { BinningScheme } from '../../src/formats/binning.ts'
import type { CigarCode, CigarOperation } from '../../src/formats/cigar.ts'

/** Seeded numbers (mulberry32), so that a failing property test fails again. */
export interface Random {
  /** 0 to below 1. */
  unit(): number
  /** A whole number from 0 to below `limit`. */
  below(limit: number): number
  pick<Item>(items: readonly Item[]): Item
}

export function createRandom(seed: number): Random {
  let state = seed >>> 0
  const unit = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (limit: number): number => Math.floor(unit() * limit)
  return { unit, below, pick: (items) => items[below(items.length)] as (typeof items)[number] }
}

export const fixtureHeader: BamHeader = {
  text: '@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:ctgA\tLN:2000000\n@SQ\tSN:empty\tLN:5000\n@SQ\tSN:HLA:A*01\tLN:400000\n@RG\tID:g1\tSM:s\n@PG\tID:bwa\tPN:bwa\n@CO\tmade by a test\n',
  references: [
    { name: 'ctgA', length: 2_000_000 },
    { name: 'empty', length: 5_000 },
    { name: 'HLA:A*01', length: 400_000 },
  ],
}

/** One tag of each type, at the borders of its values. */
export const everyTag: readonly BamTag[] = [
  { name: 'XA', type: 'A', value: '~' },
  { name: 'Xc', type: 'c', value: -128 },
  { name: 'XC', type: 'C', value: 255 },
  { name: 'Xs', type: 's', value: -32768 },
  { name: 'XS', type: 'S', value: 65535 },
  { name: 'Xi', type: 'i', value: -2147483648 },
  { name: 'XI', type: 'I', value: 4294967295 },
  { name: 'Xf', type: 'f', value: Math.fround(-3.14159274) },
  { name: 'XZ', type: 'Z', value: 'text with spaces: and colons' },
  { name: 'Xz', type: 'Z', value: '' },
  { name: 'XH', type: 'H', value: '1AE301' },
  { name: 'B0', type: 'B', elementType: 'c', value: [-128, 127] },
  { name: 'B1', type: 'B', elementType: 'C', value: [0, 255] },
  { name: 'B2', type: 'B', elementType: 's', value: [-32768, 32767] },
  { name: 'B3', type: 'B', elementType: 'S', value: [0, 65535] },
  { name: 'B4', type: 'B', elementType: 'i', value: [-2147483648, 2147483647] },
  { name: 'B5', type: 'B', elementType: 'I', value: [0, 4294967295] },
  { name: 'B6', type: 'B', elementType: 'f', value: [0.5, 1e10, -0] },
  { name: 'B7', type: 'B', elementType: 'I', value: [] },
]

const readCodes: readonly CigarCode[] = ['M', '=', 'X', 'I']
const betweenCodes: readonly CigarCode[] = ['D', 'N', 'P', 'I']

function randomCigar(random: Random): CigarOperation[] {
  const cigar: CigarOperation[] = []
  if (random.below(4) === 0) cigar.push({ length: 1 + random.below(20), code: random.pick(['S', 'H']) })
  for (let pieces = 1 + random.below(3); pieces > 0; pieces -= 1) {
    cigar.push({ length: 1 + random.below(60), code: random.pick(readCodes) })
    if (pieces > 1) {
      const code = random.pick(betweenCodes)
      cigar.push({ length: 1 + random.below(code === 'N' ? 40_000 : 5), code })
    }
  }
  if (random.below(4) === 0) cigar.push({ length: 1 + random.below(20), code: 'S' })
  return cigar
}

function randomText(random: Random, alphabet: string, length: number): string {
  return Array.from({ length }, () => alphabet[random.below(alphabet.length)]).join('')
}

export function randomRecord(random: Random, place: { readonly referenceId: number; readonly position: number }): BamRecord {
  const unmapped = place.referenceId < 0 || random.below(12) === 0
  const cigar = unmapped || random.below(30) === 0 ? [] : randomCigar(random)
  const bases = cigar.reduce((sum, { length, code }) => sum + ('MIS=X'.includes(code) ? length : 0), 0)
  const length = random.below(20) === 0 ? 0 : cigar.length > 0 ? bases : random.below(90)
  const qualities = length > 0 && random.below(10) > 0 ? Uint8Array.from({ length }, () => random.below(94)) : undefined
  const mateReferenceId = random.pick([-1, 0, 2, place.referenceId])
  return {
    name: random.below(50) === 0 ? '*' : `read:${random.below(1e9)}`,
    flags: (unmapped ? 4 : 0) | (random.below(2) << 4) | (random.below(10) === 0 ? 0x400 : 0) | random.pick([0, 0x41, 0x81]),
    ...place,
    mappingQuality: random.below(256),
    cigar,
    mateReferenceId,
    matePosition: mateReferenceId < 0 ? -1 : random.below(1000),
    templateLength: random.below(2000) - 1000,
    sequence: randomText(random, '=ACMGRSVTWYHKDBN', length),
    ...(qualities && { qualities }),
    tags: everyTag.filter(() => random.below(6) === 0),
  }
}

/** Records in coordinate order: `count` placed ones, dense and sparse stretches, then a tenth as many without a place. */
export function sortedRecords(random: Random, count: number, references = fixtureHeader.references): BamRecord[] {
  const records: BamRecord[] = []
  for (const [referenceId, { name, length }] of references.entries()) {
    if (name === 'empty') continue
    const dense = random.below(length)
    const positions = Array.from({ length: Math.round(count / 2) }, () =>
      random.below(3) === 0 ? Math.min(length - 1, dense + random.below(20_000)) : random.below(length),
    ).sort((a, b) => a - b)
    for (const position of positions) records.push(randomRecord(random, { referenceId, position }))
  }
  for (let left = Math.round(count / 10); left > 0; left -= 1) records.push(randomRecord(random, { referenceId: -1, position: -1 }))
  return records
}

export interface MadeBam extends WrittenBam {
  readonly bam: Uint8Array
  readonly bai: Uint8Array
}

/** @param csiScheme makes `index` one for CSI; `bai` is empty then. */
export async function makeBam(
  records: readonly (BamRecord | Uint8Array)[],
  header = fixtureHeader,
  level = 6,
  csiScheme?: BinningScheme,
): Promise<MadeBam> {
  const pieces: Uint8Array[] = []
  const writer = createBamWriter((bytes) => void pieces.push(bytes), { header, level, ...(csiScheme && { csiScheme }) })
  for (const record of records) await writer.write(record)
  const written = await writer.finish()
  return { ...written, bam: Buffer.concat(pieces), bai: csiScheme ? new Uint8Array(0) : encodeBai(written.index) }
}

export async function readAll(bam: Uint8Array, name?: string): Promise<BamRecord[]> {
  const records: BamRecord[] = []
  for await (const { bytes } of createBamReader(createMemorySource(bam), name ? { name } : {}).records())
    records.push(decodeBamRecord(bytes))
  return records
}
