import { ScoreError } from '../core/errors.ts'
import { unplacedReference } from '../core/region.ts'
import type { BamHeader } from '../formats/bam-header.ts'
import { recordFlags } from '../formats/bam-record.ts'
import type { BinningIndex } from '../formats/binning-index.ts'

/** How many reads lie on a reference. */
export interface ReferenceCount {
  /** `*` for the reads without a place. */
  readonly reference: string
  /** Bases; 0 for `*`. */
  readonly length: number
  readonly mapped: number
  /** Unmapped, but placed beside their mate; for `*` all of them. */
  readonly unmapped: number
}

/**
 * Counts as an index holds them: in the order of the header, `*` last.
 *
 * @throws `invalid-request` when the index holds no counts, as those of old writers, and that of a slice.
 */
export function countsOfIndex({ references }: BamHeader, index: BinningIndex, name: string): ReferenceCount[] {
  const silent = new ScoreError(
    'invalid-request',
    `${name}: its index does not say how many reads there are, as that of a slice; make it anew with 'score index' or 'samtools index', or go through the whole file (scan)`,
  )
  const counts = references.map(({ name: reference, length }, id) => {
    const found = index.references[id]
    if (!found || found.bins.size === 0) return { reference, length, mapped: 0, unmapped: 0 }
    if (!found.statistics) throw silent
    return { reference, length, mapped: found.statistics.mapped, unmapped: found.statistics.unmapped }
  })
  if (index.unplaced === undefined) throw silent
  return [...counts, { reference: unplacedReference, length: 0, mapped: 0, unmapped: index.unplaced }]
}

export interface ReferenceTally {
  add(record: { readonly referenceId: number; readonly flags: number }): void
  counts(): ReferenceCount[]
}

/** Counts by going through the reads. */
export function createReferenceTally({ references }: BamHeader): ReferenceTally {
  const mapped = new Float64Array(references.length + 1)
  const unmapped = new Float64Array(references.length + 1)
  return {
    add({ referenceId, flags }) {
      const side = flags & recordFlags.unmapped ? unmapped : mapped
      const at = referenceId < 0 ? references.length : referenceId
      side[at] = (side[at] as number) + 1
    },
    counts: () =>
      [...references, { name: unplacedReference, length: 0 }].map(({ name, length }, at) => ({
        reference: name,
        length,
        mapped: mapped[at] as number,
        unmapped: unmapped[at] as number,
      })),
  }
}

/** The counts as text, byte for byte as `samtools idxstats` prints them: name, length, mapped, unmapped, separated by tabs. */
export function formatReferenceCounts(counts: readonly ReferenceCount[]): string {
  return counts.map(({ reference, length, mapped, unmapped }) => `${reference}\t${length}\t${mapped}\t${unmapped}\n`).join('')
}
