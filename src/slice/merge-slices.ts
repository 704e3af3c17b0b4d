import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import type { BinningIndex } from '../formats/binning-index.ts'
import { retagRecord } from '../formats/retag-record.ts'
import type { BamSlice, BamSlicer, SlicedRecord } from './bam-slicer.ts'
import { type HeaderRenames, mergeHeaders } from './merge-headers.ts'
import type { RegionSelection } from './place-regions.ts'
import { addProgramLine } from './program-line.ts'
import { recordsAsBam, recordsAsSam } from './record-output.ts'
import type { PlainOutputOptions } from './slicer.ts'

/** A file of which reads go into a merged one. */
export interface MergeInput {
  /** How messages name it. */
  readonly name: string
  readonly slicer: Pick<BamSlicer, 'header' | 'batches'>
}

export type MergeOptions = Omit<PlainOutputOptions, 'verify'>

/** One input, at the read that it gives next. */
interface Lane {
  readonly name: string
  readonly ordinal: number
  readonly batches: AsyncIterator<readonly SlicedRecord[]>
  readonly retag?: (name: string, value: string) => string | undefined
  batch: readonly SlicedRecord[]
  at: number
}

/** Reads without a place, whose reference is -1, come last. */
function compareRecords(a: SlicedRecord, b: SlicedRecord): number {
  return (a.core.referenceId >>> 0) - (b.core.referenceId >>> 0) || a.core.position - b.core.position
}

function retagger({ readGroups, programs }: HeaderRenames): Lane['retag'] {
  if (readGroups.size === 0 && programs.size === 0) return undefined
  return (tag, value) => (tag === 'RG' ? readGroups.get(value) : tag === 'PG' ? programs.get(value) : undefined)
}

/** @throws `invalid-format` when a lane's reads are out of order. */
function requireOrder({ name }: Lane, last: SlicedRecord | undefined, next: SlicedRecord): void {
  if (!last || compareRecords(next, last) >= 0) return
  throw new ScoreError(
    'invalid-format',
    `${name}: it is not sorted by coordinate, as a file to be merged must be; sort it with 'samtools sort'`,
  )
}

/** Goes on to the lane's next batch. @returns false at its end. */
async function refill(lane: Lane): Promise<boolean> {
  const last = lane.batch.at(-1)
  do {
    const { done, value } = await lane.batches.next()
    if (done) return false
    lane.batch = value
  } while (lane.batch.length === 0)
  lane.at = 0
  requireOrder(lane, last, lane.batch[0] as SlicedRecord)
  return true
}

/** Puts a lane in its place among those that follow; the first one has the next read, the order of the inputs breaks ties. */
function settle(lanes: Lane[], lane: Lane): void {
  const read = lane.batch[lane.at] as SlicedRecord
  let low = 0
  let high = lanes.length
  while (low < high) {
    const middle = (low + high) >> 1
    const other = lanes[middle] as Lane
    const order = compareRecords(other.batch[other.at] as SlicedRecord, read) || other.ordinal - lane.ordinal
    if (order < 0) low = middle + 1
    else high = middle
  }
  lanes.splice(low, 0, lane)
}

/** In batches, as each record by itself would cost more to hand on than to merge. */
async function* mergedRecords(lanes: readonly Lane[]): AsyncGenerator<readonly SlicedRecord[]> {
  const open: Lane[] = []
  let merged: SlicedRecord[] = []
  try {
    for (const [at, begun] of (await Promise.all(lanes.map(refill))).entries()) if (begun) settle(open, lanes[at] as Lane)
    for (let lane = open.shift(); lane; lane = open.shift()) {
      const read = lane.batch[lane.at] as SlicedRecord
      merged.push(lane.retag ? { core: read.core, bytes: retagRecord(read.bytes, lane.retag) } : read)
      lane.at += 1
      const next = lane.batch[lane.at]
      if (next) requireOrder(lane, read, next)
      else {
        // The reads given so far are valid only until the lane goes on.
        yield merged
        merged = []
      }
      if (next || (await refill(lane))) settle(open, lane)
    }
  } finally {
    await Promise.allSettled(lanes.map(({ batches }) => batches.return?.()))
  }
}

/**
 * The reads of some regions out of several files, as one file sorted by coordinate; reads at one place keep the order of their
 * inputs. Memory is bounded by what the inputs' slicers read ahead.
 *
 * @throws while it is iterated: `invalid-request` when the references of two inputs differ; `invalid-format` naming an
 *   input that is not sorted; and what slices throw.
 */
export function mergeSlices(inputs: readonly MergeInput[], regions: RegionSelection, options: MergeOptions = {}): BamSlice {
  const { format = 'bam', header: program, level = 6, signal, ...selection } = options
  // One each, as every input waits for several things at a time.
  const callOf = (): CallOptions => (signal ? { signal: AbortSignal.any([signal]) } : {})
  let index: BinningIndex | undefined
  async function* run(): AsyncGenerator<Uint8Array> {
    index = undefined
    const headers = await Promise.all(inputs.map(async ({ name, slicer }) => ({ name, header: await slicer.header(callOf()) })))
    const merged = mergeHeaders(headers)
    const header = program === 'original' ? merged.header : addProgramLine(merged.header, program)
    const lanes = inputs.map(({ name, slicer }, ordinal): Lane => {
      const retag = retagger(merged.renames[ordinal] as HeaderRenames)
      const batches = slicer.batches(regions, { ...selection, ...callOf() })[Symbol.asyncIterator]()
      return { name, ordinal, batches, batch: [], at: 0, ...(retag && { retag }) }
    })
    const records = mergedRecords(lanes)
    if (format === 'sam') return yield* recordsAsSam(records, header)
    const onIndex = (made: BinningIndex): void => {
      index = made
    }
    yield* recordsAsBam(records, { header, level, onIndex, ...callOf() })
  }
  return {
    [Symbol.asyncIterator]: run,
    sliceIndex() {
      if (index) return index
      throw new ScoreError(
        'invalid-request',
        format === 'sam' ? 'SAM text has no index' : 'the index is known once the merged file was read to its end',
      )
    },
  }
}
