import type { CigarOperation } from '../../src/index.ts'

/** Bases of every read. */
export const readBases = 150

/** How a read lies on its reference. */
export interface ReadShape {
  readonly cigar: readonly CigarOperation[]
  readonly text: string
  /** Bases of the reference under it. */
  readonly referenceBases: number
  /** Inserted and deleted bases: its part of NM. */
  readonly gapBases: number
}

function shape(...cigar: readonly CigarOperation[]): ReadShape {
  const sum = (codes: string): number => cigar.reduce((total, { code, length }) => total + (codes.includes(code) ? length : 0), 0)
  return { cigar, text: cigar.map(({ length, code }) => `${length}${code}`).join(''), referenceBases: sum('MD'), gapBases: sum('ID') }
}

/** The common one first; then clipped, inserted and deleted ones. At most 256. */
export const shapes: readonly ReadShape[] = [
  shape({ length: readBases, code: 'M' }),
  ...Array.from({ length: 60 }, (_, at) => [
    shape({ length: 1 + at, code: 'S' }, { length: readBases - 1 - at, code: 'M' }),
    shape({ length: readBases - 1 - at, code: 'M' }, { length: 1 + at, code: 'S' }),
  ]).flat(),
  ...Array.from({ length: 60 }, (_, at) => {
    const gap = 1 + (at % 6)
    const left = 15 + at * 2
    return [
      shape({ length: left, code: 'M' }, { length: gap, code: 'I' }, { length: readBases - gap - left, code: 'M' }),
      shape({ length: left, code: 'M' }, { length: gap, code: 'D' }, { length: readBases - left, code: 'M' }),
    ]
  }).flat(),
]
