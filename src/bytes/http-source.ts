import type { IncomingMessage } from 'node:http'
import { type ByteRange, rangeLength } from '../core/byte-range.ts'
import type { CallOptions } from '../core/call-options.ts'
import { isScoreError, ScoreError } from '../core/errors.ts'
import { redactUrl } from '../core/redact.ts'
import { type RetryNotice, type RetryPolicy, retry } from '../core/retry.ts'
import { createSharedLoad } from '../core/shared-load.ts'
import type { Network } from '../http/network.ts'
import { isCertificateError, networkError } from '../http/network-error.ts'
import { createRequester } from '../http/requester.ts'
import type { ByteSource } from './byte-source.ts'
import { type AnsweredRange, acceptRange, type ObjectVersion, refusedRange, saysEmpty } from './range-answer.ts'
import { requestRange } from './range-request.ts'
import { readAhead } from './read-ahead.ts'
import { requireWithin } from './source-range.ts'

/** A pre-signed URL and how long it holds. */
export interface SignedUrl {
  readonly url: string
  /** In ms since 1970; absent: until the store refuses it. */
  readonly expiresAt?: number
}

export interface HttpSourceOptions {
  /** Asked at the first read, and again when a URL runs out or is refused. The URL is sent character for character. */
  readonly url: (options: CallOptions) => Promise<SignedUrl>
  /** How messages name the source; default the URL without its query. */
  readonly name?: string
  /** Reads are cut into requests of this size; default 4 MiB. */
  readonly partBytes?: number
  /** Requests at once, of all reads together; default 6. A read holds at most so many parts in memory. */
  readonly connections?: number
  readonly retry?: Partial<RetryPolicy>
  /** Told before each repeat. */
  readonly onRetry?: (notice: RetryNotice) => void
  /** Seconds without a byte after which a connection counts as broken; default 30. */
  readonly stallSeconds?: number
  /** Proxies and authorities of certificates; default: the store is reached directly, and node's authorities hold. */
  readonly network?: Network
  /** Clock in ms, for URLs that run out; default the system's. */
  readonly now?: () => number
}

/** What the first answer said, and the first bytes, which came with it. */
interface Pin {
  readonly version: ObjectVersion
  readonly head: Uint8Array
}

/** An answer that may have broken off behind its first bytes. */
interface Received {
  readonly count: number
  readonly version: ObjectVersion
}

const headBytes = 64 * 1024
/** A URL about to run out is not used for a new request. */
const marginMs = 10_000

/** Fills `into`, which has room for the answer. @returns how many bytes came before the end, or before it broke off */
async function receive(answer: IncomingMessage, into: Uint8Array, expected: number, url: string): Promise<number> {
  const pieces: AsyncIterable<Buffer> = answer
  let count = 0
  try {
    for await (const piece of pieces) {
      const wanted = piece.subarray(0, expected - count)
      into.set(wanted, count)
      count += wanted.length
      if (wanted.length < piece.length) break
    }
  } catch (error) {
    // What came is kept: the next request goes on behind it.
    if (count === 0) throw error instanceof ScoreError ? error : networkError(error, url)
  }
  return count
}

