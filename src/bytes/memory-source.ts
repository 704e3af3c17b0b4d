import { rangeLength } from '../core/byte-range.ts'
import type { ByteSource } from './byte-source.ts'
import { requireWithin } from './source-range.ts'

/** Bytes that are in memory already; pieces are views, nothing is copied. */
export function createMemorySource(bytes: Uint8Array): ByteSource {
  return {
    async size() {
      return bytes.length
    },
    async *stream(range, options) {
      options?.signal?.throwIfAborted()
      requireWithin(range, bytes.length, 'the bytes in memory')
      if (rangeLength(range) > 0) yield bytes.subarray(range.start, range.end)
    },
    async close() {},
  }
}
