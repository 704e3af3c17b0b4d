import { ScoreError } from '../core/errors.ts'
import { recordFlags } from './bam-record.ts'
import type { CramRecord } from './cram-records.ts'

/** Which read belongs to a record, and what follows from it. Positions are counted from 1. */
export interface CramMate {
  readonly flags: number
  readonly mateReferenceId: number
  readonly matePosition: number
  readonly templateLength: number
  /** Number in the slice of the next record of its template; -1 for none. */
  readonly next: number
}

/** The numbers of a template's records, from its first on; the last one names nobody. */
function chainFrom(records: readonly CramRecord[], first: number, where: string): number[] {
  const chain = [first]
  for (let at = first; (records[at] as CramRecord).next >= 0; ) {
    const { next } = records[at] as CramRecord
    if (next <= at || next >= records.length)
      throw new ScoreError(
        'invalid-format',
        `${where}: record ${at} has record ${next} of ${records.length} for its mate; the file is damaged`,
      )
    chain.push(next)
    at = next
  }
  return chain
}

/** Signed lengths of a template, as htslib reckons them: from the first base to the last, 0 when it lies on several references. */
function templateLengths(chain: readonly CramRecord[]): number[] {
  const first = chain[0] as CramRecord
  if (chain.some(({ referenceId }) => referenceId !== first.referenceId)) return chain.map(() => 0)
  const left = Math.min(...chain.map(({ position }) => position))
  const right = Math.max(...chain.map(({ last }) => last))
  const length = right - left + 1
  const leftmost = chain.filter(({ position }) => position === left).length
  return chain.map(({ position, flags }) => {
    // Where several begin at the same place, the first read of the pair counts as the left one.
    const isLeft = position === left && (leftmost === 1 || (flags & recordFlags.first) !== 0)
    return isLeft ? length : -length
  })
}

/**
 * Finds the mates of a slice's records (CRAM 3.1, 10.4), with the template lengths that htslib reckons.
 *
 * @throws `invalid-format` for a mate that is not in the slice.
 */
export function resolveMates(records: readonly CramRecord[], where: string): CramMate[] {
  const mates: (CramMate | undefined)[] = new Array(records.length)
  const isUnmapped = ({ flags }: CramRecord): boolean => (flags & recordFlags.unmapped) !== 0
  for (const [number, record] of records.entries()) {
    if (mates[number]) continue
    if (record.next < 0) {
      const { flags, mateReferenceId, matePosition, templateLength } = record
      mates[number] = { flags, mateReferenceId, matePosition, templateLength: templateLength ?? 0, next: -1 }
      continue
    }
    const numbers = chainFrom(records, number, where)
    const chain = numbers.map((at) => records[at] as CramRecord)
    const lengths = templateLengths(chain)
    for (const [at, own] of chain.entries()) {
      const next = numbers[(at + 1) % numbers.length] as number
      const mate = records[next] as CramRecord
      const flags =
        own.flags |
        recordFlags.paired |
        (isUnmapped(mate) ? recordFlags.mateUnmapped : 0) |
        (mate.flags & recordFlags.reverse ? recordFlags.mateReverse : 0)
      const templateLength = isUnmapped(own) || isUnmapped(mate) ? 0 : (lengths[at] as number)
      mates[numbers[at] as number] = { flags, mateReferenceId: mate.referenceId, matePosition: mate.position, templateLength, next }
    }
  }
  return mates as CramMate[]
}