function worthAnother(error: ScoreError): boolean {
  return isScoreError(error, 'unavailable', 'url-expired') && !isCertificateError(error)
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
  const { partBytes = 4 * 1024 * 1024, connections = 6, stallSeconds = 30, now = Date.now } = options
  const settings = { keepAlive: true, maxSockets: Math.max(1, connections), scheduling: 'lifo', timeout: 4000 } as const
  const requester = createRequester({ agent: settings, ...(options.network && { network: options.network }) })
  const fresh = (): typeof issue => createSharedLoad(options.url)
  let issue: (call?: CallOptions) => Promise<SignedUrl> = createSharedLoad(options.url)
  let address = 'the object behind a signed URL'
  let pinned: ObjectVersion | undefined
  let closed = false

  const takeUrl = async (call: CallOptions): Promise<{ readonly url: string; readonly renew: () => void }> => {
    let used = issue
    const renew = (): void => {
      if (issue === used) issue = fresh()
    }
    let signed = await used(call)
    if (signed.expiresAt !== undefined && signed.expiresAt - marginMs <= now()) {
      renew()
      used = issue
      signed = await used(call)
    }
    address = redactUrl(signed.url)
    return { url: signed.url, renew }
  }

  /** One request. @throws `url-expired` once the URL was refused and a fresh one will be asked for. */
  const requestOnce = async (range: ByteRange, into: Uint8Array, signal: AbortSignal): Promise<Received> => {
    const { url, renew } = await takeUrl({ signal })
    const context = { name: options.name ?? address, now, ...(pinned && { pinned }) }
    if (closed) throw new ScoreError('internal', `${context.name} is read after it was closed`)
    const strong = pinned?.etag !== undefined && !pinned.etag.startsWith('W/') ? { ifMatch: pinned.etag } : {}
    const answer = await requestRange({ url, range, requester, stallSeconds, signal, ...strong })
    try {
      if (!pinned && saysEmpty(answer)) return { count: 0, version: { size: 0 } }
      if ((answer.statusCode ?? 0) >= 300) {
        const error = await refusedRange(answer, context)
        if (isScoreError(error, 'url-expired')) renew()
        throw error
      }
      const accepted: AnsweredRange = acceptRange(answer, range, context)
      const count = await receive(answer, into, rangeLength(accepted.range), url)
      signal.throwIfAborted()
      return { count, version: accepted.version }
    } finally {
      if (!answer.complete) answer.destroy()
    }
  }

  /** Repeats `work`; a URL refused twice in a row means that the right is missing, not that it ran out. */
  const repeat = <Result>(work: (request: typeof requestOnce) => Promise<Result>, signal: AbortSignal): Promise<Result> => {
    let refused = false
    const request: typeof requestOnce = async (...task) => {
      try {
        const received = await requestOnce(...task)
        refused = false
        return received
      } catch (error) {
        if (!isScoreError(error, 'url-expired')) throw error
        if (refused) throw new ScoreError('access-denied', `${error.message}; a fresh URL was refused too`)
        refused = true
        throw error
      }
    }
    const { retry: policy, onRetry } = options
    return retry(() => work(request), { signal, retryable: worthAnother, ...(policy && { policy }), ...(onRetry && { onRetry }) })
  }

  const readPart = async (range: ByteRange, { signal = new AbortController().signal }: CallOptions): Promise<Uint8Array> => {
    const bytes = new Uint8Array(rangeLength(range))
    let filled = 0
    const rest = async (request: typeof requestOnce): Promise<void> => {
      while (filled < bytes.length) {
        const { count } = await request({ start: range.start + filled, end: range.end }, bytes.subarray(filled), signal)
        if (count === 0) throw new ScoreError('unavailable', `${options.name ?? address}: an answer broke off before its first byte`)
        filled += count
      }
    }
    await repeat(rest, signal)
    return bytes
  }

  const pin = createSharedLoad(async ({ signal = new AbortController().signal }): Promise<Pin> => {
    const head = new Uint8Array(headBytes)
    const { count, version } = await repeat((request) => request({ start: 0, end: headBytes }, head, signal), signal)
    pinned = version
    return { version, head: head.subarray(0, count) }
  })

  return {
    size: async (call) => (await pin(call)).version.size,
    async *stream(range, call) {
      const { version, head } = await pin(call)
      requireWithin(range, version.size, options.name ?? address)
      if (range.end <= head.length) {
        if (rangeLength(range) > 0) yield head.slice(range.start, range.end)
        return
      }
      const ahead = { pieceBytes: partBytes, concurrency: connections, aheadBytes: partBytes * connections }
      for await (const { bytes } of readAhead(readPart, [range], { ...ahead, ...call })) yield bytes
    },
    async close() {
      closed = true
      requester.destroy()
    },
  }
}
