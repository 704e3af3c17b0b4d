import { createHash } from 'node:crypto'
import { createRandom, type Random } from './bam-fixture.ts'

/** A genome and reads of it as SAM text, with everything in it that CRAM writes in a way of its own. */
export interface CramFixture {
  readonly fasta: string
  readonly fai: string
  /** Header and reads, sorted by place. */
  readonly sam: string
  readonly references: readonly { readonly name: string; readonly bases: string }[]
}

/** MD5 of a sequence as CRAM reckons it. */
export function sequenceSum(bases: string): string {
  return createHash('md5').update(bases.toUpperCase()).digest('hex')
}

const lineBases = 70

function randomBases(random: Random, length: number): string {
  let bases = ''
  while (bases.length < length) {
    const kind = random.below(40)
    if (kind === 0) bases += 'N'.repeat(1 + random.below(12))
    else if (kind === 1) bases += random.pick(['R', 'Y', 'M'])
    else {
      const piece = Array.from({ length: 100 }, () => random.pick(['A', 'C', 'G', 'T'])).join('')
      bases += kind < 6 ? piece.toLowerCase() : piece
    }
  }
  return bases.slice(0, length)
}

/** A read as its columns, and where it belongs. */
interface MadeRead {
  readonly reference: number
  readonly position: number
  readonly columns: readonly (string | number)[]
}

interface Alignment {
  readonly sequence: string
  readonly cigar: string
  /** Bases of the reference that it covers. */
  readonly covered: number
}

/** Reads off a stretch of the reference, with clips, gaps, insertions, skips, paddings and wrong bases. */
function align(random: Random, reference: string, position: number, length: number): Alignment {
  let sequence = ''
  let at = position
  const cigar: { length: number; code: string }[] = []
  const add = (count: number, code: string): void => {
    const last = cigar.at(-1)
    if (last?.code === code) last.length += count
    else cigar.push({ length: count, code })
  }
  const invent = (count: number): string => Array.from({ length: count }, () => random.pick(['A', 'C', 'G', 'T'])).join('')
  if (random.below(30) === 0) add(1 + random.below(20), 'H')
  if (random.below(10) === 0) {
    const count = 1 + random.below(20)
    sequence += invent(count)
    add(count, 'S')
  }
  while (sequence.length < length && at < reference.length) {
    const kind = cigar.at(-1)?.code === 'M' ? random.below(2500) : 2500
    if (kind < 10) {
      const count = 1 + random.below(6)
      add(count, 'D')
      at += count
    } else if (kind < 20) {
      const count = random.pick([1, 1, 1, 2, 5])
      sequence += invent(count)
      add(count, 'I')
    } else if (kind < 22 && at + 3000 < reference.length) {
      const count = 50 + random.below(2000)
      add(count, 'N')
      at += count
    } else if (kind < 23) add(1 + random.below(3), 'P')
    else {
      const base = (reference[at] as string).toUpperCase()
      sequence += random.below(80) === 0 ? random.pick([...'ACGTNRYM']) : base
      add(1, 'M')
      at += 1
    }
  }
  while (!'MSH'.includes(cigar.at(-1)?.code ?? 'M')) {
    const last = cigar.pop() as (typeof cigar)[number]
    if (last.code === 'I') sequence = sequence.slice(0, -last.length)
    if (last.code === 'D' || last.code === 'N') at -= last.length
  }
  if (random.below(10) === 0) {
    const count = 1 + random.below(15)
    sequence += invent(count)
    add(count, 'S')
  }
  return { sequence, cigar: cigar.map(({ length: count, code }) => `${count}${code}`).join(''), covered: at - position }
}

function qualities(random: Random, length: number): string {
  return Array.from({ length }, () => random.pick(['#', ',', ':', 'F'])).join('')
}

