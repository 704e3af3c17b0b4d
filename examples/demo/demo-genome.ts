import type { BamHeader, BamReference } from '../../src/index.ts'
import type { SeededRandom } from './seeded-random.ts'

/** Our genome is the human one in small: GRCh38's lengths divided by this. */
const scale = 500
/** Kept at its real length, as it is small. */
const mitochondrion: BamReference = { name: 'chrM', length: 16_569 }
/** A name with colons, as GRCh38's HLA contigs have; no read lies on it. */
const withoutReads: BamReference = { name: 'HLA-A*01:01:01:01', length: 3_503 }

const humanLengths: readonly (readonly [name: string, length: number])[] = [
  ['chr1', 248_956_422],
  ['chr2', 242_193_529],
  ['chr3', 198_295_559],
  ['chr4', 190_214_555],
  ['chr5', 181_538_259],
  ['chr6', 170_805_979],
  ['chr7', 159_345_973],
  ['chr8', 145_138_636],
  ['chr9', 138_394_717],
  ['chr10', 133_797_422],
  ['chr11', 135_086_622],
  ['chr12', 133_275_309],
  ['chr13', 114_364_328],
  ['chr14', 107_043_718],
  ['chr15', 101_991_189],
  ['chr16', 90_338_345],
  ['chr17', 83_257_441],
  ['chr18', 80_373_285],
  ['chr19', 58_617_616],
  ['chr20', 64_444_167],
  ['chr21', 46_709_983],
  ['chr22', 50_818_468],
  ['chrX', 156_040_895],
  ['chrY', 57_227_415],
]

/** References that reads lie on, in the order of the header. */
export const sequencedReferences: readonly BamReference[] = [
  ...humanLengths.map(([name, length]) => ({ name, length: Math.floor(length / scale) })),
  mitochondrion,
]

/** Lanes of the one flow cell; each is a read group. */
export const lanes = [1, 2, 3, 4] as const
export const flowCell = 'HVJ2KDSXY'

export function demoHeader(seed: number): BamHeader {
  const references = [...sequencedReferences, withoutReads]
  const lines = [
    '@HD\tVN:1.6\tSO:coordinate',
    ...references.map(({ name, length }) => `@SQ\tSN:${name}\tLN:${length}`),
    ...lanes.map((lane) => `@RG\tID:L00${lane}\tSM:DEMO\tLB:lib1\tPL:ILLUMINA\tPU:${flowCell}.${lane}`),
    '@PG\tID:bwa\tPN:bwa\tVN:0.7.17-r1188\tCL:bwa mem -K 100000000 -Y ref.fa demo_1.fq.gz demo_2.fq.gz',
    `@CO\tsynthetic reads on a synthetic genome, made by the Score SDK demo with seed ${seed}`,
  ]
  return { text: lines.map((line) => `${line}\n`).join(''), references }
}

/** The bases of every sequenced reference; about 41 % G and C, as in ours. */
export function demoGenome(random: SeededRandom): string[] {
  const bases = Buffer.from('AAAAACCCCGGGGTTTTTAC')
  return sequencedReferences.map(({ length }) => {
    const sequence = Buffer.allocUnsafe(length)
    for (let at = 0; at < length; at += 1) sequence[at] = bases[(random.bits() >>> 8) % bases.length] as number
    return sequence.toString('latin1')
  })
}
