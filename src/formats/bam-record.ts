import type { CigarOperation } from './cigar.ts'

/** Bits of {@link BamRecord.flags} (SAMv1 1.4.2). */
export const recordFlags = {
  paired: 0x1,
  properPair: 0x2,
  unmapped: 0x4,
  mateUnmapped: 0x8,
  reverse: 0x10,
  mateReverse: 0x20,
  first: 0x40,
  last: 0x80,
  secondary: 0x100,
  failedChecks: 0x200,
  duplicate: 0x400,
  supplementary: 0x800,
} as const

/** Types of the numbers in a `B` array (SAMv1 4.2.4). */
export type ArrayTagType = 'c' | 'C' | 's' | 'S' | 'i' | 'I' | 'f'

/** An optional field, with the type it has in BAM (SAMv1 4.2.4). `name` is two characters. */
export type BamTag =
  | { readonly name: string; readonly type: 'A' | 'Z' | 'H'; readonly value: string }
  | { readonly name: string; readonly type: ArrayTagType; readonly value: number }
  | { readonly name: string; readonly type: 'B'; readonly elementType: ArrayTagType; readonly value: ArrayLike<number> }

/** One alignment record as plain data (SAMv1 4.2). */
export interface BamRecord {
  /** QNAME; `*` when there is none. 1 to 254 characters. */
  readonly name: string
  /** {@link recordFlags}, or-ed. */
  readonly flags: number
  /** Index into the header's references; -1 when the record has no place. */
  readonly referenceId: number
  /** Zero-based leftmost base; -1 when there is none. */
  readonly position: number
  /** MAPQ, 0 to 255; 255 means unknown. */
  readonly mappingQuality: number
  /** Empty when there is none. More than 65535 operations travel in a `CG` tag; that is not seen here. */
  readonly cigar: readonly CigarOperation[]
  readonly mateReferenceId: number
  /** Zero-based; -1 when there is none. */
  readonly matePosition: number
  readonly templateLength: number
  /** Bases of `=ACMGRSVTWYHKDBN`; empty when not stored (`*`). */
  readonly sequence: string
  /** Phred scores, one a base; absent when not stored (`*`). */
  readonly qualities?: Uint8Array
  readonly tags: readonly BamTag[]
}
