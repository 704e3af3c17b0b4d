import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import type { BamHeader } from '../formats/bam-header.ts'
import type { CramIndex } from '../formats/crai.ts'
import type { SlicePlan } from './bam-slicer.ts'
import { checkedContainers } from './checked-containers.ts'
import { type CramFileSources, createCramPreparation } from './cram-preparation.ts'
import { cramSlice } from './cram-slice.ts'
import { everyRegion, type RegionSelection } from './place-regions.ts'
import { addProgramLine, type SliceProgram } from './program-line.ts'
import type { ReadSelection } from './slice-preparation.ts'

export type CramSlicerSources = CramFileSources

export interface CramSlicerOptions {
  /** How messages name the file; default `CRAM input`. */
  readonly name?: string
  /** How messages name the index; default `index of …`. */
  readonly indexName?: string
}

export interface CramSliceOptions extends ReadSelection {
  /** Default `cram`. */
  readonly format?: 'cram'
  /** `original`: as it is. Default: with a `@PG` line more that tells who made the slice. */
  readonly header?: 'original' | SliceProgram
  /** Check the CRC of every block that is copied. Nothing is inflated for it. Default false. */
  readonly verify?: boolean
}

export interface CramSlice extends AsyncIterable<Uint8Array> {
  /**
   * The index of the slice, derived from the input's. Known when the slice was read to its end.
   *
   * @throws `invalid-request` before that, and when no index was used.
   */
  sliceIndex(): CramIndex
}

/** Slices of one CRAM file, by copying the containers in which reads of the regions lie: a superset of these reads. */
export interface CramSlicer {
  header(options?: CallOptions): Promise<BamHeader>
  /** What a CRAM slice of these regions would read and copy. */
  plan(regions: RegionSelection, options?: ReadSelection): Promise<SlicePlan>
  /**
   * The reads of these regions, and those in the same containers, as a CRAM file. Memory stays bounded.
   *
   * @throws `invalid-request` for `contained` and for `allowedRegions`, which whole containers cannot keep to.
   */
  slice(regions: RegionSelection, options?: CramSliceOptions): CramSlice
}

export function createCramSlicer(sources: CramSlicerSources, options: CramSlicerOptions = {}): CramSlicer {
  const { name = 'CRAM input', indexName = `index of ${name}` } = options
  const { headOf, prepare, walk } = createCramPreparation(sources, { name, indexName })

  return {
    header: async (call) => (await headOf(call)).header,
    async plan(wanted, selection = {}) {
      const { head, regions, containers, ranges } = await prepare(wanted, selection)
      return {
        regions: (regions === 'all' ? everyRegion(head.header) : regions).map(({ reference, start, end }) => ({ reference, start, end })),
        copied: containers ? containers.map(({ range }) => range) : ranges,
        decoded: [],
        read: ranges,
      }
    },
    slice(wanted, sliceOptions = {}) {
      const { contained = false, allowedRegions, verify = false, signal } = sliceOptions
      let index: CramIndex | undefined
      let finished = false
      async function* run(): AsyncGenerator<Uint8Array> {
        index = undefined
        finished = false
        if (contained || allowedRegions)
          throw new ScoreError(
            'invalid-request',
            `${name}: a CRAM slice is made of whole containers, which hold other reads too; it cannot keep to 'contained' or to allowed regions`,
          )
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
        sliceIndex() {
          if (index) return index
          const why = finished
            ? 'this slice was made without an index, so none can be derived'
            : 'the index of a slice is known once the slice was read to its end'
          throw new ScoreError('invalid-request', why)
        },
      }
    },
  }
}
