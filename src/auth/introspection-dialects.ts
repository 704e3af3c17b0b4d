import { ScoreError } from '../core/errors.ts'
import type { AnswerToError, HttpAnswer } from '../http/http-answer.ts'
import { parseScopes } from './token-scopes.ts'

/** Ego's `/o/check_api_key`, Overture's API key provider for Keycloak, or RFC 7662. */
export type IntrospectionDialect = 'ego' | 'keycloak' | 'rfc7662'

type Answer = Readonly<Record<string, unknown>>

/** What one kind of server is asked and how it answers (score-server.md 6.3b). */
export interface Dialect {
  readonly tokenField: string
  form(field: string, token: string): URLSearchParams | FormData
  basic(clientId: string, clientSecret: string): string
  /** Statuses that speak of the token; others speak of how the two services are set up, or pass. */
  readonly refusals: ReadonlySet<number>
  /** Whether the server says that the token is good. */
  accepts(answer: Answer): boolean
  /** In ms since 1970; `undefined` where the answer says nothing. */
  expiresAt(answer: Answer, now: number): number | undefined
  subject(answer: Answer): unknown
}

function numberOf(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw notUnderstood('exp')
}

function scaled(value: number | undefined, factor: number, base = 0): number | undefined {
  return value === undefined ? undefined : base + value * factor
}

function multipart(field: string, token: string): FormData {
  const form = new FormData()
  form.set(field, token)
  return form
}

const formEncode = (text: string): string => new URLSearchParams({ '': text }).toString().slice(1)
const base64 = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`

const apiKeys = {
  tokenField: 'apiKey',
  form: multipart,
  basic: (clientId: string, clientSecret: string) => base64(`${clientId}:${clientSecret}`),
  refusals: new Set([400, 401, 403]),
  accepts: (answer: Answer) =>
    !('error' in answer) &&
    !(typeof answer['exp'] === 'number' && answer['exp'] <= 0) &&
    (answer['revoked'] ?? false) === false &&
    (answer['valid'] ?? true) === true,
  subject: (answer: Answer) => answer['user_id'],
}

export const dialects: Readonly<Record<IntrospectionDialect, Dialect>> = {
  ego: { ...apiKeys, expiresAt: (answer, now) => scaled(numberOf(answer['exp']), 1000, now) },
  keycloak: { ...apiKeys, expiresAt: (answer) => numberOf(answer['exp']) },
  rfc7662: {
    tokenField: 'token',
    form: (field, token) => new URLSearchParams({ [field]: token, token_type_hint: 'access_token' }),
    // RFC 6749, 2.3.1: both are form-encoded first.
    basic: (clientId, clientSecret) => base64(`${formEncode(clientId)}:${formEncode(clientSecret)}`),
    refusals: new Set([400]),
    accepts(answer) {
      if (typeof answer['active'] !== 'boolean') throw notUnderstood('active')
      return answer['active']
    },
    expiresAt: (answer) => scaled(numberOf(answer['exp']), 1000),
    subject: (answer) => answer['sub'] ?? answer['username'] ?? answer['client_id'],
  },
}

export function notUnderstood(field: string): ScoreError {
  return new ScoreError(
    'unavailable',
    `the token's issuer answered with something else than it should ('${field}'); check its address and dialect`,
  )
}

export function refused(why: string): ScoreError {
  return new ScoreError('unauthenticated', `the access token is refused: ${why}`)
}

/** What a failed answer says: of the token, of this service's own settings, or (left to the general rules) nothing that lasts. */
export function introspectionError(dialect: Dialect): AnswerToError {
  return ({ status }: HttpAnswer) => {
    if (dialect.refusals.has(status))
      return refused(
        `its issuer does not know it (status ${status}); if that is so for every token, check the client id and secret of this service`,
      )
    if (status === 401 || status === 403)
      return new ScoreError(
        'unavailable',
        `the token's issuer refuses this service itself (status ${status}): check its client id and secret`,
      )
    if (status >= 400 && status < 500 && status !== 408 && status !== 425 && status !== 429)
      return new ScoreError('unavailable', `the token's issuer has no introspection at the address set (status ${status}): check it`)
    return undefined
  }
}

/** @throws `unavailable` when the answer is no JSON object. */
export function requireAnswer(answer: unknown): Answer {
  if (typeof answer === 'object' && answer !== null && !Array.isArray(answer)) return answer as Answer
  throw notUnderstood('answer')
}

/** A good token without scopes is good. @throws `unavailable` for scopes that are neither texts nor a list of them. */
export function requireScopes(answer: Answer): ReadonlySet<string> {
  const scopes = parseScopes(answer['scope'])
  if (scopes === undefined) throw notUnderstood('scope')
  return new Set(scopes)
}
