import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { createSharedLoad, orAborted } from '../core/shared-load.ts'
import type { ByteSource } from './byte-source.ts'

export interface BlockCacheOptions {
  readonly source: ByteSource
  readonly blockBytes: number
  /** Kept and being read together. */
  readonly maximumBlocks: number
  readonly blocksPerRead: number
}

/** Blocks of a source, shared by all who want them. */
export interface BlockCache {
  /** A block of a source of `size` bytes; with it, those up to `lastBlock` are read that are missing and fit. */
  take(block: number, lastBlock: number, size: number, options: CallOptions): Promise<Uint8Array>
  clear(): void
}

/** Blocks that one read brings, or brought. */
interface Reading {
  readonly first: number
  readonly count: number
  /** Joins the read as one more who waits. */
  readonly wait: (options?: CallOptions) => Promise<readonly Uint8Array[]>
}

export function createBlockCache({ source, blockBytes, maximumBlocks, blocksPerRead }: BlockCacheOptions): BlockCache {
  /** The last used come last. */
  const kept = new Map<number, Uint8Array>()
  const coming = new Map<number, Reading>()
  let ended: Promise<void> = Promise.resolve()
  let tellEnded = (): void => undefined
  const armEnded = (): void => {
    ended = new Promise((resolve) => {
      tellEnded = resolve
    })
  }
  armEnded()

  const release = (reading: Reading): void => {
    for (let block = reading.first; block < reading.first + reading.count; block += 1) {
      if (coming.get(block) === reading) coming.delete(block)
    }
    tellEnded()
    armEnded()
  }

  /** Makes room for up to `wanted` blocks. @returns how many there is room for */
  const makeRoom = (most: number): number => {
    const wanted = Math.min(most, maximumBlocks - coming.size)
    if (wanted < 1) return 0
    for (const block of kept.keys()) {
      if (kept.size + coming.size + wanted <= maximumBlocks) break
      kept.delete(block)
    }
    return wanted
  }

  /** Each block has memory of its own, so that it can be forgotten alone. */
  const readBlocks = async (first: number, count: number, size: number, call: CallOptions): Promise<Uint8Array[]> => {
    const start = first * blockBytes
    const end = Math.min(size, start + count * blockBytes)
    const blocks = Array.from({ length: count }, (_, at) => new Uint8Array(Math.min(blockBytes, end - start - at * blockBytes)))
    let filled = 0
    for await (const piece of source.stream({ start, end }, call)) {
      for (let at = 0; at < piece.length; ) {
        const block = blocks[Math.floor(filled / blockBytes)]
        if (!block || filled === end - start)
          throw new ScoreError('unavailable', `a read of ${end - start} bytes at ${start} gave more than was asked for`)
        const part = piece.subarray(at, at + block.length - (filled % blockBytes))
        block.set(part, filled % blockBytes)
        filled += part.length
        at += part.length
      }
    }
    if (filled !== end - start) throw new ScoreError('unavailable', `a read of ${end - start} bytes at ${start} ended after ${filled}`)
    return blocks
  }

  const begin = (block: number, lastBlock: number, size: number): Reading | undefined => {
    let wanted = 1
    const most = Math.min(blocksPerRead, lastBlock - block + 1)
    while (wanted < most && !kept.has(block + wanted) && !coming.has(block + wanted)) wanted += 1
    const count = makeRoom(wanted)
    if (count < 1) return undefined
    const wait = createSharedLoad(async (call) => {
      // Nobody waits any more: who comes now begins anew, and does not join what is being torn down.
      const leave = (): void => release(reading)
      call.signal?.addEventListener('abort', leave, { once: true })
      try {
        const blocks = await readBlocks(block, count, size, call)
        call.signal?.throwIfAborted()
        for (const [at, bytes] of blocks.entries()) kept.set(block + at, bytes)
        return blocks
      } finally {
        release(reading)
      }
    })
    const reading: Reading = { first: block, count, wait }
    for (let at = 0; at < count; at += 1) coming.set(block + at, reading)
    return reading
  }

  return {
    async take(block, lastBlock, size, options) {
      for (;;) {
        options.signal?.throwIfAborted()
        const known = kept.get(block)
        if (known) {
          kept.delete(block)
          kept.set(block, known)
          return known
        }
        const reading = coming.get(block) ?? begin(block, lastBlock, size)
        if (!reading) await orAborted(ended, options.signal)
        else return (await reading.wait(options))[block - reading.first] as Uint8Array
      }
    },
    clear() {
      kept.clear()
    },
  }
}
