import type { IncomingMessage } from 'node:http'
import { type ByteRange, rangeLength } from '../core/byte-range.ts'
import type { CallOptions } from '../core/call-options.ts'
import { isScoreError, ScoreError } from '../core/errors.ts'
import { redactUrl } from '../core/redact.ts'
import { type RetryNotice, type RetryPolicy, retry } from '../core/retry.ts'
import { createSharedLoad } from '../core/shared-load.ts'
import { isCertificateError, networkError } from '../http/network-error.ts'
import type { Requester } from '../http/requester.ts'
import type { PourOptions } from './byte-source.ts'
import type { ObjectVersion } from './object-source.ts'
import type { AnswerHead } from './plain-answer.ts'
import { type AnswerContext, acceptRange, refusedRange, saysEmpty } from './range-answer.ts'
import { rangeHeaders, requestRange } from './range-request.ts'
import type { RangeSockets } from './range-sockets.ts'

/** A pre-signed URL and how long it holds. */
export interface SignedUrl {
  readonly url: string
  /** In ms since 1970; absent: until the store refuses it. */
  readonly expiresAt?: number
}

export interface SignedRangesOptions {
  /** Asked at the first read, and again when a URL runs out or is refused. The URL is sent character for character. */
  readonly url: (options: CallOptions) => Promise<SignedUrl>
  readonly requester: Requester
  /** For plain answers; absent: the requester reads all. */
  readonly sockets?: RangeSockets
  /** How messages name the source; default the URL without its query. */
  readonly name?: string
  readonly retry?: Partial<RetryPolicy>
  /** Told before each repeat. */
  readonly onRetry?: (notice: RetryNotice) => void
  /** Seconds without a byte after which a connection counts as broken; default 30. */
  readonly stallSeconds?: number
  /** Clock in ms, for URLs that run out; default the system's. */
  readonly now?: () => number
}

/** The head of an answer, checked, with its body still to be read. */
export interface OpenAnswer {
  /** What the body holds: the range asked for, or its beginning. Empty for an object without bytes. */
  readonly range: ByteRange
  readonly version: ObjectVersion
  readonly url: string
  readonly body: IncomingMessage
}

/** What came of one request before its end, or before it broke off behind its first byte. */
export interface PouredRange {
  readonly count: number
  readonly version: ObjectVersion
}

/** One request, whose bytes are given to `take` as they come. */
export type PourRange = (
  range: ByteRange,
  take: (piece: Uint8Array) => void,
  call: PourOptions & { readonly signal: AbortSignal },
) => Promise<PouredRange>

export type OpenRange = (range: ByteRange, signal: AbortSignal) => Promise<OpenAnswer>

/** Ranged reads of one object behind pre-signed URLs, all of one version. */
export interface SignedRanges {
  /** How messages name the object. */
  name(): string
  /** From here on other bytes are `object-changed`. */
  pin(version: ObjectVersion): void
  /**
   * Repeats `work` while a repeat may help, with fresh URLs where they ran out. A URL refused twice in a row means that the
   * right is missing.
   */
  repeat<Result>(work: (open: OpenRange, pour: PourRange) => Promise<Result>, signal: AbortSignal): Promise<Result>
  close(): void
}

/** A URL about to run out is not used for a new request; of one that lives shorter than a few minutes, the last quarter is spared. */
const marginMs = 60_000
const marginOfLife = 0.25

function worthAnother(error: ScoreError): boolean {
  return isScoreError(error, 'unavailable', 'url-expired') && !isCertificateError(error)
}

/** Reads the body of an answer, and no more than was asked for. What is left of it is dropped. */
export async function* bodyPieces({ body, range }: OpenAnswer): AsyncGenerator<Buffer> {
  const pieces: AsyncIterable<Buffer> = body
  let left = rangeLength(range)
  try {
    if (left === 0) return
    for await (const piece of pieces) {
      yield piece.length > left ? piece.subarray(0, left) : piece
      left -= piece.length
      if (left <= 0) break
    }
  } finally {
    if (!body.complete) body.destroy()
  }
}

