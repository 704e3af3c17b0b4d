import type { ByteRange } from '../core/byte-range.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { createSharedLoad } from '../core/shared-load.ts'
import { networkError } from '../http/network-error.ts'
import type { ObjectSource, ObjectVersion } from './object-source.ts'
import { bodyPieces, createSignedRanges, type OpenRange, type SignedRangesOptions } from './signed-ranges.ts'
import { requireWithin } from './source-range.ts'

export interface StreamedSourceOptions extends SignedRangesOptions {
  /** Bytes that come with the first answer, which tells size and version; default 64 KiB, at least 1. */
  readonly headBytes?: number
}

/**
 * An object behind pre-signed URLs, of which each read is one request whose bytes are given as they come; a request that
 * breaks off is repeated behind its last byte. Nothing is kept: a cache of pages goes before it. Errors as of
 * `createHttpSource`. Connections are the requester's, which stays open.
 */
export function createStreamedSource(options: StreamedSourceOptions): ObjectSource {
  const { headBytes = 64 * 1024, ...others } = options
  const ranges = createSignedRanges(others)
  let head: Uint8Array | undefined

  const pin = createSharedLoad(async ({ signal = new AbortController().signal }): Promise<ObjectVersion> => {
    const bytes = Buffer.allocUnsafe(headBytes)
    const { count, version } = await ranges.repeat((_, pour) => {
      let filled = 0
      const take = (piece: Uint8Array): void => {
        bytes.set(piece, filled)
        filled += piece.length
      }
      return pour({ start: 0, end: headBytes }, take, { signal })
    }, signal)
    signal.throwIfAborted()
    ranges.pin(version)
    head = bytes.subarray(0, count)
    return version
  })

  const requirePinned = async (range: ByteRange, call: CallOptions): Promise<void> => {
    const { size } = await pin(call)
    requireWithin(range, size, ranges.name())
  }
  const brokeOff = (): ScoreError => new ScoreError('unavailable', `${ranges.name()}: an answer broke off before its first byte`)

  /** An answer with its first bytes: one that breaks off before them is worth another try. */
  const begin = async (open: OpenRange, range: ByteRange, signal: AbortSignal) => {
    const answer = await open(range, signal)
    const pieces = bodyPieces(answer)
    try {
      const first = await pieces.next()
      if (first.done) throw brokeOff()
      return { first: first as IteratorResult<Buffer>, pieces }
    } catch (error) {
      throw error instanceof ScoreError ? error : networkError(error, answer.url)
    }
  }

  return {
    version: pin,
    takeHead() {
      const taken = head
      head = undefined
      return taken
    },
    size: async (call) => (await pin(call)).size,
    async pour(range, take, call = {}) {
      const { signal = new AbortController().signal } = call
      await requirePinned(range, call)
      for (let at = range.start; at < range.end; ) {
        const left = { start: at, end: range.end }
        at += await ranges.repeat(async (_, pour) => {
          const { count } = await pour(left, take, { ...call, signal })
          if (count === 0) throw brokeOff()
          return count
        }, signal)
        signal.throwIfAborted()
      }
    },
    async *stream(range, call = {}) {
      const { signal = new AbortController().signal } = call
      await requirePinned(range, call)
      for (let at = range.start; at < range.end; ) {
        const left = { start: at, end: range.end }
        const { first, pieces } = await ranges.repeat((open) => begin(open, left, signal), signal)
        try {
          for (let piece = first; !piece.done; piece = await pieces.next()) {
            at += piece.value.length
            yield piece.value
          }
        } catch (error) {
          // What came is kept: the next request goes on behind it.
          if (signal.aborted) throw error
        } finally {
          await pieces.return(undefined)
        }
        signal.throwIfAborted()
      }
    },
    async close() {
      head = undefined
      ranges.close()
    },
  }
}
