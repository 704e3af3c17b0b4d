import { type ByteSource, readBytes } from '../bytes/byte-source.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import {
  type BgzfBlock,
  type BlockFrame,
  blockError,
  claimedSize,
  eofMarker,
  frameBlock,
  inflateRun,
  maximumBlockBytes,
} from './bgzf-block.ts'
import type { VirtualOffset } from './virtual-offset.ts'

export interface BgzfReaderOptions {
  /** How messages name the input; default `BGZF input`. */
  readonly name?: string
  /** Runs of blocks inflated ahead of the reader in libuv's pool; default 3. A run holds at most 1 MiB. */
  readonly readAhead?: number
}

/** Inflated bytes in file order; the piece begins at `start`. */
export interface BgzfPiece {
  readonly start: VirtualOffset
  readonly data: Uint8Array
}

/** Reads BGZF (SAMv1 4.1) from any {@link ByteSource}, every CRC and size checked. */
export interface BgzfReader {
  /** How messages name the input. */
  readonly name: string
  /**
   * The blocks that begin in `[start, end)` of the compressed file; default all of it. `start` must be the beginning of a block.
   * Empty blocks, the EOF marker among them, are given too.
   *
   * @throws `invalid-format` naming the byte where a bad or truncated block begins.
   */
  blocks(range?: { readonly start?: number; readonly end?: number }, options?: CallOptions): AsyncIterable<BgzfBlock>
  /**
   * The inflated bytes from `start` (default: the beginning) up to `end` (default: the end of the file), one non-empty
   * piece a block.
   *
   * @throws `invalid-format` as {@link BgzfReader.blocks}, and when an offset points behind its block's data.
   */
  read(span?: { readonly start?: VirtualOffset; readonly end?: VirtualOffset }, options?: CallOptions): AsyncIterable<BgzfPiece>
  /** @throws `invalid-format` when the file does not end with the EOF marker, so has most likely been cut off (SAMv1 4.1.2). */
  checkEofMarker(options?: CallOptions): Promise<void>
}

const gatherBytes = 512 * 1024
const runBytes = 1024 * 1024

interface Run {
  readonly bytes: Uint8Array
  readonly offset: number
  readonly frames: BlockFrame[]
}

/** Cuts the compressed stream into runs of whole blocks, each small enough once inflated. */
async function* cutRuns(source: ByteSource, start: number, end: number, name: string, options?: CallOptions): AsyncGenerator<Run> {
  const size = await source.size(options)
  if (start > size) throw blockError(name, start, `the file ends at byte ${size}; its index is of another file`)
  const until = Math.min(end, size)
  let gathered = new Uint8Array(gatherBytes)
  let filled = 0
  let offset = start
  const take = function* (): Generator<Run> {
    let frames: BlockFrame[] = []
    let inflated = 0
    let at = 0
    for (;;) {
      if (offset + at >= until) break
      const frame = frameBlock(gathered.subarray(0, filled), at, offset, name)
      if (!frame) break
      const claimed = claimedSize(gathered, frame, offset, name)
      if (frames.length > 0 && inflated + claimed > runBytes) {
        yield { bytes: gathered, offset, frames }
        frames = []
        inflated = 0
      }
      frames.push(frame)
      inflated += claimed
      at = frame.end
    }
    if (frames.length > 0) yield { bytes: gathered, offset, frames }
    // The runs keep the old array; what is left begins a new one.
    const rest = new Uint8Array(gatherBytes)
    rest.set(gathered.subarray(at, filled))
    gathered = rest
    filled -= at
    offset += at
  }
  for await (const piece of source.stream({ start, end: Math.min(size, until + maximumBlockBytes) }, options)) {
    for (let at = 0; at < piece.length; ) {
      const count = Math.min(piece.length - at, gatherBytes - filled)
      gathered.set(piece.subarray(at, at + count), filled)
      filled += count
      at += count
      if (filled === gatherBytes) yield* take()
    }
    if (offset >= until) return
  }
  yield* take()
  if (offset < until) throw blockError(name, offset, `the file ends inside it, at byte ${size}; it has been cut off`)
}

export function createBgzfReader(source: ByteSource, options: BgzfReaderOptions = {}): BgzfReader {
  const { name = 'BGZF input', readAhead = 3 } = options

  async function* blocks(range: { readonly start?: number; readonly end?: number } = {}, call?: CallOptions): AsyncGenerator<BgzfBlock> {
    const ahead: Promise<BgzfBlock[]>[] = []
    for await (const run of cutRuns(source, range.start ?? 0, range.end ?? Number.POSITIVE_INFINITY, name, call)) {
      const inflating = inflateRun(run.bytes, run.frames, run.offset, name)
      // It is awaited in its turn; a consumer that leaves early must not make its failure an unhandled one.
      inflating.catch(() => undefined)
      ahead.push(inflating)
      if (ahead.length > readAhead) yield* await (ahead.shift() as Promise<BgzfBlock[]>)
    }
    for (const inflating of ahead) yield* await inflating
  }

  async function* read(
    span: { readonly start?: VirtualOffset; readonly end?: VirtualOffset } = {},
    call?: CallOptions,
  ): AsyncGenerator<BgzfPiece> {
    const { start = { block: 0, within: 0 }, end } = span
    const limit = end ? end.block + (end.within > 0 ? 1 : 0) : Number.POSITIVE_INFINITY
    for await (const block of blocks({ start: start.block, end: limit }, call)) {
      const from = block.offset === start.block ? start.within : 0
      const to = block.offset === end?.block ? end.within : block.data.length
      if (from > block.data.length || to > block.data.length)
        throw blockError(
          name,
          block.offset,
          `a virtual offset points behind its ${block.data.length} inflated bytes; the index is of another file`,
        )
      if (to > from) yield { start: { block: block.offset, within: from }, data: block.data.subarray(from, to) }
    }
  }

  return {
    name,
    blocks,
    read,
    async checkEofMarker(call) {
      const size = await source.size(call)
      const tail =
        size < eofMarker.length ? new Uint8Array(0) : await readBytes(source, { start: size - eofMarker.length, end: size }, call)
      if (Buffer.compare(tail, eofMarker) !== 0)
        throw new ScoreError(
          'invalid-format',
          `${name}: the EOF marker is missing at its end (byte ${size}); the file has been cut off or is still being written`,
        )
    },
  }
}
