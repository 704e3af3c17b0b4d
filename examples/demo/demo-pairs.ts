import { sequencedReferences } from './demo-genome.ts'
import { readBases, shapes } from './read-shapes.ts'
import type { SeededRandom } from './seeded-random.ts'

/** What became of a pair of reads. */
export const pairKinds = { proper: 0, duplicate: 1, oneUnmapped: 2, farApart: 3, twoReferences: 4, unplaced: 5 } as const

/** Where the two reads of every pair lie, in columns: a million pairs in 16 MB. Side 0 is the left one, where both are on one reference. */
export interface DemoPairs {
  readonly count: number
  readonly kind: Uint8Array
  /** 1 when the read of side 0 was sequenced last, so is read 2. */
  readonly swapped: Uint8Array
  readonly references: readonly [Uint8Array, Uint8Array]
  readonly positions: readonly [Int32Array, Int32Array]
  /** Index into the read shapes. */
  readonly shapes: readonly [Uint8Array, Uint8Array]
}

const commonShape = 0
const totalBases = sequencedReferences.reduce((sum, { length }) => sum + length, 0)
/** Room right of a fragment's first base, so that its end stays on the reference. */
const roomBases = 2_000

function drawKind(random: SeededRandom): number {
  const draw = random.below(1000)
  if (draw < 5) return pairKinds.unplaced
  if (draw < 20) return pairKinds.oneUnmapped
  if (draw < 30) return pairKinds.farApart
  if (draw < 40) return pairKinds.twoReferences
  return draw < 110 ? pairKinds.duplicate : pairKinds.proper
}

function drawReference(random: SeededRandom): number {
  let at = random.below(totalBases)
  return sequencedReferences.findIndex(({ length }) => {
    at -= length
    return at < 0
  })
}

function drawPosition(random: SeededRandom, reference: number): number {
  return random.below((sequencedReferences[reference] as { readonly length: number }).length - roomBases)
}

function drawShape(random: SeededRandom): number {
  return random.below(8) === 0 ? random.below(shapes.length) : commonShape
}

/** Length of a sequenced fragment: about 420 bases, bell-shaped, never below one read. */
function drawInsert(random: SeededRandom): number {
  return readBases + 20 + random.below(170) + random.below(170) + random.below(170)
}

export function drawPairs(random: SeededRandom, count: number): DemoPairs {
  const pairs: DemoPairs = {
    count,
    kind: new Uint8Array(count),
    swapped: new Uint8Array(count),
    references: [new Uint8Array(count), new Uint8Array(count)],
    positions: [new Int32Array(count), new Int32Array(count)],
    shapes: [new Uint8Array(count), new Uint8Array(count)],
  }
  for (let pair = 0; pair < count; pair += 1) {
    const drawn = drawKind(random)
    // The first pair has nothing before it to be a copy of.
    const previous = pair > 0 && pairs.kind[pair - 1] === pairKinds.proper
    const kind = drawn === pairKinds.duplicate && !previous ? pairKinds.proper : drawn
    const reference = kind === pairKinds.duplicate ? (pairs.references[0][pair - 1] as number) : drawReference(random)
    const position = kind === pairKinds.duplicate ? (pairs.positions[0][pair - 1] as number) : drawPosition(random, reference)
    pairs.kind[pair] = kind
    pairs.swapped[pair] = random.below(2)
    pairs.references[0][pair] = reference
    pairs.positions[0][pair] = position
    pairs.shapes[0][pair] = drawShape(random)
    pairs.shapes[1][pair] = drawShape(random)
    placeMate(random, pairs, pair)
  }
  return pairs
}

function placeMate(random: SeededRandom, { kind, references, positions }: DemoPairs, pair: number): void {
  const reference = references[0][pair] as number
  const position = positions[0][pair] as number
  references[1][pair] =
    kind[pair] === pairKinds.twoReferences
      ? (reference + 1 + random.below(sequencedReferences.length - 1)) % sequencedReferences.length
      : reference
  switch (kind[pair]) {
    case pairKinds.twoReferences:
      positions[1][pair] = drawPosition(random, references[1][pair] as number)
      break
    case pairKinds.oneUnmapped:
      positions[1][pair] = position
      break
    case pairKinds.farApart: {
      const other = drawPosition(random, reference)
      positions[0][pair] = Math.min(position, other)
      positions[1][pair] = Math.max(position, other)
      break
    }
    case pairKinds.duplicate:
      positions[1][pair] = positions[1][pair - 1] as number
      break
    default:
      positions[1][pair] = position + drawInsert(random) - readBases
  }
}
