import { type ByteRange, rangeLength } from '../core/byte-range.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { createSharedLoad } from '../core/shared-load.ts'
import type { Network } from '../http/network.ts'
import { networkError } from '../http/network-error.ts'
import { createRequester } from '../http/requester.ts'
import type { ByteSource } from './byte-source.ts'
import type { ObjectVersion } from './object-source.ts'
import { readAhead } from './read-ahead.ts'
import { bodyPieces, createSignedRanges, type OpenAnswer, type OpenRange, type SignedRangesOptions } from './signed-ranges.ts'
import { requireWithin } from './source-range.ts'

export interface HttpSourceOptions extends Omit<SignedRangesOptions, 'requester'> {
  /** Reads are cut into requests of this size; default 4 MiB. */
  readonly partBytes?: number
  /** Requests at once, of all reads together; default 6. A read holds at most so many parts in memory. */
  readonly connections?: number
  /** Proxies and authorities of certificates; default: the store is reached directly, and node's authorities hold. */
  readonly network?: Network
}

/** What the first answer said, and the first bytes, which came with it. */
interface Pin {
  readonly version: ObjectVersion
  readonly head: Uint8Array
}

const headBytes = 64 * 1024

/** Fills `into`, which has room for the answer. @returns how many bytes came before the end, or before it broke off */
async function receive(answer: OpenAnswer, into: Uint8Array): Promise<number> {
  let count = 0
  try {
    for await (const piece of bodyPieces(answer)) {
      into.set(piece, count)
      count += piece.length
    }
  } catch (error) {
    // What came is kept: the next request goes on behind it.
    if (count === 0) throw error instanceof ScoreError ? error : networkError(error, answer.url)
  }
  return count
}

/**
 * An object behind a pre-signed URL. Reads are cut into ranged requests that run side by side, each repeated behind the
 * byte where it broke off. Size and ETag are pinned by the first answer: other bytes later are `object-changed`, never a
 * mixture. Only the first 64 KiB are kept; {@link createCachedSource} keeps more.
 *
 * Its reads throw `object-changed`; `object-not-found`; `access-denied` when a fresh URL is refused too; `store-protocol` for
 * an answer that is not the range asked for; `unavailable` when the tries are used up.
 */
export function createHttpSource(options: HttpSourceOptions): ByteSource {
  const { partBytes = 4 * 1024 * 1024, connections = 6, network, ...others } = options
  const settings = { keepAlive: true, maxSockets: Math.max(1, connections), scheduling: 'lifo', timeout: 4000 } as const
  const requester = createRequester({ agent: settings, ...(network && { network }) })
  const ranges = createSignedRanges({ ...others, requester })

  const readPart = async (range: ByteRange, { signal = new AbortController().signal }: CallOptions): Promise<Uint8Array> => {
    const bytes = new Uint8Array(rangeLength(range))
    let filled = 0
    const rest = async (open: OpenRange): Promise<void> => {
      while (filled < bytes.length) {
        const count = await receive(await open({ start: range.start + filled, end: range.end }, signal), bytes.subarray(filled))
        signal.throwIfAborted()
        if (count === 0) throw new ScoreError('unavailable', `${ranges.name()}: an answer broke off before its first byte`)
        filled += count
      }
    }
    await ranges.repeat(rest, signal)
    return bytes
  }

  const pin = createSharedLoad(async ({ signal = new AbortController().signal }): Promise<Pin> => {
    const head = new Uint8Array(headBytes)
    const first = async (open: OpenRange): Promise<Pin> => {
      const answer = await open({ start: 0, end: headBytes }, signal)
      const count = await receive(answer, head)
      signal.throwIfAborted()
      return { version: answer.version, head: head.subarray(0, count) }
    }
    const pinned = await ranges.repeat(first, signal)
    ranges.pin(pinned.version)
    return pinned
  })

  return {
    size: async (call) => (await pin(call)).version.size,
    async *stream(range, call) {
      const { version, head } = await pin(call)
      requireWithin(range, version.size, ranges.name())
      if (range.end <= head.length) {
        if (rangeLength(range) > 0) yield head.slice(range.start, range.end)
        return
      }
      const ahead = { pieceBytes: partBytes, concurrency: connections, aheadBytes: partBytes * connections }
      for await (const { bytes } of readAhead(readPart, [range], { ...ahead, ...call })) yield bytes
    },
    async close() {
      ranges.close()
      requester.destroy()
    },
  }
}
