import type { ByteRange } from '../core/byte-range.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import type { Region } from '../core/region.ts'
import type { BamHeader } from '../formats/bam-header.ts'
import type { BamRecord } from '../formats/bam-record.ts'
import { decodeBamRecord } from '../formats/bam-record-codec.ts'
import type { BinningIndex } from '../formats/binning-index.ts'
import { formatSamRecord } from '../formats/sam-text.ts'
import { bamSlice } from './bam-slice.ts'
import { type BlockStep, blockSteps } from './block-steps.ts'
import type { RegionInput } from './place-regions.ts'
import { addProgramLine, type SliceProgram } from './program-line.ts'
import { createRecordChoice } from './record-choice.ts'
import { type ChosenRecord, createRecordCutter } from './record-cutter.ts'
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

/** A slice being made; it is made anew each time it is iterated. */
export interface BamSlice extends AsyncIterable<Uint8Array> {
  /**
   * The index of the slice, derived from the input's without decoding it; it answers every region, and holds no counts of
   * mapped reads. Known when the slice was read to its end.
   *
   * @throws `invalid-request` before that, and for SAM.
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
  plan(regions: readonly RegionInput[], options?: ReadSelection): Promise<SlicePlan>
  /**
   * The reads of these regions as a file: the whole middle of a region is copied compressed, only its edges are decoded.
   * Memory stays bounded. No regions: the header alone.
   *
   * A slice that breaks off throws, and what came out of it before does not end with an EOF marker.
   */
  slice(regions: readonly RegionInput[], options?: SliceOptions): BamSlice
  /** The reads as plain data. */
  records(regions: readonly RegionInput[], options?: ReadSelection): AsyncIterable<BamRecord>
  count(regions: readonly RegionInput[], options?: ReadSelection): Promise<number>
}

const textBytes = 64 * 1024

export function createBamSlicer(sources: BamSlicerSources, options: BamSlicerOptions = {}): BamSlicer {
  const { data } = sources
  const { name = 'BAM input' } = options
  const { headOf, prepare } = createSlicePreparation(sources, options)

  const stepsOf = ({ head }: Prepared, moves: readonly BlockMove[], verify: boolean, call: CallOptions): AsyncGenerator<BlockStep> =>
    blockSteps(data, moves, { name, size: head.size, verify, ...(call.signal && { signal: call.signal }) })

  async function* chosen(prepared: Prepared, selection: ReadSelection): AsyncGenerator<ChosenRecord[]> {
    const { regions, spans } = prepared
    let found: ChosenRecord[] = []
    const choice = createRecordChoice(regions, selection.contained ?? false)
    const cutter = createRecordCutter({ spans, choice, cutAll: true, name, onRecord: (record) => void found.push(record) })
    for await (const step of stepsOf(prepared, planMoves(spans, false), false, selection)) {
      selection.signal?.throwIfAborted()
      if (step.kind === 'blocks') for (const block of step.blocks) cutter.add(block)
      yield found
      found = []
    }
    cutter.finish()
  }

  const whereOf = ({ start }: ChosenRecord): string => `${name}: record at byte ${start.block}, inflated byte ${start.within} of its block`

  async function* records(wanted: readonly RegionInput[], selection: ReadSelection = {}): AsyncGenerator<BamRecord> {
    for await (const batch of chosen(await prepare(wanted, selection), selection)) {
      for (const record of batch) yield decodeBamRecord(record.bytes, whereOf(record))
    }
  }

  async function* samText(prepared: Prepared, header: BamHeader, selection: ReadSelection): AsyncGenerator<Uint8Array> {
    if (header.text !== '') yield Buffer.from(header.text)
    let lines = ''
    for await (const batch of chosen(prepared, selection)) {
      for (const record of batch) {
        lines += `${formatSamRecord(decodeBamRecord(record.bytes, whereOf(record)), header)}\n`
        if (lines.length < textBytes) continue
        yield Buffer.from(lines, 'latin1')
        lines = ''
      }
    }
    if (lines !== '') yield Buffer.from(lines, 'latin1')
  }

  return {
    header: async (call) => (await headOf(call)).header,
    async plan(wanted, selection = {}) {
      const { head, regions, spans } = await prepare(wanted, selection)
      const moves = planMoves(spans, true)
      return {
        regions: regions.map(({ reference, start, end }) => ({ reference, start, end })),
        copied: copiedRanges(moves),
        decoded: inflatedRanges(moves, head.size),
        read: rangesOfMoves(moves, head.size),
      }
    },
    slice(wanted, sliceOptions = {}) {
      const { format = 'bam', contained = false, verify = false, level = 6, signal } = sliceOptions
      if (!Number.isInteger(level) || level < 0 || level > 9)
        throw new ScoreError('invalid-request', `level ${level}: a whole number from 0 to 9 is needed`)
      let derive: (() => BinningIndex) | undefined
      async function* run(): AsyncGenerator<Uint8Array> {
        derive = undefined
        const prepared = await prepare(wanted, sliceOptions)
        const { head, index, regions, spans } = prepared
        const header = sliceOptions.header === 'original' ? head.header : addProgramLine(head.header, sliceOptions.header)
        if (format === 'sam') return yield* samText(prepared, header, sliceOptions)
        const steps = stepsOf(prepared, planMoves(spans, true), verify, sliceOptions)
        const onIndex = (made: () => BinningIndex): void => {
          derive = made
        }
        yield* bamSlice({ name, header, index, regions, spans, contained, steps, level, onIndex, ...(signal && { signal }) })
      }
      return {
        [Symbol.asyncIterator]: run,
        sliceIndex() {
          if (derive) return derive()
          throw new ScoreError(
            'invalid-request',
            format === 'sam' ? 'SAM text has no index' : 'the index of a slice is known once the slice was read to its end',
          )
        },
      }
    },
    records,
    async count(wanted, selection = {}) {
      let count = 0
      for await (const batch of chosen(await prepare(wanted, selection), selection)) count += batch.length
      return count
    },
  }
}