export function createSignedRanges(options: SignedRangesOptions): SignedRanges {
  const { requester, stallSeconds = 30, now = Date.now } = options
  const load = async (call: CallOptions): Promise<SignedUrl & { readonly freshUntil: number }> => {
    const askedAt = now()
    const signed = await options.url(call)
    const expiresAt = signed.expiresAt ?? Number.POSITIVE_INFINITY
    return { ...signed, freshUntil: expiresAt - Math.min(marginMs, (expiresAt - askedAt) * marginOfLife) }
  }
  const fresh = (): typeof issue => createSharedLoad(load)
  let issue = createSharedLoad(load)
  let address = 'the object behind a signed URL'
  let pinned: ObjectVersion | undefined
  let closed = false

  const takeUrl = async (call: CallOptions): Promise<{ readonly url: string; readonly renew: () => void }> => {
    let used = issue
    const renew = (): void => {
      if (issue === used) issue = fresh()
    }
    let signed = await used(call)
    if (signed.freshUntil <= now()) {
      renew()
      used = issue
      signed = await used(call)
    }
    address = redactUrl(signed.url)
    return { url: signed.url, renew }
  }

  const prepare = async (signal: AbortSignal) => {
    const { url, renew } = await takeUrl({ signal })
    const context: AnswerContext = { name: options.name ?? address, now, ...(pinned && { pinned }) }
    if (closed) throw new ScoreError('internal', `${context.name} is read after it was closed`)
    const ifMatch = pinned?.etag?.startsWith('W/') ? undefined : pinned?.etag
    return { url, renew, context, ifMatch }
  }

  /** One request. @throws `url-expired` once the URL was refused and a fresh one will be asked for. */
  const open: OpenRange = async (range, signal) => {
    const { url, renew, context, ifMatch } = await prepare(signal)
    const body = await requestRange({ url, range, requester, stallSeconds, signal, ...(ifMatch !== undefined && { ifMatch }) })
    try {
      if (!pinned && saysEmpty(body)) {
        body.resume()
        return { range: { start: 0, end: 0 }, version: { size: 0 }, url, body }
      }
      if ((body.statusCode ?? 0) >= 300) {
        const error = await refusedRange(body, context)
        if (isScoreError(error, 'url-expired')) renew()
        throw error
      }
      return { ...acceptRange(body, range, context), url, body }
    } catch (error) {
      if (!body.complete) body.destroy()
      throw error
    }
  }

  /** @returns `undefined`, before anything was taken, for an answer that needs to be understood better. */
  const pourPlain: (...task: Parameters<PourRange>) => Promise<PouredRange | undefined> = async (range, take, { signal, space }) => {
    if (!options.sockets) return undefined
    const { url, context, ifMatch } = await prepare(signal)
    let version: ObjectVersion | undefined
    let left = 0
    let count = 0
    const request = {
      ...{ url, stallSeconds, signal, headers: rangeHeaders(range, ifMatch) },
      onHead(head: AnswerHead): void {
        const accepted = acceptRange(head, range, context)
        version = accepted.version
        left = rangeLength(accepted.range)
      },
      take(piece: Uint8Array): void {
        const wanted = piece.length > left ? piece.subarray(0, left) : piece
        take(wanted)
        left -= wanted.length
        count += wanted.length
      },
      ...(space && { space: () => space()?.subarray(0, left) }),
    }
    try {
      if (!(await options.sockets.read(request))) return undefined
    } catch (error) {
      // What came is kept: the next request goes on behind it.
      if (count === 0 || signal.aborted || !isScoreError(error, 'unavailable')) throw error
    }
    return version && { count, version }
  }

  const pourWith =
    (openOne: OpenRange): PourRange =>
    async (range, take, call) => {
      const { signal } = call
      const plain = await pourPlain(range, take, call)
      if (plain) return plain
      const answer = await openOne(range, signal)
      let count = 0
      try {
        for await (const piece of bodyPieces(answer)) {
          take(piece)
          count += piece.length
        }
      } catch (error) {
        if (count === 0 || signal.aborted) throw error instanceof ScoreError ? error : networkError(error, answer.url)
      }
      return { count, version: answer.version }
    }

  return {
    name: () => options.name ?? address,
    pin(version) {
      pinned = version
    },
    repeat(work, signal) {
      let refused = false
      const openOrRenew: OpenRange = async (...task) => {
        try {
          const answer = await open(...task)
          refused = false
          return answer
        } catch (error) {
          if (!isScoreError(error, 'url-expired')) throw error
          if (refused) throw new ScoreError('access-denied', `${error.message}; a fresh URL was refused too`)
          refused = true
          throw error
        }
      }
      const { retry: policy, onRetry } = options
      const pour = pourWith(openOrRenew)
      return retry(() => work(openOrRenew, pour), {
        signal,
        retryable: worthAnother,
        ...(policy && { policy }),
        ...(onRetry && { onRetry }),
      })
    },
    close() {
      closed = true
    },
  }
}
