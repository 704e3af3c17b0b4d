import { ScoreError } from '../core/errors.ts'
import type { BamRecord } from '../formats/bam-record.ts'
import { decodeBamRecord } from '../formats/bam-record-codec.ts'
import type { BinningIndex } from '../formats/binning-index.ts'
import type { CramIndex } from '../formats/crai.ts'
import type { ReferenceSequences } from '../formats/fasta.ts'
import type { BamSlice, SlicedRecord } from './bam-slicer.ts'
import { checkedContainers } from './checked-containers.ts'
import { type CramBatch, cramBatches } from './cram-batches.ts'
import { type CramFileSources, createCramPreparation, type PreparedCram } from './cram-preparation.ts'
import { createCramReference } from './cram-reference.ts'
import { cramSlice } from './cram-slice.ts'
import { exactCramSlice } from './exact-cram.ts'
import { everyRegion, type RegionSelection } from './place-regions.ts'
import { addProgramLine } from './program-line.ts'
import { createRecordChoice } from './record-choice.ts'
import { recordsAsBam, recordsAsSam } from './record-output.ts'
import { createReferenceTally } from './reference-counts.ts'
import type { SamtoolsTool } from './samtools-tool.ts'
import type { BamSlicerOptions, ReadSelection } from './slice-preparation.ts'
import type { BatchOptions, CramOutputOptions, CramSlice, PlainOutputOptions, Slicer } from './slicer.ts'

export interface CramSlicerSources extends CramFileSources {
  /** What the reads are stored as differences to; needed for BAM, SAM and records of most files. */
  readonly reference?: ReferenceSequences
  /** Writes CRAM with exactly the reads asked for. */
  readonly samtools?: SamtoolsTool
}

/** As a BAM slicer's; names of reads that the file does not store begin with its name, without folders. */
export type CramSlicerOptions = BamSlicerOptions

