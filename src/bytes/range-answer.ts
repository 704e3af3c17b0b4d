import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { type ByteRange, parseContentRange } from '../core/byte-range.ts'
import { ScoreError } from '../core/errors.ts'
import { redactText } from '../core/redact.ts'
import { parseRetryAfter } from '../http/retry-after.ts'
import type { ObjectVersion } from './object-source.ts'

export interface AnsweredRange {
  readonly range: ByteRange
  readonly version: ObjectVersion
}

export interface AnswerContext {
  /** How messages name the object. */
  readonly name: string
  /** What the first answer said; absent for the first. */
  readonly pinned?: ObjectVersion
  /** Clock in ms. */
  readonly now: () => number
}

const longestQuote = 300

type Head = Pick<IncomingMessage, 'statusCode'> & { readonly headers: IncomingHttpHeaders }

function header(answer: Head, name: string): string | undefined {
  const value = answer.headers[name]
  return Array.isArray(value) ? value[0] : value
}

function changed(name: string, what: string): ScoreError<'object-changed'> {
  return new ScoreError('object-changed', `${name}: ${what} while it was being read; start again`)
}

function requireSame(version: ObjectVersion, { name, pinned }: AnswerContext): void {
  if (!pinned) return
  if (version.size !== pinned.size) throw changed(name, `it went from ${pinned.size} to ${version.size} bytes`)
  if (version.etag !== pinned.etag) throw changed(name, 'its ETag changed')
  if (pinned.etag === undefined && version.modified !== pinned.modified) throw changed(name, 'it was written to')
}

/**
 * Checks the head of a 2xx answer against what was asked for and what is pinned.
 *
 * @returns what the body holds: the range asked for or its beginning (RFC 9110 14.4 lets a server give less).
 * @throws `store-protocol` when that is something else; `object-changed` when it is of other bytes.
 */
export function acceptRange(answer: Head, asked: ByteRange, context: AnswerContext): AnsweredRange {
  const { name } = context
  const wrong = (what: string): ScoreError => new ScoreError('store-protocol', `${name}: ${what}`)
  if (answer.statusCode !== 206)
    throw wrong(`the store ignores Range (it answered ${answer.statusCode}); only a store with ranged reads can be used here`)
  const encoding = header(answer, 'content-encoding') ?? 'identity'
  if (encoding !== 'identity') throw wrong(`the answer to a ranged read has the encoding ${encoding}, though none was asked for`)
  const content = parseContentRange(header(answer, 'content-range'))
  if (content?.size === undefined) throw wrong('the answer to a ranged read has no Content-Range that names range and size')
  const { range, size } = content
  if (range.start !== asked.start || range.end > asked.end || range.end <= range.start || range.end > size)
    throw wrong(`bytes ${asked.start} to ${asked.end} were asked for, ${range.start} to ${range.end} of ${size} came`)
  const etag = header(answer, 'etag')
  const modified = header(answer, 'last-modified')
  const version = { size, ...(etag !== undefined && { etag }), ...(modified !== undefined && { modified }) }
  requireSame(version, context)
  return { range, version }
}

/** Whether this is how a store says that the object has no bytes at all. */
export function saysEmpty(answer: IncomingMessage): boolean {
  return answer.statusCode === 416 && /^bytes \*\/0$/.test(header(answer, 'content-range') ?? '')
}

/** A failed answer's body says why; the rest of a long one is not wanted. */
async function quote(answer: IncomingMessage): Promise<string> {
  let text = ''
  try {
    for await (const piece of answer) {
      text += String(piece)
      if (text.length >= longestQuote) break
    }
  } catch {
    return ''
  }
  return redactText(text.slice(0, longestQuote).replace(/\s+/g, ' ').trim())
}

const passing = new Set([408, 425, 429])

/** The error that a failed answer stands for; `url-expired` for whatever a fresh URL may mend. */
export async function refusedRange(answer: IncomingMessage, { name, pinned, now }: AnswerContext): Promise<ScoreError> {
  const status = answer.statusCode ?? 0
  const said = await quote(answer)
  const message = `${name}: a ranged read was answered with status ${status}${said ? ` (${said})` : ''}`
  if (status === 412) return changed(name, 'its bytes were replaced')
  if (status === 416) return pinned ? changed(name, 'it became shorter') : new ScoreError('invalid-range', message)
  if (status === 404 || status === 410) return new ScoreError('object-not-found', message)
  if (status === 401 || status === 403 || (status === 400 && /expired/i.test(said))) return new ScoreError('url-expired', message)
  if (status < 500 && !passing.has(status)) return new ScoreError('store-protocol', message)
  const retryAfterSeconds = parseRetryAfter(header(answer, 'retry-after') ?? null, now())
  return new ScoreError('unavailable', message, retryAfterSeconds === undefined ? {} : { retryAfterSeconds })
}
