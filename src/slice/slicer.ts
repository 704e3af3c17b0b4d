import type { CramIndex } from '../formats/crai.ts'
import type { BamSlice, BamSlicer, SliceOptions, SlicePlan } from './bam-slicer.ts'
import type { RegionSelection } from './place-regions.ts'
import type { ReadSelection } from './slice-preparation.ts'

/** A slice as a BAM file or SAM text. */
export interface PlainOutputOptions extends Omit<SliceOptions, 'format'> {
  /** Default `bam`. */
  readonly format?: 'bam' | 'sam'
}

/** A slice as a CRAM file; `level` is for BAM alone. */
export interface CramOutputOptions extends Omit<SliceOptions, 'format' | 'level'> {
  readonly format: 'cram'
  /**
   * `true`: nothing but the reads of the regions, written by samtools. `false`: whole containers, copied as they are, which
   * hold other reads too. Default: `true` where only that is right, for BAM input, `contained` and `allowedRegions`; else `false`.
   */
  readonly exact?: boolean
}

/** A CRAM file being made; it is made anew each time it is iterated. */
export interface CramSlice extends AsyncIterable<Uint8Array> {
  /**
   * Whether nothing but reads of the regions come out; otherwise reads of the same containers may come along. Until the first
   * byte was made, what the options alone say: CRAM out of BAM turns out to be exact.
   */
  readonly exact: boolean
  /**
   * The index of the slice, derived from the input's. Known when the slice was read to its end.
   *
   * @throws `invalid-request` before that, when no index was used, and for what samtools writes: it indexes its own.
   */
  sliceIndex(): CramIndex
}

/** What is planned depends on what comes out. */
export interface PlanOptions extends ReadSelection {
  /** Default `bam`. */
  readonly format?: 'bam' | 'sam' | 'cram'
}

export interface BatchOptions extends ReadSelection {
  /**
   * `places`: of a CRAM the bytes tell flags, places and mapping quality alone, and hold neither name, CIGAR, bases, qualities nor
   * tags; so the reference is not needed. A BAM's are whole all the same. Default `all`.
   */
  readonly fields?: 'all' | 'places'
}

/** Slices of one BAM or CRAM file, as BAM, SAM or CRAM. As {@link BamSlicer}, with CRAM on both sides. */
export interface Slicer extends Omit<BamSlicer, 'slice' | 'plan' | 'batches'> {
  plan(regions: RegionSelection, options?: PlanOptions): Promise<SlicePlan>
  /**
   * The reads of these regions as a file. CRAM input becomes CRAM by copying whole containers; as BAM and SAM its reads are
   * decoded, for which the reference is needed unless the file does without.
   *
   * @throws while it is iterated, as {@link BamSlicer.slice}; `invalid-request` also for CRAM that only samtools could make
   *   when there is none, and for reads whose reference is missing or another one.
   */
  slice(regions: RegionSelection, options: CramOutputOptions): CramSlice
  slice(regions: RegionSelection, options?: PlainOutputOptions): BamSlice
  slice(regions: RegionSelection, options?: PlainOutputOptions | CramOutputOptions): BamSlice | CramSlice
  batches(regions: RegionSelection, options?: BatchOptions): ReturnType<BamSlicer['batches']>
}
