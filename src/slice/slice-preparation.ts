import { type ByteSource, readBytes } from '../bytes/byte-source.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { createSharedLoad } from '../core/shared-load.ts'
import { eofMarker } from '../formats/bgzf-block.ts'
import { type BinningIndex, unplacedStart } from '../formats/binning-index.ts'
import { parseIndex } from '../formats/parse-index.ts'
import type { VirtualOffset } from '../formats/virtual-offset.ts'
import { placeRegions, type RegionInput, type RegionSelection } from './place-regions.ts'
import { createReferenceBounds, type ReferenceBounds } from './reference-bounds.ts'
import { type BamHead, readBamHead } from './slice-header.ts'
import { type PlacedRegion, planSpans, type SliceSpan } from './slice-plan.ts'

export interface BamSlicerSources {
  /** A BAM file; sorted by coordinate, but for what is scanned. */
  readonly data: ByteSource
  /** Its BAI or CSI: the file, or what `parseIndex` made of it. Without one, all of the file, its header, and scans can be had. */
  readonly index?: ByteSource | BinningIndex
}

export interface BamSlicerOptions {
  /** How messages name the file; default `BAM input`. */
  readonly name?: string
  /** How messages name the index; default `index of …`. */
  readonly indexName?: string
  /** Bound on the compressed bytes that each slice reads ahead; default 24 MiB, 6 MiB where all are inflated. Less, where many are read at once. */
  readonly aheadBytes?: number
}

/** Which reads are meant. */
export interface ReadSelection extends CallOptions {
  /** Only reads that lie wholly in a region; default: all that overlap one. */
  readonly contained?: boolean
  /**
   * What the caller may read: the regions asked for are cut down to these first, so that every read given overlaps one of them.
   * Default: everything.
   */
  readonly allowedRegions?: readonly RegionInput[]
  /** Go through the whole file instead of trusting an index; the file need not be sorted then. Default false. */
  readonly scan?: boolean
}

/** A request, understood: what is meant and where it lies. */
export interface Prepared {
  readonly head: BamHead
  /** Absent when it was not needed and none was given, and for scans. */
  readonly index?: BinningIndex
  readonly regions: readonly PlacedRegion[] | 'all'
  readonly spans: readonly SliceSpan[]
}

/** What slices of one file share: header, index and what was made of them. */
export interface SlicePreparation {
  headOf(options?: CallOptions): Promise<BamHead>
  /** @throws `invalid-request` without an index. */
  indexOf(options?: CallOptions): Promise<BinningIndex>
  prepare(wanted: RegionSelection, selection: ReadSelection): Promise<Prepared>
}

export function createSlicePreparation(sources: BamSlicerSources, options: BamSlicerOptions): SlicePreparation {
  const { data } = sources
  const { name = 'BAM input', indexName = `index of ${name}` } = options
  const bounds = new Map<number, ReferenceBounds | undefined>()

  const misfit = (what: string): ScoreError<'invalid-format'> =>
    new ScoreError(
      'invalid-format',
      `${indexName}: ${what}; it is old or of another file, or the file was cut off: see 'score quickcheck', then make it anew with 'score index' or 'samtools index', or go without it (scan)`,
    )

  const loadIndex = async (call: CallOptions): Promise<BinningIndex> => {
    const given = sources.index
    if (!given)
      throw new ScoreError(
        'invalid-request',
        `${name}: it has no index, which regions need; make one with 'score index' or 'samtools index', or go through the whole file (scan)`,
      )
    if ('references' in given) return given
    return parseIndex(await readBytes(given, { start: 0, end: await given.size(call) }, call), indexName)
  }
  const headOf = createSharedLoad((call) => readBamHead(data, name, call))
  const loaded = createSharedLoad(loadIndex)
  const indexOf = async (call?: CallOptions): Promise<BinningIndex> => {
    const [head, index] = await Promise.all([headOf(call), loaded(call)])
    if (index.references.length > head.header.references.length)
      throw misfit(`it has ${index.references.length} references, the file ${head.header.references.length}`)
    return index
  }

  const boundsOf = (index: BinningIndex, referenceId: number, size: number): ReferenceBounds | undefined => {
    if (!bounds.has(referenceId)) bounds.set(referenceId, createReferenceBounds(index, referenceId))
    const found = bounds.get(referenceId)
    if (found && found.span.end.block > size) throw misfit(`it points to byte ${found.span.end.block} of a file of ${size} bytes`)
    return found
  }

  /** Where the records end. */
  const requireEnd = async ({ size }: BamHead, call: CallOptions): Promise<VirtualOffset> => {
    const block = Math.max(0, size - eofMarker.length)
    if (Buffer.compare(await readBytes(data, { start: block, end: size }, call), eofMarker) === 0) return { block, within: 0 }
    throw new ScoreError(
      'invalid-format',
      `${name}: the EOF marker is missing at its end, up to which it has to be read; it has been cut off`,
    )
  }

  const unplacedSpan = async (head: BamHead, index: BinningIndex, call: CallOptions): Promise<SliceSpan[]> => {
    const start = unplacedStart(index) ?? head.firstRecord
    if (start.block > head.size) throw misfit(`it points to byte ${start.block} of a file of ${head.size} bytes`)
    const end = await requireEnd(head, call)
    return start.block < end.block ? [{ start, end, referenceId: -1, mode: 'keep', leastPosition: -1 }] : []
  }

  const prepareScan = async (head: BamHead, regions: Prepared['regions'], call: CallOptions): Promise<Prepared> => {
    const end = await requireEnd(head, call)
    const mode = regions === 'all' ? 'keep' : 'sift'
    const spans: SliceSpan[] = head.firstRecord.block < end.block ? [{ start: head.firstRecord, end, mode, leastPosition: -1 }] : []
    // All of a file keeps its blocks, so its index stays good.
    const index = regions === 'all' && sources.index ? await indexOf(call) : undefined
    return { head, regions, spans, ...(index && { index }) }
  }

  const prepare = async (wanted: RegionSelection, selection: ReadSelection): Promise<Prepared> => {
    const { contained = false, allowedRegions, scan = false, signal } = selection
    const call = signal ? { signal } : {}
    const byIndex = !scan && wanted.length > 0 && (wanted !== 'all' || allowedRegions !== undefined)
    const [head, index] = await Promise.all([headOf(call), byIndex ? indexOf(call) : undefined])
    const regions = placeRegions(wanted, head.header, allowedRegions)
    if (regions.length === 0) return { head, regions, spans: [] }
    if (regions === 'all' || !index) return prepareScan(head, regions, call)
    const { size } = head
    const placed = regions.filter(({ referenceId }) => referenceId >= 0)
    const spans = planSpans({ regions: placed, contained, boundsOf: (id) => boundsOf(index, id, size) })
    if (placed.length < regions.length) spans.push(...(await unplacedSpan(head, index, call)))
    return { head, index, regions, spans }
  }

  return { headOf, indexOf, prepare }
}