function tags(random: Random): string[] {
  const some: (readonly [chance: number, make: () => string])[] = [
    [0.9, () => `RG:Z:${random.pick(['g1', 'g2'])}`],
    [0.4, () => `AS:i:${random.below(300)}`],
    [0.2, () => `XS:i:${random.pick([-2_147_483_648, -32_769, -129, -1, 0, 127, 255, 256, 65_535, 65_536, 4_294_967_295])}`],
    [0.1, () => `XA:A:${random.pick(['x', 'y', '~'])}`],
    [0.1, () => `XF:f:${random.pick(['1.5', '-0.25', '3.14159', '1e+10', '0'])}`],
    [0.1, () => 'XH:H:1AE301'],
    [0.1, () => `XB:B:${random.pick(['c,-128,127', 'C,0,255', 's,-300,5', 'S,60000', 'i,-70000,1', 'I,4000000000', 'f,1.5,-2'])}`],
    [0.2, () => `XZ:Z:${Array.from({ length: random.below(12) }, () => random.pick([...'abc def;:'])).join('')}`],
    [0.05, () => 'NM:i:77'],
    [0.05, () => 'MD:Z:made up'],
  ]
  const made = some.filter(([chance]) => random.unit() < chance).map(([, make]) => make())
  return random.below(2) === 0 ? made : made.reverse()
}

const otherEnd = (reference: number): number => (reference === 0 ? 2 : 0)

/** A template of one of the kinds that there are. */
function makeTemplate(random: Random, names: readonly string[], bases: readonly string[], name: string): MadeRead[] {
  const reference = random.below(5) === 0 ? 2 : 0
  const own = bases[reference] as string
  const position = random.below(own.length - 700)
  const first = align(random, own, position, random.pick([100, 100, 60]))
  const mapped = (
    ...[flags, where, at, read, mateName, matePosition, length, quality = 60]: [
      number,
      number,
      number,
      Alignment,
      string,
      number,
      number,
      number?,
    ]
  ): MadeRead => ({
    reference: where,
    position: at,
    columns: [
      name,
      flags,
      names[where] as string,
      at + 1,
      quality,
      read.cigar,
      mateName,
      matePosition,
      length,
      read.sequence,
      qualities(random, read.sequence.length),
      ...tags(random),
    ],
  })
  const kind = random.unit()
  if (kind < 0.7) {
    const mateAt = Math.min(own.length - 200, position + (random.below(8) === 0 ? 0 : random.below(600)))
    const second = align(random, own, mateAt, 100)
    const length = Math.max(position + first.covered, mateAt + second.covered) - position
    const [left = 0, right = 0] = random.pick([
      [99, 147],
      [83, 163],
      [97, 145],
      [65, 129],
      [113, 177],
      [1123, 1171],
    ])
    // The second read of a pair is as often the left one.
    const [flags, mateFlags] = random.below(2) === 0 ? [left, right] : [left ^ 0xc0, right ^ 0xc0]
    const reads = [
      mapped(flags, reference, position, first, '=', mateAt + 1, random.below(10) === 0 ? 5 : length),
      mapped(mateFlags, reference, mateAt, second, '=', position + 1, -length, random.below(60)),
    ]
    if (random.below(10) === 0) reads.push(mapped(flags | 0x800, reference, position, first, '=', mateAt + 1, length))
    if (random.below(10) === 0) {
      const { columns, ...place } = mapped(flags | 0x100, reference, position, first, '=', mateAt + 1, length, 0)
      reads.push({ ...place, columns: [...columns.slice(0, 9), '*', '*', ...columns.slice(11)] })
    }
    return reads
  }
  const loose = (): string => Array.from({ length: 100 }, () => random.pick([...'ACGTN'])).join('')
  if (kind < 0.8)
    return [
      mapped(73, reference, position, first, '=', position + 1, 0),
      {
        reference,
        position,
        columns: [
          name,
          133,
          names[reference] as string,
          position + 1,
          0,
          '*',
          '=',
          position + 1,
          0,
          loose(),
          qualities(random, 100),
          ...tags(random),
        ],
      },
    ]
  if (kind < 0.88) {
    const other = otherEnd(reference)
    const mateAt = random.below((bases[other] as string).length - 700)
    return [
      mapped(97, reference, position, first, names[other] as string, mateAt + 1, 0),
      mapped(145, other, mateAt, align(random, bases[other] as string, mateAt, 100), names[reference] as string, position + 1, 0),
    ]
  }
  if (kind < 0.93) {
    const { columns, ...place } = mapped(random.pick([0, 16]), reference, position, first, '*', 0, 0)
    return [{ ...place, columns: [...columns.slice(0, 10), '*', ...columns.slice(11)] }]
  }
  if (kind < 0.97)
    return [77, 141].map((flags) => ({
      reference: bases.length,
      position: 0,
      columns: [name, flags, '*', 0, 0, '*', '*', 0, 0, loose(), qualities(random, 100), ...tags(random)],
    }))
  return [mapped(0, reference, position, first, '*', 0, 0, 255)]
}

