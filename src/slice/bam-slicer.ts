import type { ByteRange } from '../core/byte-range.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import type { Region } from '../core/region.ts'
import type { BamHeader } from '../formats/bam-header.ts'
import type { BamRecord } from '../formats/bam-record.ts'
import { decodeBamRecord, type RecordCore, readRecordCore } from '../formats/bam-record-codec.ts'
import type { BinningIndex } from '../formats/binning-index.ts'
import type { VirtualOffset } from '../formats/virtual-offset.ts'
import { bamSlice } from './bam-slice.ts'
import { blockSteps, neededBlocks } from './block-steps.ts'
import { everyRegion, type RegionSelection } from './place-regions.ts'
import { addProgramLine, type SliceProgram } from './program-line.ts'
import { createRecordChoice } from './record-choice.ts'
import { createRecordCutter, type RecordSink } from './record-cutter.ts'
import { countsOfIndex, createReferenceTally, type ReferenceCount } from './reference-counts.ts'
import { samSlice } from './sam-slice.ts'
import { type BlockMove, copiedRanges, inflatedRanges, planMoves, rangesOfMoves } from './slice-plan.ts'
import {
  type BamSlicerOptions,
  type BamSlicerSources,
  createSlicePreparation,
  type Prepared,
  type ReadSelection,
} from './slice-preparation.ts'

export interface SliceOptions extends ReadSelection {
  /** Default `bam`. */
  readonly format?: 'bam' | 'sam'
  /** `original`: as it is. Default: with a `@PG` line more that tells who made the slice. */
  readonly header?: 'original' | SliceProgram
  /** Inflate what is copied too and check its CRCs. Slower; without it damage in the middle of a region is passed on. Default false. */
  readonly verify?: boolean
  /** 0 to 9, for the blocks at the edges; default 6. */
  readonly level?: number
}

/** A record as its bytes in BAM, length field first, and the fields that placing needs. */
export interface SlicedRecord {
  readonly bytes: Uint8Array
  readonly core: RecordCore
  /** Where it begins in the file; absent where that is no BAM. */
  readonly start?: VirtualOffset
}

/** A slice being made; it is made anew each time it is iterated. */
export interface BamSlice extends AsyncIterable<Uint8Array> {
  /**
   * The index of the slice, derived from the input's without decoding it; it answers every region, and holds no counts of
   * mapped reads but those of whole references. Known when the slice was read to its end.
   *
   * @throws `invalid-request` before that, for SAM, and when no index was used.
   */
  sliceIndex(): BinningIndex
}

export interface SlicePlan {
  /** What will be sliced: merged, in file order, cut down to what is allowed. */
  readonly regions: readonly Region[]
  /** Copied as they are. */
  readonly copied: readonly ByteRange[]
  /** Inflated and looked at; up to a block longer than needed, and so are the copied ones. */
  readonly decoded: readonly ByteRange[]
  /** What is read, in order; what lies close together is read as one. */
  readonly read: readonly ByteRange[]
  /** Whether nothing but reads of the regions comes out; otherwise reads of the same containers come along (CRAM output). */
  readonly exact: boolean
}

/**
 * Slices of one BAM file (slicing.md 3). Which reads belong to a region is as `samtools view` has it: those that overlap
 * it, each once and in file order however many regions they hit; docs/slicing.md has the table.
 *
 * Everything throws `invalid-request` for a region of an unknown reference or without a length, `access-denied` for one
 * outside what is allowed, `invalid-format` when file or index are damaged or do not fit together, and what the sources throw.
 */
export interface BamSlicer {
  header(options?: CallOptions): Promise<BamHeader>
  /** What a BAM slice of these regions would read, copy and decode. */
  plan(regions: RegionSelection, options?: ReadSelection): Promise<SlicePlan>
  /**
   * The reads of these regions as a file: the whole middle of a region is copied compressed, only its edges are decoded.
   * Memory stays bounded. No regions: the header alone. `all`: the whole file, for which no index is needed.
   *
   * A slice that breaks off throws, and what came out of it before does not end with an EOF marker.
   */
  slice(regions: RegionSelection, options?: SliceOptions): BamSlice
  /** The reads as plain data. */
  records(regions: RegionSelection, options?: ReadSelection): AsyncIterable<BamRecord>
  /** The reads as bytes, many at a time; a batch is valid until the next one is asked for. */
  batches(regions: RegionSelection, options?: ReadSelection): AsyncIterable<readonly SlicedRecord[]>
  count(regions: RegionSelection, options?: ReadSelection): Promise<number>
  /**
   * How many reads lie on each reference (`samtools idxstats`): from the index alone, or with `scan` by going through the file.
   *
   * @throws `invalid-request` without an index, or when it holds no counts.
   */
  referenceCounts(options?: Pick<ReadSelection, 'scan' | 'signal'>): Promise<ReferenceCount[]>
}

/** Inflating takes longer than reading: so much read ahead keeps it busy, and more would only be garbage that lives long. */
const inflatedAheadBytes = 6 * 1024 * 1024

interface StepReading extends CallOptions {
  readonly verify?: boolean
  readonly deflated?: boolean
  /** When the slicer was given no bound. */
  readonly aheadBytes?: number
}

type ChosenRecord = SlicedRecord & { readonly start: VirtualOffset }

function noIndex(format: 'bam' | 'sam', finished: boolean): string {
  if (format === 'sam') return 'SAM text has no index'
  if (!finished) return 'the index of a slice is known once the slice was read to its end'
  return 'this slice was made without an index, so none can be derived; buildBamIndex makes one of the slice'
}

