import { ScoreError } from '../core/errors.ts'
import { redactText, redactUrl } from '../core/redact.ts'

/** An answer with a status that means failure, read whole. */
export interface HttpAnswer {
  readonly method: string
  /** As asked for; may hold secrets in its query. */
  readonly url: string
  readonly status: number
  readonly headers: Headers
  readonly body: string
  /** Whether a token was sent along. */
  readonly authenticated: boolean
  readonly retryAfterSeconds?: number
}

/** Turns a failed answer into the error it stands for; `undefined` leaves it to the general rules. */
export type AnswerToError = (answer: HttpAnswer) => ScoreError | undefined

const longestQuote = 500

export function isWebPage(headers: Headers, body: string): boolean {
  return /^text\/html\b/i.test(headers.get('content-type') ?? '') || /^\s*<(!doctype|html)\b/i.test(body)
}

function parseObject(body: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** What a failed answer says to people: `message`, `detail`, `error_description` of JSON, else its text; secrets taken out. */
export function answerMessage(answer: Pick<HttpAnswer, 'headers' | 'body'>): string | undefined {
  if (isWebPage(answer.headers, answer.body)) return undefined
  const json = parseObject(answer.body)
  const found = json
    ? [json['message'], json['detail'], json['error_description'], json['error']].find((text) => typeof text === 'string' && text !== '')
    : answer.body.trim()
  return typeof found === 'string' && found !== '' ? redactText(found.slice(0, longestQuote)) : undefined
}

function where(answer: HttpAnswer): string {
  return `${answer.method} ${redactUrl(answer.url)}`
}

function unauthenticated(answer: HttpAnswer): ScoreError {
  const wayOut = answer.authenticated
    ? 'the access token was refused: it may have run out, or belong to another service; get a new one'
    : 'no access token was sent: set ACCESSTOKEN, or accessToken in the configuration'
  return new ScoreError('unauthenticated', `${where(answer)}: ${wayOut}`)
}

function accessDenied(answer: HttpAnswer): ScoreError {
  const said = answerMessage(answer)
  const wayOut = 'ask whoever runs the service for the right, or use a token that has it'
  return new ScoreError('access-denied', `${where(answer)}: access denied${said ? ` (${said})` : ''}; ${wayOut}`)
}

const transientStatuses = new Set([408, 425, 429])

/** The general rules: 401 and 403 are the token's matter, 5xx and 408, 425, 429 pass, the rest is a bad request. */
export function errorOfAnswer(answer: HttpAnswer): ScoreError {
  if (answer.status === 401) return unauthenticated(answer)
  if (answer.status === 403) return accessDenied(answer)
  const page = isWebPage(answer.headers, answer.body)
  const said = page ? 'a web page, so a proxy may stand between' : (answerMessage(answer) ?? 'no explanation')
  const message = `${where(answer)} was answered with status ${answer.status}: ${said}`
  if (answer.status < 500 && !transientStatuses.has(answer.status)) return new ScoreError('invalid-request', message)
  return new ScoreError(
    'unavailable',
    message,
    answer.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: answer.retryAfterSeconds },
  )
}
