import type { IncomingMessage } from 'node:http'
import { type ByteRange, rangeLength } from '../core/byte-range.ts'
import type { CallOptions } from '../core/call-options.ts'
import { isScoreError, ScoreError } from '../core/errors.ts'
import { redactUrl } from '../core/redact.ts'
import { type RetryNotice, type RetryPolicy, retry } from '../core/retry.ts'
import { createSharedLoad } from '../core/shared-load.ts'
import { isCertificateError } from '../http/network-error.ts'
import type { Requester } from '../http/requester.ts'
import type { ObjectVersion } from './object-source.ts'
import { acceptRange, refusedRange, saysEmpty } from './range-answer.ts'
import { requestRange } from './range-request.ts'

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
  repeat<Result>(work: (open: OpenRange) => Promise<Result>, signal: AbortSignal): Promise<Result>
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

  /** One request. @throws `url-expired` once the URL was refused and a fresh one will be asked for. */
  const open: OpenRange = async (range, signal) => {
    const { url, renew } = await takeUrl({ signal })
    const context = { name: options.name ?? address, now, ...(pinned && { pinned }) }
    if (closed) throw new ScoreError('internal', `${context.name} is read after it was closed`)
    const strong = pinned?.etag !== undefined && !pinned.etag.startsWith('W/') ? { ifMatch: pinned.etag } : {}
    const body = await requestRange({ url, range, requester, stallSeconds, signal, ...strong })
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
      return retry(() => work(openOrRenew), { signal, retryable: worthAnother, ...(policy && { policy }), ...(onRetry && { onRetry }) })
    },
    close() {
      closed = true
    },
  }
}
