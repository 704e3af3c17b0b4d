import { type BamRecord, type BamTag, recordFlags } from '../../src/index.ts'
import { demoGenome, flowCell, lanes, sequencedReferences } from './demo-genome.ts'
import { type DemoPairs, drawPairs, pairKinds } from './demo-pairs.ts'
import { type ReadShape, readBases, shapes } from './read-shapes.ts'
import { createSeededRandom, type SeededRandom } from './seeded-random.ts'

const lowestQuality = 2
const highestQuality = 41
const bases = 'ACGT'

/**
 * Next quality after `quality`, by one random byte: some scores repeat, most wander, a few drop to the lowest, as on Illumina
 * machines that report every score. Drawn from a table, as there are 150 a read.
 */
const qualitySteps = makeQualitySteps()

function makeQualitySteps(): Uint8Array {
  const random = createSeededRandom(20_240)
  const steps = new Uint8Array((highestQuality + 1) * 256)
  for (let quality = lowestQuality; quality <= highestQuality; quality += 1) {
    for (let byte = 0; byte < 256; byte += 1) {
      const wander = random.below(9) + random.below(9) - 8 + (quality < 30 ? 2 : 0)
      const next = byte < 40 ? quality : byte < 254 ? quality + wander : lowestQuality
      steps[quality * 256 + byte] = Math.min(highestQuality, Math.max(lowestQuality, next))
    }
  }
  return steps
}

function drawQualities(random: SeededRandom): Uint8Array {
  const qualities = new Uint8Array(readBases)
  let quality = 32 + random.below(8)
  let bits = 0
  for (let at = 0; at < readBases; at += 1) {
    bits = at % 4 === 0 ? random.bits() : bits >>> 8
    quality = qualitySteps[quality * 256 + (bits & 255)] as number
    qualities[at] = quality
  }
  return qualities
}

interface AlignedRead {
  readonly sequence: string
  readonly mismatches: number
  /** The MD tag (SAM optional fields specification). */
  readonly differences: string
}

/** Reads the bases under the shape from the reference and puts a few wrong ones in, as sequencing does. */
function drawAligned(random: SeededRandom, reference: string, position: number, { cigar }: ReadShape): AlignedRead {
  const draw = random.below(100)
  const mismatches = draw < 70 ? 0 : draw < 90 ? 1 : draw < 97 ? 2 : 3
  if (mismatches === 0 && cigar.length === 1)
    return { sequence: reference.slice(position, position + readBases), mismatches: 0, differences: String(readBases) }
  const wrong = Array.from({ length: mismatches }, () => random.below(readBases)).sort((a, b) => a - b)
  const read: Read = { sequence: '', differences: '', matched: 0, mismatches: 0 }
  let at = position
  for (const { code, length } of cigar) {
    if (code === 'M') {
      align(read, reference.slice(at, at + length), wrong)
      at += length
    } else if (code === 'D') {
      read.differences += `${read.matched}^${reference.slice(at, at + length)}`
      read.matched = 0
      at += length
    } else for (let left = length; left > 0; left -= 1) read.sequence += bases[random.bits() >>> 30]
  }
  return { sequence: read.sequence, mismatches: read.mismatches, differences: read.differences + read.matched }
}

interface Read {
  sequence: string
  differences: string
  /** Bases that agree since the last difference. */
  matched: number
  mismatches: number
}

/** Adds an aligned stretch of the read, wrong at those of the places `wrong` (in the read, ascending) that lie in it. */
function align(read: Read, expected: string, wrong: readonly number[]): void {
  const start = read.sequence.length
  let done = 0
  for (const place of wrong) {
    const at = place - start
    if (at < done || at >= expected.length) continue
    const base = expected[at] as string
    read.sequence += expected.slice(done, at) + bases[(bases.indexOf(base) + 1) % 4]
    read.differences += `${read.matched + at - done}${base}`
    read.matched = 0
    read.mismatches += 1
    done = at + 1
  }
  read.sequence += expected.slice(done)
  read.matched += expected.length - done
}

/** The flags of the read on `side`, in the way bwa sets them. */
function flagsOf(pairs: DemoPairs, pair: number, side: 0 | 1): number {
  const kind = pairs.kind[pair]
  const number = (side === 0) === (pairs.swapped[pair] === 0) ? recordFlags.first : recordFlags.last
  const flags = recordFlags.paired | number
  const [own, mate] = side === 0 ? [0, recordFlags.mateReverse] : [recordFlags.reverse, 0]
  if (kind === pairKinds.unplaced) return flags | recordFlags.unmapped | recordFlags.mateUnmapped
  if (kind === pairKinds.oneUnmapped) return flags | (side === 0 ? recordFlags.mateUnmapped : recordFlags.unmapped)
  if (kind === pairKinds.proper) return flags | own | mate | recordFlags.properPair
  if (kind === pairKinds.duplicate) return flags | own | mate | recordFlags.properPair | recordFlags.duplicate
  return flags | own | mate
}

function templateLength(pairs: DemoPairs, pair: number, side: 0 | 1): number {
  const kind = pairs.kind[pair]
  if (kind === pairKinds.oneUnmapped || kind === pairKinds.twoReferences || kind === pairKinds.unplaced) return 0
  const right = (pairs.positions[1][pair] as number) + (shapes[pairs.shapes[1][pair] as number] as ReadShape).referenceBases
  const length = right - (pairs.positions[0][pair] as number)
  return side === 0 ? length : -length
}

