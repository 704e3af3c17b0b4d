/** A CIGAR operation: so many bases of this kind (SAMv1 1.4.6). */
export interface CigarOperation {
  /** 0 to 2^28 - 1. */
  readonly length: number
  readonly code: CigarCode
}

/** Codes in the order of their numbers in BAM. */
export const cigarCodes = 'MIDNSHP=X'
export type CigarCode = 'M' | 'I' | 'D' | 'N' | 'S' | 'H' | 'P' | '=' | 'X'

/** Longest operation that BAM's 28 bits can hold. */
export const maximumOperationLength = 2 ** 28 - 1
/** Most operations in a record's own CIGAR field; longer ones go to the `CG` tag (SAMv1 4.2.2). */
export const maximumCigarOperations = 65_535

// One bit an operation's number: M, D, N, =, X move along the reference; M, I, S, =, X along the read.
const consumesReference = 0b1_1000_1101
const consumesRead = 0b1_1001_0011

/** Bases of the reference under a packed operation (`length << 4 | number`), else 0. */
export function referenceBases(packed: number): number {
  return (consumesReference >> (packed & 15)) & 1 ? packed >>> 4 : 0
}

/** Bases of the reference that the alignment covers: M, D, N, = and X. */
export function referenceLength(cigar: readonly CigarOperation[]): number {
  return cigar.reduce((sum, operation) => sum + referenceBases(packOperation(operation)), 0)
}

/** Bases of the read that the alignment accounts for: M, I, S, = and X. */
export function readLength(cigar: readonly CigarOperation[]): number {
  return cigar.reduce((sum, { code, length }) => sum + ((consumesRead >> cigarCodes.indexOf(code)) & 1 ? length : 0), 0)
}

/** An operation as BAM stores it, in 32 bits. */
export function packOperation({ length, code }: CigarOperation): number {
  return ((length << 4) | cigarCodes.indexOf(code)) >>> 0
}

/** `undefined` for a number that names no operation. */
export function unpackOperation(packed: number): CigarOperation | undefined {
  const code = cigarCodes[packed & 15] as CigarCode | undefined
  return code && { length: packed >>> 4, code }
}

/** `150M` and the like; `*` for an empty one. */
export function formatCigar(cigar: readonly CigarOperation[]): string {
  return cigar.length === 0 ? '*' : cigar.map(({ length, code }) => `${length}${code}`).join('')
}

/** Reads `10S140M`; `*` is empty. `undefined` when it is no CIGAR. */
export function parseCigar(text: string): CigarOperation[] | undefined {
  if (text === '*') return []
  if (!/^(\d+[MIDNSHP=X])+$/.test(text)) return undefined
  const operations = [...text.matchAll(/(\d+)([MIDNSHP=X])/g)].map(([, length, code]) => ({
    length: Number(length),
    code: code as CigarCode,
  }))
  return operations.every(({ length }) => length <= maximumOperationLength) ? operations : undefined
}