/** Slices of one CRAM file; which reads belong to a region is as for BAM. @throws as {@link Slicer} */
export function createCramSlicer(sources: CramSlicerSources, options: CramSlicerOptions = {}): Slicer {
  const { name = 'CRAM input', indexName = `index of ${name}`, aheadBytes } = options
  const { headOf, prepare, walk } = createCramPreparation(sources, { name, indexName, ...(aheadBytes !== undefined && { aheadBytes }) })

  const batchesOf = (prepared: PreparedCram, { contained = false, signal }: ReadSelection): AsyncGenerator<CramBatch> => {
    const { head, regions } = prepared
    const call = signal ? { signal } : {}
    const reference = sources.reference && createCramReference(sources.reference, head.header, name)
    return cramBatches({
      ...{ head, regions, name, pieces: walk(prepared, call), choice: createRecordChoice(regions, contained) },
      ...call,
      ...(reference && { reference }),
    })
  }

  async function* records(prepared: PreparedCram, selection: BatchOptions): AsyncGenerator<readonly SlicedRecord[]> {
    for await (const batch of batchesOf(prepared, selection)) {
      const encoded = selection.fields === 'places' ? batch.encodePlaces() : await batch.encode()
      yield batch.chosen.map(({ core }, at) => ({ core, bytes: encoded[at] as Uint8Array }))
    }
  }

  const decodedSlice = (wanted: RegionSelection, sliceOptions: PlainOutputOptions): BamSlice => {
    const { format = 'bam', level = 6, signal } = sliceOptions
    if (!Number.isInteger(level) || level < 0 || level > 9)
      throw new ScoreError('invalid-request', `level ${level}: a whole number from 0 to 9 is needed`)
    let index: BinningIndex | undefined
    let finished = false
    async function* run(): AsyncGenerator<Uint8Array> {
      index = undefined
      finished = false
      const prepared = await prepare(wanted, sliceOptions)
      const header = sliceOptions.header === 'original' ? prepared.head.header : addProgramLine(prepared.head.header, sliceOptions.header)
      const batches = records(prepared, sliceOptions)
      const onIndex = (made: BinningIndex): void => {
        index = made
      }
      if (format === 'sam') yield* recordsAsSam(batches, header)
      else yield* recordsAsBam(batches, { header, level, onIndex, ...(signal && { signal }) })
      finished = true
    }
    return {
      [Symbol.asyncIterator]: run,
      sliceIndex() {
        if (index) return index
        const unsorted = finished
          ? 'these reads are not in order of place, so they have no index'
          : 'the index of a slice is known once the slice was read to its end'
        throw new ScoreError('invalid-request', format === 'sam' ? 'SAM text has no index' : unsorted)
      },
    }
  }

  const containerSlice = (wanted: RegionSelection, sliceOptions: CramOutputOptions): CramSlice => {
    const { verify = false, signal } = sliceOptions
    let index: CramIndex | undefined
    let finished = false
    async function* run(): AsyncGenerator<Uint8Array> {
      index = undefined
      finished = false
      const prepared = await prepare(wanted, sliceOptions)
      const { head, containers } = prepared
      const call = signal ? { signal } : {}
      const walked = walk(prepared, call)
      const pieces = verify ? checkedContainers(walked, head.version, name) : walked
      const header = sliceOptions.header === 'original' ? undefined : addProgramLine(head.header, sliceOptions.header)
      const onIndex = (made: CramIndex | undefined): void => {
        index = made
      }
      yield* cramSlice({ head, pieces, onIndex, ...call, ...(header && { header }), ...(containers && { containers }) })
      finished = true
    }
    return {
      [Symbol.asyncIterator]: run,
      exact: false,
      sliceIndex() {
        if (index) return index
        const why = finished
          ? 'this slice was made without an index, so none can be derived'
          : 'the index of a slice is known once the slice was read to its end'
        throw new ScoreError('invalid-request', why)
      },
    }
  }

  const cramOutput = (wanted: RegionSelection, sliceOptions: CramOutputOptions): CramSlice => {
    const { contained = false, allowedRegions, exact = contained || allowedRegions !== undefined } = sliceOptions
    if (exact) return exactCramSlice(sources.samtools, sliceOptions, { name, isCram: true, bamSlice: (bam) => decodedSlice(wanted, bam) })
    if (!contained && !allowedRegions) return containerSlice(wanted, sliceOptions)
    throw new ScoreError(
      'invalid-request',
      `${name}: whole containers hold other reads too, so they cannot keep to 'contained' or to allowed regions; leave 'exact' out`,
    )
  }

  return {
    header: async (call) => (await headOf(call)).header,
    async plan(wanted, { format = 'bam', ...selection } = {}) {
      const { head, regions, containers, ranges } = await prepare(wanted, selection)
      const whole = containers ? containers.map(({ range }) => range) : ranges
      return {
        regions: (regions === 'all' ? everyRegion(head.header) : regions).map(({ reference, start, end }) => ({ reference, start, end })),
        copied: format === 'cram' ? whole : [],
        decoded: format === 'cram' ? [] : whole,
        read: ranges,
        exact: format !== 'cram',
      }
    },
    slice: ((wanted: RegionSelection, sliceOptions: PlainOutputOptions | CramOutputOptions = {}) =>
      sliceOptions.format === 'cram' ? cramOutput(wanted, sliceOptions) : decodedSlice(wanted, sliceOptions)) as Slicer['slice'],
    async *records(wanted, selection = {}): AsyncGenerator<BamRecord> {
      for await (const batch of records(await prepare(wanted, selection), selection))
        for (const { bytes } of batch) yield decodeBamRecord(bytes, name)
    },
    async *batches(wanted, selection = {}) {
      yield* records(await prepare(wanted, selection), selection)
    },
    async count(wanted, selection = {}) {
      let count = 0
      for await (const { chosen } of batchesOf(await prepare(wanted, selection), selection)) count += chosen.length
      return count
    },
    async referenceCounts({ signal } = {}) {
      const { header } = await headOf(signal ? { signal } : {})
      const tally = createReferenceTally(header)
      const selection = signal ? { signal } : {}
      for await (const { chosen } of batchesOf(await prepare('all', selection), selection)) for (const { core } of chosen) tally.add(core)
      return tally.counts()
    },
  }
}
