import { STATUS_CODES } from 'node:http'
import { type ProblemCode, problems, ScoreError } from '../core/errors.ts'
import { redactText } from '../core/redact.ts'
import { problemHeader } from './problem-json.ts'

/** What a peer answered instead of what was asked for. */
export interface PeerAnswer {
  readonly status: number
  readonly headers: { get(name: string): string | null }
  /** The body as text; a long one may be cut. */
  readonly body: string
  /** From `Retry-After`. */
  readonly retryAfterSeconds?: number
}

export interface PeerContext {
  /** Who answered, for people: `the Score server at https://…`. */
  readonly peer: string
  /** What was asked for, for people: `status of the upload of object …`. */
  readonly doing: string
  /** What a bare status means on this route; see `Route.meanings`. */
  readonly meanings?: Readonly<Partial<Record<number, ProblemCode>>>
}

const plainMeaning: Readonly<Partial<Record<number, ProblemCode>>> = {
  400: 'invalid-request',
  401: 'unauthenticated',
  403: 'access-denied',
  404: 'object-not-found',
  408: 'unavailable',
  409: 'catalogue-conflict',
  412: 'object-changed',
  416: 'invalid-range',
  425: 'unavailable',
  429: 'unavailable',
  500: 'internal',
}

function isProblemCode(text: unknown): text is ProblemCode {
  return typeof text === 'string' && Object.hasOwn(problems, text)
}

function cut(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > 300 ? `${line.slice(0, 300)}…` : line
}

function isWebPage(answer: PeerAnswer): boolean {
  return /text\/html/i.test(answer.headers.get('content-type') ?? '') || /^\s*<(!doctype|html)/i.test(answer.body)
}

function pageTitle(body: string): string {
  const title = /<title[^>]*>([^<]*)<\/title>/i.exec(body)?.[1]?.trim()
  return title ? ` titled '${cut(title)}'` : ''
}

function readProblemBody(body: string): { readonly reason?: string; readonly code?: ProblemCode } {
  if (body.trim() === '') return {}
  let json: unknown
  try {
    json = JSON.parse(body)
  } catch {
    return { reason: cut(body) }
  }
  if (typeof json !== 'object' || json === null) return { reason: cut(body) }
  const fields = json as Readonly<Record<string, unknown>>
  const reason = [fields['detail'], fields['message'], fields['error_description'], fields['error']].find(
    (text): text is string => typeof text === 'string' && text !== '',
  )
  const code = fields['code']
  return { ...(reason === undefined ? {} : { reason: cut(reason) }), ...(isProblemCode(code) ? { code } : {}) }
}

function codeOf(answer: PeerAnswer, context: PeerContext, bodyCode: ProblemCode | undefined): ProblemCode {
  const named = answer.headers.get(problemHeader)
  if (isProblemCode(named)) return named
  if (bodyCode !== undefined) return bodyCode
  const meaning = context.meanings?.[answer.status] ?? plainMeaning[answer.status]
  if (meaning !== undefined) return meaning
  return answer.status > 500 ? 'unavailable' : 'store-protocol'
}

const advice: Readonly<Partial<Record<number, string>>> = {
  401: 'the access token is missing, wrong or has run out',
  403: 'the access token has no right to it',
  407: 'a proxy in between wants credentials',
}

/** What an answer most likely means that gives no reason, as those of the original. */
const guesses: Readonly<Partial<Record<ProblemCode, string>>> = {
  'analysis-state': 'its analysis seems not to be PUBLISHED, as a download needs it, or not UNPUBLISHED, as an upload does',
}

/** Whether a body says no more than the status does. */
function isReasonPhrase(reason: string | undefined, status: number): boolean {
  return reason === undefined || reason === STATUS_CODES[status]
}

/**
 * Makes of any answer that is no success one error with a message for people: from our server's `Score-Problem` header or
 * RFC 9457 body, the original's error JSON, a plain sentence, a proxy's web page, or nothing but a status.
 */
export function problemFromResponse(answer: PeerAnswer, context: PeerContext): ScoreError {
  const options = answer.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: answer.retryAfterSeconds }
  if (isWebPage(answer)) {
    const code = answer.status > 500 || answer.status === 429 ? 'unavailable' : 'store-protocol'
    return new ScoreError(
      code,
      `${context.doing}: ${context.peer} answered ${answer.status} with a web page${redactText(pageTitle(answer.body))}; check the address, and whether a proxy or login page stands in between`,
      options,
    )
  }
  const { reason, code: bodyCode } = readProblemBody(answer.body)
  const code = codeOf(answer, context, bodyCode)
  const guess = isReasonPhrase(reason, answer.status) ? guesses[code] : undefined
  const said = guess ?? reason ?? advice[answer.status]
  const message = `${context.doing}: ${context.peer} answered ${answer.status}${said === undefined ? '' : `: ${redactText(said)}`}`
  return new ScoreError(code, message, options)
}
