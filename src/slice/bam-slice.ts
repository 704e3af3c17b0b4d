import { setImmediate as nextTurn } from 'node:timers/promises'
import type { CallOptions } from '../core/call-options.ts'
import { unboundedEnd } from '../core/region.ts'
import { type BamHeader, encodeBamHeader } from '../formats/bam-header.ts'
import { type BgzfWriter, createBgzfWriter } from '../formats/bgzf-writer.ts'
import type { BinningIndex } from '../formats/binning-index.ts'
import { type BlockStep, neededBlocks } from './block-steps.ts'
import { createPlaceMap, type PlaceMap } from './place-map.ts'
import { createRecordChoice } from './record-choice.ts'
import { createRecordCutter, type DecidedBlock, type RecordCutter } from './record-cutter.ts'
import { sealOutput } from './sealed-output.ts'
import { deriveSliceIndex } from './slice-index.ts'
import type { PlacedRegion, SliceSpan } from './slice-plan.ts'

export interface BamSliceTask extends CallOptions {
  readonly name: string
  readonly header: BamHeader
  /** Absent: the slice will have none. */
  readonly index?: BinningIndex
  readonly regions: readonly PlacedRegion[] | 'all'
  readonly spans: readonly SliceSpan[]
  readonly contained: boolean
  readonly steps: AsyncIterable<BlockStep>
  readonly level: number
  /** Told once the last byte was made. */
  readonly onIndex: (index: () => BinningIndex) => void
}

/** Larger copies are handed on at once instead of waiting with the blocks that are being deflated. */
const handOnBytes = 256 * 1024

async function copyOver(writer: BgzfWriter, map: PlaceMap, start: number, bytes: Uint8Array): Promise<void> {
  writer.flush()
  map.addCopy(start, bytes.length, writer.position())
  const written = writer.copyBlocks(bytes)
  if (bytes.length >= handOnBytes) await written
}

async function takeDecided({ block, kept }: DecidedBlock, writer: BgzfWriter, map: PlaceMap): Promise<void> {
  const [first] = kept
  if (first && first.from === 0 && first.to === block.data.length) return copyOver(writer, map, block.offset, block.deflated)
  for (const { from, to } of kept) {
    map.addPart({ block: block.offset, within: from }, to - from, writer.position())
    await writer.write(block.data.subarray(from, to))
  }
}

async function takeStep(step: BlockStep, name: string, cutter: RecordCutter, writer: BgzfWriter, map: PlaceMap): Promise<void> {
  if (step.kind === 'copy') return copyOver(writer, map, step.start, step.bytes)
  const blocks = step.kind === 'run' ? neededBlocks(step.run, cutter.needs, name) : step.blocks
  for (const block of blocks) for (const decided of cutter.add(block)) await takeDecided(decided, writer, map)
}

async function* writeSlice(task: BamSliceTask): AsyncGenerator<Uint8Array> {
  const { name, header, index, regions, spans, contained, steps, level, signal, onIndex } = task
  const made: Uint8Array[] = []
  const writer = createBgzfWriter((bytes) => void made.push(bytes), { level, ...(signal && { signal }) })
  const map = createPlaceMap(writer, () => end)
  const cutter = createRecordCutter({ spans, choice: createRecordChoice(regions, contained), cutAll: false, name })
  await writer.write(encodeBamHeader(header))
  writer.flush()
  for await (const step of steps) {
    signal?.throwIfAborted()
    await takeStep(step, name, cutter, writer, map)
    // Inflating keeps this thread busy: others get their turn, and what was deflated meanwhile comes out.
    if (step.kind === 'run') await nextTurn()
    yield* made.splice(0)
  }
  cutter.finish()
  writer.flush()
  const end = writer.position()
  await writer.finish()
  if (index) onIndex(() => deriveIndex(index, map, header, regions))
  for (const bytes of made) {
    signal?.throwIfAborted()
    yield bytes
  }
}

function deriveIndex(index: BinningIndex, map: PlaceMap, header: BamHeader, regions: BamSliceTask['regions']): BinningIndex {
  const referenceCount = header.references.length
  const everything = [-1, ...header.references.keys()]
  const referenceIds = new Set(regions === 'all' ? everything : regions.map(({ referenceId }) => referenceId))
  const whole = regions === 'all' ? [] : regions.filter(({ start, end }) => start === 0 && end === unboundedEnd)
  const wholeIds = new Set(regions === 'all' ? everything : whole.map(({ referenceId }) => referenceId))
  const unplaced = referenceIds.has(-1) ? index.unplaced : 0
  return deriveSliceIndex({ index, map, referenceIds, wholeIds, referenceCount, ...(unplaced !== undefined && { unplaced }) })
}

/** A BAM file of the chosen records; it ends with the EOF marker only when it is whole. */
export function bamSlice(task: BamSliceTask): AsyncGenerator<Uint8Array> {
  return sealOutput(writeSlice(task))
}
