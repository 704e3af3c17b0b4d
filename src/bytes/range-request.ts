import type { IncomingMessage } from 'node:http'
import type { ByteRange } from '../core/byte-range.ts'
import { formatHttpRange } from '../core/byte-range.ts'
import { ScoreError } from '../core/errors.ts'
import { redactUrl } from '../core/redact.ts'
import { networkError } from '../http/network-error.ts'
import { parseTarget } from '../http/request-target.ts'
import type { Requester } from '../http/requester.ts'

export interface RangeRequest {
  /** Sent character for character: the signature covers it. */
  readonly url: string
  readonly range: ByteRange
  /** A strong ETag: the store refuses to answer from other bytes. */
  readonly ifMatch?: string
  readonly requester: Requester
  /** Seconds without a byte, connecting included, after which it fails. */
  readonly stallSeconds: number
  readonly signal: AbortSignal
}

/** A compressed answer has other bytes, and other ranges. */
export function rangeHeaders(range: ByteRange, ifMatch: string | undefined): Readonly<Record<string, string>> {
  return { range: formatHttpRange(range), 'accept-encoding': 'identity', ...(ifMatch !== undefined && { 'if-match': ifMatch }) }
}

/** Sends one ranged GET. @returns the head of the answer; its body must be read or destroyed. @throws `unavailable` without an answer */
export function requestRange({ url, range, ifMatch, requester, stallSeconds, signal }: RangeRequest): Promise<IncomingMessage> {
  const target = parseTarget(url)
  const headers = rangeHeaders(range, ifMatch)
  return new Promise((resolve, reject) => {
    const request = requester.request(target, { method: 'GET', headers, signal })
    request.setTimeout(stallSeconds * 1000, () => {
      request.destroy(new ScoreError('unavailable', `${redactUrl(url)}: no byte came for ${stallSeconds} s; the store may be overloaded`))
    })
    request.once('response', resolve)
    // It stays: a connection may also break after the head, which the reader of the body hears of.
    request.on('error', (error) => {
      reject(signal.aborted ? signal.reason : error instanceof ScoreError ? error : networkError(error, url))
    })
    request.end()
  })
}
