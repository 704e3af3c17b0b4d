import pLimit from 'p-limit'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { blockPayloadBytes, type Compression, deflateBlock, eofMarker } from './bgzf-block.ts'
import type { VirtualOffset } from './virtual-offset.ts'

/** Takes the file's bytes in order, one call at a time; a promise it gives holds the next call back. */
export type ByteSink = (bytes: Uint8Array) => Promise<void> | void

/** A place in a file being written: which block, and how far into it. {@link BgzfWriter.resolve} makes a virtual offset of it. */
export interface WritePosition {
  /** Blocks before it. */
  readonly ordinal: number
  readonly within: number
}

export interface BgzfWriterOptions extends CallOptions, Compression {
  /** Blocks deflated at once in libuv's pool; default 4. At most four times as many wait in memory. */
  readonly concurrency?: number
}

/** Writes a BGZF stream (SAMv1 4.1): blocks deflated in parallel, written in order, closed by the EOF marker. */
export interface BgzfWriter {
  /** Where the next byte will go. */
  position(): WritePosition
  /** Begins a new block if `length` bytes do not fit into this one, so that small records never cross blocks (as htslib writes). */
  reserve(length: number): void
  /** Copies `bytes` in. When it gives a promise, await it before the next call: memory is full, or the sink failed. */
  write(bytes: Uint8Array): Promise<void> | undefined
  /** Ends the current block. */
  flush(): void
  /**
   * Takes whole deflated blocks over as they are, behind what was written so far; for {@link BgzfWriter.resolve} they count
   * as one block. The bytes must stay as they are until the promise resolves.
   */
  copyBlocks(bytes: Uint8Array): Promise<void>
  /** Writes what is left and the EOF marker. @returns bytes of the whole file. @throws what the sink threw. */
  finish(): Promise<number>
  /** The virtual offset of a position; known once its block is written, so surely after {@link BgzfWriter.finish}. */
  resolve(position: WritePosition): VirtualOffset
}

export function createBgzfWriter(sink: ByteSink, options: BgzfWriterOptions = {}): BgzfWriter {
  const { concurrency = 4, signal } = options
  const limit = Math.max(1, concurrency) * 4
  const turn = pLimit(Math.max(1, concurrency))
  const spare: Uint8Array<ArrayBuffer>[] = []
  const starts = [0]
  const waiting: Promise<void>[] = []
  let payload = new Uint8Array(blockPayloadBytes)
  let used = 0
  let ordinal = 0
  let written: Promise<void> = Promise.resolve()

  const deflateInTurn = (full: Uint8Array<ArrayBuffer>, length: number): Promise<Uint8Array> =>
    turn(async () => {
      signal?.throwIfAborted()
      const block = await deflateBlock(full.subarray(0, length), options)
      spare.push(full)
      return block
    })

  const append = async (before: Promise<void>, block: Promise<Uint8Array>): Promise<void> => {
    const [bytes] = await Promise.all([block, before])
    signal?.throwIfAborted()
    await sink(bytes)
    starts.push((starts.at(-1) as number) + bytes.length)
  }

  const flush = (): void => {
    if (used === 0) return
    written = append(written, deflateInTurn(payload, used))
    // Whoever awaits a later write or finish() gets the failure; until then it must not count as unhandled.
    written.catch(() => undefined)
    waiting.push(written)
    payload = spare.pop() ?? new Uint8Array(blockPayloadBytes)
    used = 0
    ordinal += 1
  }

  const copyBlocks = (bytes: Uint8Array): Promise<void> => {
    flush()
    written = append(written, Promise.resolve(bytes))
    written.catch(() => undefined)
    waiting.push(written)
    ordinal += 1
    return written
  }

  return {
    position: () => ({ ordinal, within: used }),
    reserve(length) {
      if (used + length > blockPayloadBytes) flush()
    },
    write(bytes) {
      for (let at = 0; at < bytes.length; ) {
        const count = Math.min(bytes.length - at, blockPayloadBytes - used)
        payload.set(count === bytes.length ? bytes : bytes.subarray(at, at + count), used)
        used += count
        at += count
        if (used === blockPayloadBytes) flush()
      }
      return waiting.length > limit ? waiting.splice(0, waiting.length - limit).at(-1) : undefined
    },
    flush,
    copyBlocks,
    async finish() {
      flush()
      await written
      await sink(eofMarker)
      return (starts.at(-1) as number) + eofMarker.length
    },
    resolve({ ordinal: wanted, within }) {
      const block = starts[wanted]
      if (block === undefined) throw new ScoreError('internal', `block ${wanted} of the BGZF output is not written yet`)
      return { block, within }
    },
  }
}