/** @param scale bases of the genome, by about 23,000 */
export function makeCramFixture(random: Random, templates: number, scale = 1): CramFixture {
  const references = [
    { name: 'ctgA', bases: randomBases(random, 20_000 * scale) },
    { name: 'empty', bases: randomBases(random, 1_000) },
    { name: 'HLA:A*01', bases: randomBases(random, 3_000 * scale) },
  ]
  const names = references.map(({ name }) => name)
  const bases = references.map((reference) => reference.bases)
  const reads = Array.from({ length: templates }, (_, at) => makeTemplate(random, names, bases, `read:${at}`))
    .flat()
    .sort((a, b) => a.reference - b.reference || a.position - b.position)
  const sequences = references.map(
    (reference) => `@SQ\tSN:${reference.name}\tLN:${reference.bases.length}\tM5:${sequenceSum(reference.bases)}`,
  )
  const header = [
    '@HD\tVN:1.6\tSO:coordinate',
    ...sequences,
    '@RG\tID:g1\tSM:s',
    '@RG\tID:g2\tSM:s',
    '@PG\tID:bwa\tPN:bwa',
    '@CO\tmade by a test',
  ]
  let fasta = ''
  let fai = ''
  for (const reference of references) {
    fasta += `>${reference.name}\n`
    fai += `${reference.name}\t${reference.bases.length}\t${fasta.length}\t${lineBases}\t${lineBases + 1}\n`
    for (let at = 0; at < reference.bases.length; at += lineBases) fasta += `${reference.bases.slice(at, at + lineBases)}\n`
  }
  return { fasta, fai, references, sam: [...header, ...reads.map(({ columns }) => columns.join('\t'))].map((line) => `${line}\n`).join('') }
}

/** The ways of writing CRAM that are tested: what samtools is told for each. */
export const cramLayouts = {
  'version-2.1': ['version=2.1', 'seqs_per_slice=200'],
  'version-3.0': ['version=3.0', 'seqs_per_slice=100', 'slices_per_container=3'],
  'version-3.1': ['version=3.1', 'archive', 'use_lzma', 'use_bzip2', 'use_fqz', 'use_tok', 'use_arith', 'level=9'],
  'several-references': ['version=3.0', 'multi_seq_per_slice=1', 'seqs_per_slice=150'],
  'embedded-reference': ['version=3.0', 'embed_ref=1', 'seqs_per_slice=200'],
  'no-reference': ['version=3.0', 'no_ref=1', 'seqs_per_slice=200'],
  'names-left-out': ['version=3.0', 'lossy_names=1', 'seqs_per_slice=200'],
} as const satisfies Record<string, readonly string[]>

export type CramLayout = keyof typeof cramLayouts

/** What the files of `test/fixtures/cram` were made of. */
export function smallCramFixture(): CramFixture {
  return makeCramFixture(createRandom(1_616), 330)
}

/** Regions of it of which `test/fixtures/cram/sums.json` tells the reads. */
export const smallCramRegions = ['ctgA:5001-6000', 'ctgA:12345', 'HLA:A*01', 'HLA:A*01:100-101', 'empty', '*']
