import type { JWTPayload, JWTVerifyGetKey, JWTVerifyOptions, JWTVerifyResult } from 'jose'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import type { Identity, TokenVerifier } from './authorizer.ts'
import { createCachedVerifier } from './cached-verifier.ts'
import type { EndpointOptions } from './endpoint.ts'
import { jwtProblem } from './jwt-problem.ts'
import { createKeyCache } from './key-cache.ts'
import { createKeyReader, type KeyPlace } from './token-keys.ts'
import { type ClaimPath, scopesAt } from './token-scopes.ts'

/** Signatures by a private key, checked with a public one: no other can be allowed. */
export const signatureAlgorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const

export interface JwtVerifierOptions extends EndpointOptions {
  readonly keys: KeyPlace
  /** `iss` of the tokens, as written there. Default: the `issuerUrl` of the keys; else not checked, with a warning. */
  readonly issuer?: string
  /** `aud`, or one of it; of several any will do. Default: not checked, with a warning. */
  readonly audience?: string | readonly string[]
  /** Ways of signing that are taken; default RS256 alone, as with the original. */
  readonly algorithms?: readonly (typeof signatureAlgorithms)[number][]
  /** Where the scopes are; default `context.scope`, as Ego writes them, and the standard `scope`. */
  readonly scopeClaims?: readonly ClaimPath[]
  /** How far the issuer's clock may be from this one; default 60. */
  readonly clockSkewSeconds?: number
  /** A token of an unknown key makes the keys be read again, but not more often than this; default 30. */
  readonly coolDownSeconds?: number
  /** How long a token is believed without checking it again; default 60, which is the most. */
  readonly cacheSeconds?: number
  /** Clock in ms since 1970; default the system's. */
  readonly now?: () => number
}

/** A verifier and what is not safe about how it is set up, for whoever runs the service: to be shown at its start. */
export interface ConfiguredVerifier extends TokenVerifier {
  readonly warnings: readonly string[]
}

const longestToken = 32_768
const tokenTypes = new Set(['jwt', 'at+jwt', 'application/at+jwt'])
const textOf = (claim: unknown): string | undefined => (typeof claim === 'string' && claim !== '' ? claim : undefined)

function subjectOf(claims: JWTPayload): string {
  return textOf(claims.sub) ?? textOf(claims['client_id']) ?? textOf(claims['azp']) ?? 'unknown'
}

function warningsOf(issuer: string | undefined, audience: JwtVerifierOptions['audience']): string[] {
  const unchecked = (claim: string, name: string, risk: string): string =>
    `the ${claim} of access tokens is not checked: ${risk}; set the ${name}`
  return [
    ...(issuer === undefined ? [unchecked('iss', 'issuer', 'every issuer that shares these keys is trusted')] : []),
    ...(audience === undefined ? [unchecked('aud', 'audience', 'tokens that were issued for other services are taken')] : []),
  ]
}

function requireAlgorithms(algorithms: readonly string[]): string[] {
  const known: readonly string[] = signatureAlgorithms
  const wrong = algorithms.find((algorithm) => !known.includes(algorithm))
  if (wrong === undefined && algorithms.length > 0) return [...algorithms]
  throw new ScoreError(
    'invalid-configuration',
    `tokens cannot be verified by ${wrong ?? 'no algorithm at all'}: with a public key only ${signatureAlgorithms.join(', ')} prove anything`,
  )
}

/** Verifies, also where several keys fit, which a set may hold for tokens that do not name theirs. */
async function verifyWith(token: string, keys: JWTVerifyGetKey, rules: JWTVerifyOptions): Promise<JWTVerifyResult> {
  const { errors, jwtVerify } = await import('jose')
  try {
    return await jwtVerify(token, keys, rules)
  } catch (several) {
    if (!(several instanceof errors.JWKSMultipleMatchingKeys)) throw several
    for await (const key of several) {
      try {
        return await jwtVerify(token, key, rules)
      } catch (error) {
        if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error
      }
    }
    throw new errors.JWSSignatureVerificationFailed()
  }
}

/** Whether newer keys may make the token good. */
function mayBeRotated(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ERR_JWKS_NO_MATCHING_KEY' || code === 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED'
}

/**
 * JWTs signed by the issuer's private key. Keys are read at the first token and then kept; a key that is new there works
 * without a restart. `exp` is required. The token's text never appears in a message.
 *
 * `verify` throws `unauthenticated` for a token that is not good, `unavailable` when the keys cannot be had.
 *
 * @throws `invalid-configuration` for an address that is none, or an algorithm that proves nothing with a public key.
 */
export function createJwtVerifier(options: JwtVerifierOptions): ConfiguredVerifier {
  const { audience, clockSkewSeconds = 60, scopeClaims = [['context', 'scope'], ['scope']], now = Date.now } = options
  const issuer = options.issuer ?? ('issuerUrl' in options.keys ? options.keys.issuerUrl : undefined)
  const algorithms = requireAlgorithms(options.algorithms ?? ['RS256'])
  const reader = createKeyReader(options.keys, options)
  const cache = createKeyCache(reader.read, {
    now,
    ...(options.coolDownSeconds === undefined ? {} : { coolDownSeconds: options.coolDownSeconds }),
  })
  const rules = (): JWTVerifyOptions => ({
    algorithms,
    clockTolerance: clockSkewSeconds,
    currentDate: new Date(now()),
    requiredClaims: ['exp'],
    ...(issuer === undefined ? {} : { issuer }),
    ...(audience === undefined ? {} : { audience: typeof audience === 'string' ? audience : [...audience] }),
  })

  const proven = async (token: string, call: CallOptions): Promise<JWTVerifyResult> => {
    const keys = await cache.current(call)
    try {
      return await verifyWith(token, keys, rules())
    } catch (error) {
      const newer = mayBeRotated(error) ? await cache.renewed(keys, call) : undefined
      if (newer === undefined) throw error
      return verifyWith(token, newer, rules())
    }
  }

  const verify = async (token: string, call: CallOptions = {}): Promise<Identity> => {
    if (token.length > longestToken)
      throw new ScoreError('unauthenticated', `the access token is refused: it has more than ${longestToken} characters`)
    const { errors } = await import('jose')
    const { payload, protectedHeader } = await proven(token, call).catch((error: unknown) => {
      if (error instanceof errors.JOSEError) throw jwtProblem(error)
      if (!(error instanceof TypeError)) throw error
      throw new ScoreError('invalid-configuration', `the issuer’s key cannot be used: ${error.message}`, { cause: error })
    })
    if (protectedHeader.typ !== undefined && !tokenTypes.has(protectedHeader.typ.toLowerCase()))
      throw new ScoreError('unauthenticated', 'the access token is refused: it is a JWT made for another purpose')
    return { subject: subjectOf(payload), scopes: scopesAt(payload, scopeClaims), expiresAt: (payload.exp as number) * 1000 }
  }

  const { cacheSeconds } = options
  const cached = createCachedVerifier({ verify }, { now, ...(cacheSeconds === undefined ? {} : { cacheSeconds }) })
  return { warnings: [...warningsOf(issuer, audience), ...reader.warnings], verify: cached.verify }
}
