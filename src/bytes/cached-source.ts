import type { ByteRange } from '../core/byte-range.ts'
import { rangeLength } from '../core/byte-range.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { createBlockCache } from './block-cache.ts'
import type { ByteSource } from './byte-source.ts'
import { requireWithin } from './source-range.ts'

export interface CachedSourceOptions {
  /** Bytes that are read and forgotten together; default 64 KiB. */
  readonly blockBytes?: number
  /** Bound on the bytes that are kept or being read; default 64 MiB. Each read that is running holds a block more. */
  readonly maximumBytes?: number
  /** Neighbouring blocks fetched by one read; default 16. */
  readonly blocksPerRead?: number
  /** Longer reads go past the cache: they would push everything else out. Default a quarter of `maximumBytes`. */
  readonly bypassBytes?: number
}

/**
 * Keeps blocks of another source in memory, the least recently used are forgotten first. Readers that want the same block
 * share one read of it; who gives up fails alone, and the read goes on while anybody waits for it. Pieces are views of the
 * cache and must not be written to.
 *
 * @throws `invalid-configuration` when not even one block fits.
 */
export function createCachedSource(source: ByteSource, options: CachedSourceOptions = {}): ByteSource {
  const { blockBytes = 64 * 1024, maximumBytes = 64 * 1024 * 1024, blocksPerRead = 16 } = options
  const bypassBytes = options.bypassBytes ?? maximumBytes / 4
  if (blockBytes < 1 || maximumBytes < blockBytes)
    throw new ScoreError('invalid-configuration', `a cache of ${maximumBytes} bytes does not hold one block of ${blockBytes}`)
  const maximumBlocks = Math.floor(maximumBytes / blockBytes)
  const cache = createBlockCache({ source, blockBytes, maximumBlocks, blocksPerRead: Math.max(1, Math.floor(blocksPerRead)) })

  async function* cached(range: ByteRange, size: number, call: CallOptions): AsyncGenerator<Uint8Array> {
    const lastBlock = Math.floor((range.end - 1) / blockBytes)
    for (let block = Math.floor(range.start / blockBytes); block <= lastBlock; block += 1) {
      const bytes = await cache.take(block, lastBlock, size, call)
      const start = block * blockBytes
      yield bytes.subarray(Math.max(0, range.start - start), Math.min(bytes.length, range.end - start))
    }
  }

  return {
    size: (call) => source.size(call),
    async *stream(range, call = {}) {
      const size = await source.size(call)
      requireWithin(range, size, 'the source')
      if (rangeLength(range) > bypassBytes) yield* source.stream(range, call)
      else if (rangeLength(range) > 0) yield* cached(range, size, call)
    },
    async close() {
      cache.clear()
      await source.close()
    },
  }
}