/** Tags of which there are few are made once: a million records carry them. */
const countTags = (name: string): readonly BamTag[] => Array.from({ length: 256 }, (_, value) => ({ name, type: 'C', value }))
const differenceTags = countTags('NM')
const scoreTags = countTags('AS')
const otherScoreTags = countTags('XS')
const mateCigarTags: readonly BamTag[] = shapes.map(({ text }) => ({ name: 'MC', type: 'Z', value: text }))
const readGroupTags: readonly BamTag[] = lanes.map((lane) => ({ name: 'RG', type: 'Z', value: `L00${lane}` }))

/** The tags that `bwa mem` gives, in its order, and the read group. */
function tagsOf(
  aligned: AlignedRead | undefined,
  gapBases: number,
  mateShape: number | undefined,
  otherScore: number,
  lane: number,
): BamTag[] {
  const differences = aligned ? aligned.mismatches + gapBases : 0
  const tags: BamTag[] = []
  if (aligned) tags.push(differenceTags[differences] as BamTag, { name: 'MD', type: 'Z', value: aligned.differences })
  if (mateShape !== undefined) tags.push(mateCigarTags[mateShape] as BamTag)
  tags.push(
    scoreTags[aligned ? readBases - differences * 6 : 0] as BamTag,
    otherScoreTags[otherScore] as BamTag,
    readGroupTags[lane] as BamTag,
  )
  return tags
}

/** `lane` is an index into {@link lanes}. The same for both reads of a pair. */
function drawName(random: SeededRandom, lane: number): string {
  const tile = 1000 * (1 + random.below(2)) + 101 + random.below(78)
  return `A00684:261:${flowCell}:${lanes[lane]}:${tile}:${random.below(32_768)}:${random.below(36_000)}`
}

function drawBases(random: SeededRandom): string {
  let sequence = ''
  for (let at = 0; at < readBases; at += 1) sequence += bases[random.bits() >>> 30]
  return sequence
}

function placeOf(pairs: DemoPairs, pair: number, side: 0 | 1): { readonly referenceId: number; readonly position: number } {
  if (pairs.kind[pair] === pairKinds.unplaced) return { referenceId: -1, position: -1 }
  return { referenceId: pairs.references[side][pair] as number, position: pairs.positions[side][pair] as number }
}

/** Makes the records one at a time; everything about one depends on the seed, its pair and its side alone. */
function createRecordMaker(seed: number, genome: readonly string[], pairs: DemoPairs): (pair: number, side: 0 | 1) => BamRecord {
  const random = createSeededRandom(seed)
  return (pair, side) => {
    random.restart(seed, pair)
    const lane = random.below(lanes.length)
    const name = drawName(random, lane)
    random.restart(seed + 1 + side, pair)
    const mate = side === 0 ? 1 : 0
    const flags = flagsOf(pairs, pair, side)
    const mapped = (flags & recordFlags.unmapped) === 0
    const shape = shapes[pairs.shapes[side][pair] as number] as ReadShape
    const mateShape = (flags & recordFlags.mateUnmapped) === 0 ? pairs.shapes[mate][pair] : undefined
    const { referenceId, position } = placeOf(pairs, pair, side)
    const matePlace = placeOf(pairs, pair, mate)
    const aligned = mapped ? drawAligned(random, genome[referenceId] as string, position, shape) : undefined
    return {
      name,
      flags,
      referenceId,
      position,
      mappingQuality: mapped ? (random.below(12) === 0 ? random.below(60) : 60) : 0,
      cigar: mapped ? shape.cigar : [],
      mateReferenceId: matePlace.referenceId,
      matePosition: matePlace.position,
      templateLength: templateLength(pairs, pair, side),
      sequence: aligned?.sequence ?? drawBases(random),
      qualities: drawQualities(random),
      tags: tagsOf(aligned, shape.gapBases, mateShape, mapped ? random.below(60) : 0, lane),
    }
  }
}

/** Multiplier that puts a position and a read's number into one exact number, so that the plain numeric sort orders reads. */
const keyWidth = 2 ** 27

/** Two records a pair, in coordinate order, those without a place last. */
export function* demoReads(seed: number, pairCount: number): Generator<BamRecord> {
  const random = createSeededRandom(seed)
  const genome = demoGenome(random)
  const pairs = drawPairs(random, pairCount)
  const make = createRecordMaker(seed, genome, pairs)
  for (const [reference] of sequencedReferences.entries()) {
    for (const key of sortedKeys(pairs, reference)) {
      const read = key % keyWidth
      yield make(read >>> 1, (read & 1) as 0 | 1)
    }
  }
  for (let pair = 0; pair < pairCount; pair += 1) {
    if (pairs.kind[pair] !== pairKinds.unplaced) continue
    yield make(pair, 0)
    yield make(pair, 1)
  }
}

function sortedKeys(pairs: DemoPairs, reference: number): Float64Array {
  const keys = new Float64Array(pairs.count * 2)
  let found = 0
  for (let read = 0; read < pairs.count * 2; read += 1) {
    const side = (read & 1) as 0 | 1
    if (pairs.references[side][read >>> 1] !== reference || pairs.kind[read >>> 1] === pairKinds.unplaced) continue
    keys[found++] = (pairs.positions[side][read >>> 1] as number) * keyWidth + read
  }
  return keys.subarray(0, found).sort()
}
