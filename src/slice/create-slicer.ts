import { type ByteSource, readBytes } from '../bytes/byte-source.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { createSharedLoad } from '../core/shared-load.ts'
import type { BinningIndex } from '../formats/binning-index.ts'
import type { CramIndex } from '../formats/crai.ts'
import { isCram } from '../formats/cram-version.ts'
import type { ReferenceSequences } from '../formats/fasta.ts'
import { type BamSlice, createBamSlicer } from './bam-slicer.ts'
import { createCramSlicer } from './cram-slicer.ts'
import { exactCramSlice } from './exact-cram.ts'
import type { SamtoolsTool } from './samtools-tool.ts'
import type { BamSlicerOptions } from './slice-preparation.ts'
import type { CramOutputOptions, CramSlice, PlainOutputOptions, Slicer } from './slicer.ts'

export interface SlicerSources {
  /** A BAM or CRAM file, told by its first bytes; sorted by coordinate, but for what is scanned. */
  readonly data: ByteSource
  /**
   * Its index: a BAI or CSI of a BAM, a CRAI of a CRAM; the file, or what `parseIndex` or `parseCrai` made of it. Without one,
   * all of the file, its header, and scans can be had.
   */
  readonly index?: ByteSource | BinningIndex | CramIndex
  /** What the reads of a CRAM are stored as differences to; needed for all but CRAM output and counts, by most files. */
  readonly reference?: ReferenceSequences
  /** Writes CRAM with exactly the reads asked for, also of a BAM. */
  readonly samtools?: SamtoolsTool
}

/** A BAM slicer's, with CRAM output by samtools. */
function bamSlicer({ data, index, samtools }: SlicerSources, options: BamSlicerOptions): Slicer {
  const { name = 'BAM input', indexName = `index of ${name}` } = options
  if (index && 'entries' in index)
    throw new ScoreError('invalid-request', `${indexName}: it is a CRAI, but ${name} is a BAM file; it needs its BAI or CSI`)
  const slicer = createBamSlicer({ data, ...(index && { index }) }, options)
  const cram = (regions: Parameters<Slicer['slice']>[0], cramOptions: CramOutputOptions): CramSlice => {
    if (cramOptions.exact === false)
      throw new ScoreError(
        'invalid-request',
        `${name}: this is a BAM file, which has no containers that could be copied; leave 'exact' out`,
      )
    return exactCramSlice(samtools, cramOptions, { name, isCram: false, bamSlice: (plain) => slicer.slice(regions, plain) })
  }
  return {
    ...slicer,
    plan: (regions, { format: _, ...selection } = {}) => slicer.plan(regions, selection),
    slice: ((regions, sliceOptions: PlainOutputOptions | CramOutputOptions = {}) =>
      sliceOptions.format === 'cram' ? cram(regions, sliceOptions) : slicer.slice(regions, sliceOptions)) as Slicer['slice'],
  }
}

function cramSlicer({ data, index, reference, samtools }: SlicerSources, options: BamSlicerOptions): Slicer {
  const { name = 'CRAM input', indexName = `index of ${name}` } = options
  if (index && 'references' in index)
    throw new ScoreError('invalid-request', `${indexName}: it is a BAI or CSI, but ${name} is a CRAM file; it needs its CRAI`)
  return createCramSlicer({ data, ...(index && { index }), ...(reference && { reference }), ...(samtools && { samtools }) }, options)
}

/** A slice whose slicer is known only once the file's first bytes are read. */
function laterSlice(open: () => Promise<Slicer>, begin: (slicer: Slicer) => BamSlice | CramSlice, exact: boolean): BamSlice | CramSlice {
  let begun: BamSlice | CramSlice | undefined
  return {
    get exact() {
      return begun && 'exact' in begun ? begun.exact : exact
    },
    async *[Symbol.asyncIterator]() {
      begun = undefined
      const slice = begin(await open())
      begun = slice
      yield* slice
    },
    sliceIndex() {
      if (begun) return begun.sliceIndex()
      throw new ScoreError('invalid-request', 'the index of a slice is known once the slice was read to its end')
    },
  } as BamSlice | CramSlice
}

/**
 * Slices of a BAM or CRAM file, whichever it turns out to be when it is first read.
 *
 * @throws as {@link Slicer}; `invalid-request` for an index of the other kind.
 */
export function createSlicer(sources: SlicerSources, options: BamSlicerOptions = {}): Slicer {
  const { data } = sources
  const detect = createSharedLoad(async (call): Promise<Slicer> => {
    const magic = await readBytes(data, { start: 0, end: Math.min(4, await data.size(call)) }, call)
    return isCram(magic) ? cramSlicer(sources, options) : bamSlicer(sources, options)
  })
  const open = ({ signal }: CallOptions = {}): Promise<Slicer> => detect(signal ? { signal } : {})
  const exactOf = ({ contained = false, allowedRegions, exact = contained || allowedRegions !== undefined }: CramOutputOptions): boolean =>
    exact
  return {
    header: async (call) => (await open(call)).header(call),
    plan: async (regions, planOptions) => (await open(planOptions)).plan(regions, planOptions),
    slice: ((regions, sliceOptions: PlainOutputOptions | CramOutputOptions = {}) =>
      laterSlice(
        () => open(sliceOptions),
        (slicer) => slicer.slice(regions, sliceOptions),
        sliceOptions.format === 'cram' ? exactOf(sliceOptions) : true,
      )) as Slicer['slice'],
    async *records(regions, selection) {
      yield* (await open(selection)).records(regions, selection)
    },
    async *batches(regions, selection) {
      yield* (await open(selection)).batches(regions, selection)
    },
    count: async (regions, selection) => (await open(selection)).count(regions, selection),
    referenceCounts: async (selection) => (await open(selection)).referenceCounts(selection),
  }
}
