import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import type { Identity } from './authorizer.ts'
import { type CachedVerifierOptions, createCachedVerifier } from './cached-verifier.ts'
import { createEndpoint, type EndpointOptions } from './endpoint.ts'
import { dialects, type IntrospectionDialect, introspectionError, refused, requireAnswer, requireScopes } from './introspection-dialects.ts'
import type { ConfiguredVerifier } from './jwt-verifier.ts'

export interface IntrospectionVerifierOptions extends EndpointOptions, CachedVerifierOptions {
  readonly url: string
  readonly dialect: IntrospectionDialect
  /** Of this service, as registered with the issuer. */
  readonly clientId: string
  readonly clientSecret: string
  /** Field of the form that carries the token; default `token` for RFC 7662, else `apiKey`. */
  readonly tokenField?: string
  /** `aud` of the answer, or one of it; of several any will do. RFC 7662 only. Default: not checked. */
  readonly audience?: string | readonly string[]
}

const longestToken = 4096
/** How far the issuer's clock may be from this one. */
const skewMs = 60_000

function requireAudience(audience: IntrospectionVerifierOptions['audience'], given: unknown): void {
  if (audience === undefined) return
  const all: readonly unknown[] = Array.isArray(given) ? given : [given]
  const wanted: readonly string[] = typeof audience === 'string' ? [audience] : audience
  if (!wanted.some((one) => all.includes(one))) throw refused('it was issued for another service')
}

/**
 * Opaque tokens and API keys: asks their issuer about each, and believes the answer no longer than the token lives, nor a
 * minute. The client secret is sent to the address set and nowhere else.
 *
 * `verify` throws `unauthenticated` for a token that is not good, `unavailable` when the issuer does not say,
 * `invalid-configuration` when it sends on elsewhere.
 *
 * @throws `invalid-configuration` for an address that is none, or without client id.
 */
export function createIntrospectionVerifier(options: IntrospectionVerifierOptions): ConfiguredVerifier {
  const { clientId, clientSecret, audience, now = Date.now } = options
  if (clientId === '')
    throw new ScoreError('invalid-configuration', 'introspection needs the client id of this service, as registered with the issuer')
  const dialect = dialects[options.dialect]
  const endpoint = createEndpoint(options.url, options)
  const { tokenField = dialect.tokenField } = options
  const authorization = dialect.basic(clientId, clientSecret)
  const errorOf = introspectionError(dialect)

  const verify = async (token: string, call?: CallOptions): Promise<Identity> => {
    if (token.length > longestToken) throw refused(`it has more than ${longestToken} characters`)
    const form = dialect.form(tokenField, token)
    const asked = now()
    // Asking twice changes nothing, so an answer that was lost is asked for again.
    const answer = requireAnswer(await endpoint.json({ method: 'POST', form, authorization, idempotent: true, errorOf }, call))
    if (!dialect.accepts(answer)) throw refused('its issuer says that it is unknown, revoked or has run out; get a new one')
    const expiresAt = dialect.expiresAt(answer, asked)
    if (expiresAt !== undefined && expiresAt + skewMs <= now()) throw refused('it has run out; get a new one')
    requireAudience(audience, answer['aud'])
    const subject = dialect.subject(answer)
    return {
      subject: typeof subject === 'string' && subject !== '' ? subject : 'unknown',
      scopes: requireScopes(answer),
      ...(expiresAt === undefined ? {} : { expiresAt }),
    }
  }
  return { warnings: endpoint.warnings, verify: createCachedVerifier({ verify }, options).verify }
}
