import type { CallOptions } from '../core/call-options.ts'
import { isScoreError, ScoreError } from '../core/errors.ts'
import { type AnswerToError, isWebPage } from '../http/http-answer.ts'
import type { Identity, TokenVerifier } from './authorizer.ts'
import { type CachedVerifierOptions, createCachedVerifier } from './cached-verifier.ts'
import { createEndpoint, type EndpointOptions } from './endpoint.ts'
import type { ConfiguredVerifier } from './jwt-verifier.ts'

export interface UmaVerifierOptions extends EndpointOptions, CachedVerifierOptions {
  /** `https://host/realms/<realm>`: the issuer of the tokens. */
  readonly realmUrl: string
  /** The client whose resources and policies are asked, called audience there. */
  readonly clientId: string
  /** Default 30: a right that was taken away works no longer than that. */
  readonly cacheSeconds?: number
}

interface Permission {
  readonly rsname: string
  readonly scopes: readonly string[]
}

function isPermission(value: unknown): value is Permission {
  if (typeof value !== 'object' || value === null) return false
  const { rsname, scopes = [] } = value as { rsname?: unknown; scopes?: unknown }
  return typeof rsname === 'string' && Array.isArray(scopes) && scopes.every((scope) => typeof scope === 'string')
}

function scopesOf(answer: unknown, clientId: string): ReadonlySet<string> {
  if (!Array.isArray(answer) || !answer.every(isPermission))
    throw new ScoreError(
      'unavailable',
      `Keycloak answered with something else than the permissions of client '${clientId}'; check the address of the realm`,
    )
  return new Set(answer.flatMap(({ rsname, scopes = [] }) => scopes.map((scope) => `${rsname}.${scope}`)))
}

/** 403 means that the user may do nothing; 401 is the token; another refusal is how the client or realm is set up. */
function umaError(clientId: string): AnswerToError {
  return ({ status, headers, body }) => {
    if (status === 401)
      return new ScoreError(
        'unauthenticated',
        'the access token is refused by Keycloak: it may have been revoked, or its session ended; get a new one',
      )
    if (status === 403 && !isWebPage(headers, body)) return new ScoreError('access-denied', 'Keycloak grants no permission')
    if (status < 400 || status >= 500 || status === 408 || status === 425 || status === 429) return undefined
    return new ScoreError(
      'unavailable',
      `Keycloak does not tell permissions (status ${status}): check the realm, and that client '${clientId}' has authorization switched on`,
    )
  }
}

/**
 * Keycloak's own decision: the token is proven first, then the permissions that the realm's policies give its bearer become
 * scopes, `<resource>.<scope>` each. Scopes inside of the token are not looked at.
 *
 * `verify` throws what `jwts` throws, `unauthenticated` when Keycloak refuses the token, `unavailable` when it does not say.
 *
 * @throws `invalid-configuration` for an address that is none.
 */
export function createUmaVerifier(jwts: TokenVerifier, options: UmaVerifierOptions): ConfiguredVerifier {
  const { clientId, realmUrl, cacheSeconds = 30 } = options
  const endpoint = createEndpoint(`${realmUrl.replace(/\/+$/, '')}/protocol/openid-connect/token`, options)
  const errorOf = umaError(clientId)

  const permissions = async (token: string, call?: CallOptions): Promise<ReadonlySet<string>> => {
    const form = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:uma-ticket',
      audience: clientId,
      response_mode: 'permissions',
    })
    try {
      const answer = await endpoint.json({ method: 'POST', form, authorization: `Bearer ${token}`, idempotent: true, errorOf }, call)
      return scopesOf(answer, clientId)
    } catch (error) {
      if (!isScoreError(error, 'access-denied')) throw error
      return new Set()
    }
  }
  const verify = async (token: string, call?: CallOptions): Promise<Identity> => {
    const identity = await jwts.verify(token, call)
    return { ...identity, scopes: await permissions(token, call) }
  }
  return { warnings: endpoint.warnings, verify: createCachedVerifier({ verify }, { ...options, cacheSeconds }).verify }
}
