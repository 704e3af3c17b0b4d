import { type ByteSource, readBytes } from '../bytes/byte-source.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { createSharedLoad } from '../core/shared-load.ts'
import { eofMarker } from '../formats/bgzf-block.ts'
import { type BinningIndex, unplacedStart } from '../formats/binning-index.ts'
import { parseIndex } from '../formats/parse-index.ts'
import type { VirtualOffset } from '../formats/virtual-offset.ts'
import { placeRegions, type RegionInput } from './place-regions.ts'
import { createReferenceBounds, type ReferenceBounds } from './reference-bounds.ts'
import { type BamHead, readBamHead } from './slice-header.ts'
import { type PlacedRegion, planSpans, type SliceSpan } from './slice-plan.ts'

export interface BamSlicerSources {
  /** A coordinate-sorted BAM file. */
  readonly data: ByteSource
  /** Its BAI or CSI: the file, or what `parseIndex` made of it. */
  readonly index: ByteSource | BinningIndex
}

export interface BamSlicerOptions {
  /** How messages name the file; default `BAM input`. */
  readonly name?: string
  /** How messages name the index; default `index of …`. */
  readonly indexName?: string
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
}

/** A request, understood: what is meant and where it lies. */
export interface Prepared {
  readonly head: BamHead
  readonly index: BinningIndex
  readonly regions: readonly PlacedRegion[]
  readonly spans: readonly SliceSpan[]
}

/** What slices of one file share: header, index and what was made of them. */
export interface SlicePreparation {
  headOf(options?: CallOptions): Promise<BamHead>
  prepare(wanted: readonly RegionInput[], selection: ReadSelection): Promise<Prepared>
}

export function createSlicePreparation(sources: BamSlicerSources, options: BamSlicerOptions): SlicePreparation {
  const { data } = sources
  const { name = 'BAM input', indexName = `index of ${name}` } = options
  const bounds = new Map<number, ReferenceBounds | undefined>()

  const loadIndex = async (call: CallOptions): Promise<BinningIndex> => {
    if ('references' in sources.index) return sources.index
    return parseIndex(await readBytes(sources.index, { start: 0, end: await sources.index.size(call) }, call), indexName)
  }
  const headOf = createSharedLoad((call) => readBamHead(data, name, call))
  const indexOf = createSharedLoad(loadIndex)

  const misfit = (what: string): ScoreError<'invalid-format'> =>
    new ScoreError(
      'invalid-format',
      `${indexName}: ${what}; it is old or of another file, or the file was cut off: see 'samtools quickcheck', then make it anew with 'samtools index'`,
    )

  const boundsOf = (index: BinningIndex, referenceId: number, size: number): ReferenceBounds | undefined => {
    if (!bounds.has(referenceId)) bounds.set(referenceId, createReferenceBounds(index, referenceId))
    const found = bounds.get(referenceId)
    if (found && found.span.end.block > size) throw misfit(`it points to byte ${found.span.end.block} of a file of ${size} bytes`)
    return found
  }

  const unplacedStartOf = async (index: BinningIndex, head: BamHead, call: CallOptions): Promise<VirtualOffset> => {
    const start = unplacedStart(index) ?? head.firstRecord
    if (start.block > head.size) throw misfit(`it points to byte ${start.block} of a file of ${head.size} bytes`)
    const tail = await readBytes(data, { start: Math.max(0, head.size - eofMarker.length), end: head.size }, call)
    if (Buffer.compare(tail, eofMarker) !== 0)
      throw new ScoreError(
        'invalid-format',
        `${name}: the EOF marker is missing at its end, where the reads without a place are; it has been cut off`,
      )
    return start
  }

  const prepare = async (wanted: readonly RegionInput[], selection: ReadSelection): Promise<Prepared> => {
    const { contained = false, allowedRegions, signal } = selection
    const call = signal ? { signal } : {}
    const [head, index] = await Promise.all([headOf(call), indexOf(call)])
    if (index.references.length > head.header.references.length)
      throw misfit(`it has ${index.references.length} references, the file ${head.header.references.length}`)
    const regions = placeRegions(wanted, head.header, allowedRegions)
    const hasUnplaced = regions.at(-1)?.referenceId === -1
    const unplaced = hasUnplaced ? await unplacedStartOf(index, head, call) : head.firstRecord
    const { size } = head
    const spans = planSpans({ regions, contained, boundsOf: (id) => boundsOf(index, id, size), unplacedStart: unplaced, size })
    return { head, index, regions, spans }
  }

  return { headOf, prepare }
}
