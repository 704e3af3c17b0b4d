import type { ByteSource } from '../bytes/byte-source.ts'
import type { CallOptions } from '../core/call-options.ts'
import { type BgzfBlock, blockError, inflateBlock, inflateRun } from '../formats/bgzf-block.ts'
import { type BlockRun, type CompressedFeed, createCompressedFeed } from './compressed-feed.ts'
import { type BlockMove, rangesOfMoves } from './slice-plan.ts'

/** A block inflated, with what it was made of. */
export interface InflatedBlock extends BgzfBlock {
  readonly deflated: Uint8Array
}

/** What a slice is made of, in file order. */
export type BlockStep =
  | { readonly kind: 'blocks'; readonly blocks: readonly InflatedBlock[] }
  /** Blocks to be inflated by who takes them, as far as they are needed. */
  | { readonly kind: 'run'; readonly run: BlockRun }
  /** Bytes to be copied as they are; they need not end with a whole block. */
  | { readonly kind: 'copy'; readonly start: number; readonly bytes: Uint8Array }

export interface BlockStepOptions extends CallOptions {
  /** How messages name the file. */
  readonly name: string
  readonly size: number
  /** Inflates what is copied, only to check it. */
  readonly verify: boolean
  /** Gives runs instead of inflated blocks. Default false: blocks are inflated ahead, in other threads. */
  readonly deflated?: boolean
  /** Bound on the compressed bytes that are read ahead; default 24 MiB. */
  readonly aheadBytes?: number
}

/** In an object, as a generator awaits what it gives. */
interface StepUnderWay {
  readonly step: Promise<BlockStep>
}

/** Runs inflated at once, where memory allows. */
const inflatedAhead = 3
const standardAheadBytes = 24 * 1024 * 1024
const mostPieceBytes = 4 * 1024 * 1024
const leastPieceBytes = 64 * 1024
/** Pieces smaller than this mean that memory is short. */
const leastPieceForAhead = 1024 * 1024
/** One piece is used while the others come. */
const piecesAhead = 6

async function inflateStep({ bytes, offset, frames }: BlockRun, name: string): Promise<BlockStep> {
  const blocks = await inflateRun(bytes, frames, offset, name)
  return {
    kind: 'blocks',
    blocks: blocks.map((block) => ({ ...block, deflated: bytes.subarray(block.offset - offset, block.offset - offset + block.size) })),
  }
}

async function checkedCopy(run: BlockRun, name: string): Promise<BlockStep> {
  await inflateRun(run.bytes, run.frames, run.offset, name)
  const start = (run.frames[0] as (typeof run.frames)[number]).start
  return { kind: 'copy', start: run.offset + start, bytes: run.bytes.subarray(start, run.frames.at(-1)?.end) }
}

async function* inflateSteps(
  first: number,
  last: number,
  feed: CompressedFeed,
  { name, deflated }: BlockStepOptions,
): AsyncGenerator<StepUnderWay> {
  await feed.skipTo(first)
  for (let run = await feed.run(last); run; run = await feed.run(last)) {
    yield { step: deflated ? Promise.resolve<BlockStep>({ kind: 'run', run }) : inflateStep(run, name) }
  }
}

/** The blocks of a run that are needed, inflated one by one on this thread when it is their turn. */
export function* neededBlocks(
  { bytes, offset, frames }: BlockRun,
  needs: (offset: number) => boolean,
  name: string,
): Generator<InflatedBlock> {
  for (const frame of frames) {
    if (needs(offset + frame.start)) yield { ...inflateBlock(bytes, frame, offset, name), deflated: bytes.subarray(frame.start, frame.end) }
  }
}

async function* copySteps(until: number, feed: CompressedFeed, { name, verify }: BlockStepOptions): AsyncGenerator<StepUnderWay> {
  if (verify) {
    for (let run = await feed.run(until - 1); run; run = await feed.run(until - 1)) yield { step: checkedCopy(run, name) }
  } else {
    for (let start = feed.at; start < until; start = feed.at) {
      const bytes = await feed.raw(until)
      if (bytes) yield { step: Promise.resolve<BlockStep>({ kind: 'copy', start, bytes }) }
    }
  }
  if (feed.at !== until) throw blockError(name, until, 'no block begins here, though the index says so; the index is of another file')
}

async function* startSteps(moves: readonly BlockMove[], feed: CompressedFeed, options: BlockStepOptions): AsyncGenerator<StepUnderWay> {
  for (const move of moves) {
    if (move.kind === 'inflate') yield* inflateSteps(move.first, move.last, feed, options)
    else yield* copySteps(move.until, feed, options)
  }
}

/** Fetches and inflates what the moves say, a little ahead of who takes it. @throws `invalid-format` for bad blocks. */
export async function* blockSteps(source: ByteSource, moves: readonly BlockMove[], options: BlockStepOptions): AsyncGenerator<BlockStep> {
  const { aheadBytes = standardAheadBytes, signal } = options
  const pieceBytes = Math.min(mostPieceBytes, Math.max(leastPieceBytes, Math.floor(aheadBytes / piecesAhead)))
  const feed = createCompressedFeed(source, rangesOfMoves(moves, options.size), options.name, {
    pieceBytes,
    aheadBytes,
    concurrency: piecesAhead,
    ...(signal && { signal }),
  })
  const ahead: Promise<BlockStep>[] = []
  const mostAhead = pieceBytes < leastPieceForAhead ? 1 : inflatedAhead
  try {
    for await (const { step } of startSteps(moves, feed, options)) {
      step.catch(() => undefined)
      ahead.push(step)
      if (ahead.length > mostAhead) yield await (ahead.shift() as Promise<BlockStep>)
    }
    for (const step of ahead) yield await step
  } finally {
    await feed.close()
  }
}
