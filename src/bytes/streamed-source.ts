import { ScoreError } from '../core/errors.ts'
import { createSharedLoad } from '../core/shared-load.ts'
import { networkError } from '../http/network-error.ts'
import type { ObjectSource, ObjectVersion } from './object-source.ts'
import { bodyPieces, createSignedRanges, type OpenAnswer, type OpenRange, type SignedRangesOptions } from './signed-ranges.ts'
import { requireWithin } from './source-range.ts'

export interface StreamedSourceOptions extends SignedRangesOptions {
  /** Bytes that come with the first answer, which tells size and version; default 64 KiB, at least 1. */
  readonly headBytes?: number
}

/** A body of which the first piece is here: what breaks off before it is worth another try. */
interface BegunBody {
  readonly first: Uint8Array
  readonly rest: AsyncIterator<Uint8Array>
}

async function begin(answer: OpenAnswer, name: string): Promise<BegunBody> {
  const rest = bodyPieces(answer)
  try {
    const first = await rest.next()
    if (!first.done) return { first: first.value, rest }
  } catch (error) {
    throw error instanceof ScoreError ? error : networkError(error, answer.url)
  }
  throw new ScoreError('unavailable', `${name}: an answer broke off before its first byte`)
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
    const first = async (open: OpenRange): Promise<ObjectVersion> => {
      const answer = await open({ start: 0, end: headBytes }, signal)
      const pieces: Uint8Array[] = []
      if (answer.version.size > 0) {
        const { first: piece, rest } = await begin(answer, ranges.name())
        pieces.push(Buffer.from(piece))
        // Whatever came of it is a beginning.
        for await (const more of untilBroken(rest)) pieces.push(Buffer.from(more))
      }
      signal.throwIfAborted()
      head = Buffer.concat(pieces)
      return answer.version
    }
    const version = await ranges.repeat(first, signal)
    ranges.pin(version)
    return version
  })

  return {
    version: pin,
    takeHead() {
      const taken = head
      head = undefined
      return taken
    },
    size: async (call) => (await pin(call)).size,
    async *stream(range, call = {}) {
      const { signal = new AbortController().signal } = call
      const { size } = await pin(call)
      requireWithin(range, size, ranges.name())
      for (let at = range.start; at < range.end; ) {
        const left = { start: at, end: range.end }
        const { first, rest } = await ranges.repeat(async (open) => begin(await open(left, signal), ranges.name()), signal)
        at += first.length
        yield first
        for await (const piece of untilBroken(rest)) {
          at += piece.length
          yield piece
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

/** Bytes up to the place where the connection broke: the reader goes on behind them. */
async function* untilBroken(pieces: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    for (;;) {
      const next = await pieces.next().catch(() => undefined)
      if (next === undefined || next.done) return
      yield next.value
    }
  } finally {
    await pieces.return?.()
  }
}