export function createBamSlicer(sources: BamSlicerSources, options: BamSlicerOptions = {}): BamSlicer {
  const { data } = sources
  const { name = 'BAM input', aheadBytes } = options
  const { headOf, indexOf, prepare } = createSlicePreparation(sources, options)

  const stepsOf = (
    { head }: Prepared,
    moves: readonly BlockMove[],
    { verify = false, deflated = false, signal, ...reading }: StepReading,
  ) => {
    const ahead = aheadBytes ?? reading.aheadBytes
    return blockSteps(data, moves, {
      ...{ name, size: head.size, verify, deflated },
      ...(ahead !== undefined && { aheadBytes: ahead }),
      ...(signal && { signal }),
    })
  }

  const placeOf = (block: number, within: number): string => `${name}: record at byte ${block}, inflated byte ${within} of its block`

  /** Gives `onRecord` every record of the regions, in file order; what it yields marks where those given before are done with. */
  async function* visit(prepared: Prepared, selection: ReadSelection, onRecord: RecordSink): AsyncGenerator<void> {
    const { regions, spans } = prepared
    const choice = createRecordChoice(regions, selection.contained ?? false)
    const cutter = createRecordCutter({ spans, choice, cutAll: true, name, onRecord })
    const { signal } = selection
    const steps = stepsOf(prepared, planMoves(spans, false), { aheadBytes: inflatedAheadBytes, ...(signal && { signal }) })
    for await (const step of steps) {
      signal?.throwIfAborted()
      if (step.kind === 'run') for (const block of neededBlocks(step.run, cutter.needs, name)) cutter.add(block)
      if (step.kind === 'blocks') for (const block of step.blocks) cutter.add(block)
      yield
    }
    cutter.finish()
  }

  async function* chosen(prepared: Prepared, selection: ReadSelection): AsyncGenerator<ChosenRecord[]> {
    let found: ChosenRecord[] = []
    const onRecord: RecordSink = (view, from, to, block, within) => {
      const bytes = new Uint8Array(view.buffer, view.byteOffset + from, to - from)
      found.push({ start: { block, within }, bytes, core: readRecordCore(view, from) })
    }
    for await (const _ of visit(prepared, selection, onRecord)) {
      yield found
      found = []
    }
  }

  async function* records(wanted: RegionSelection, selection: ReadSelection = {}): AsyncGenerator<BamRecord> {
    for await (const batch of chosen(await prepare(wanted, selection), selection)) {
      for (const { bytes, start } of batch) yield decodeBamRecord(bytes, placeOf(start.block, start.within))
    }
  }

  return {
    header: async (call) => (await headOf(call)).header,
    async plan(wanted, selection = {}) {
      const { head, regions, spans } = await prepare(wanted, selection)
      const moves = planMoves(spans, true)
      return {
        regions: (regions === 'all' ? everyRegion(head.header) : regions).map(({ reference, start, end }) => ({ reference, start, end })),
        copied: copiedRanges(moves),
        decoded: inflatedRanges(moves, head.size),
        read: rangesOfMoves(moves, head.size),
        exact: true,
      }
    },
    slice(wanted, sliceOptions = {}) {
      const { format = 'bam', contained = false, verify = false, level = 6, signal } = sliceOptions
      if (!Number.isInteger(level) || level < 0 || level > 9)
        throw new ScoreError('invalid-request', `level ${level}: a whole number from 0 to 9 is needed`)
      let derive: (() => BinningIndex) | undefined
      let finished = false
      async function* run(): AsyncGenerator<Uint8Array> {
        derive = undefined
        finished = false
        const prepared = await prepare(wanted, sliceOptions)
        const { head, index, regions, spans } = prepared
        const header = sliceOptions.header === 'original' ? head.header : addProgramLine(head.header, sliceOptions.header)
        if (format === 'sam') {
          const text = { data, size: head.size, name, header, regions, spans, contained }
          const reading = { aheadBytes: aheadBytes ?? inflatedAheadBytes, ...(signal && { signal }) }
          return yield* samSlice({ ...text, ...reading, ...(index && { index }) })
        }
        const steps = stepsOf(prepared, planMoves(spans, true), { verify, deflated: true, ...(signal && { signal }) })
        const onIndex = (made: () => BinningIndex): void => {
          derive = made
        }
        yield* bamSlice({
          name,
          header,
          regions,
          spans,
          contained,
          steps,
          level,
          onIndex,
          ...(index && { index }),
          ...(signal && { signal }),
        })
        finished = true
      }
      return {
        [Symbol.asyncIterator]: run,
        sliceIndex() {
          if (derive) return derive()
          throw new ScoreError('invalid-request', noIndex(format, finished))
        },
      }
    },
    records,
    async *batches(wanted, selection = {}) {
      yield* chosen(await prepare(wanted, selection), selection)
    },
    async count(wanted, selection = {}) {
      let count = 0
      const onRecord = (): void => {
        count += 1
      }
      for await (const _ of visit(await prepare(wanted, selection), selection, onRecord));
      return count
    },
    async referenceCounts({ scan = false, ...call } = {}) {
      const { header } = await headOf(call)
      if (!scan) return countsOfIndex(header, await indexOf(call), name)
      const tally = createReferenceTally(header)
      for await (const batch of chosen(await prepare('all', call), call)) for (const { core } of batch) tally.add(core)
      return tally.counts()
    },
  }
}
