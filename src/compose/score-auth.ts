import type { Authorizer, TokenVerifier } from '../auth/authorizer.ts'
import type { EndpointOptions } from '../auth/endpoint.ts'
import type { IntrospectionDialect } from '../auth/introspection-dialects.ts'
import { createIntrospectionVerifier } from '../auth/introspection-verifier.ts'
import { type ConfiguredVerifier, createJwtVerifier, type JwtVerifierOptions } from '../auth/jwt-verifier.ts'
import { createOpenAuthorizer } from '../auth/open-authorizer.ts'
import { defaultScopePolicy, type ScopePolicy } from '../auth/scope-policy.ts'
import { createStaticTokenVerifier } from '../auth/static-token-verifier.ts'
import { createStudyAuthorizer } from '../auth/study-authorizer.ts'
import type { KeyPlace } from '../auth/token-keys.ts'
import { createTokenRouter, type TokenRoutes } from '../auth/token-router.ts'
import { parseClaimPath } from '../auth/token-scopes.ts'
import { createUmaVerifier } from '../auth/uma-verifier.ts'
import { ScoreError } from '../core/errors.ts'
import type { MetadataService } from '../metadata/metadata-service.ts'
import type { ServerConfig } from './server-settings.ts'

export interface ScoreAuthOptions {
  readonly metadata: MetadataService
  /** Of the data folder, where there is one. */
  readonly token?: string
  readonly fetch?: typeof fetch
  readonly now?: () => number
}

/** Who may do what, and how it is found out. */
export interface ScoreAuth {
  readonly access: 'token' | 'none' | 'secure'
  readonly authorizer: Authorizer
  readonly jwts?: ConfiguredVerifier
  readonly apiKeys?: ConfiguredVerifier
  /** What is not safe about it, for whoever runs the service. */
  readonly warnings: readonly string[]
}

/** As asked for; without a word the profile `secure` decides, then the token of a data folder. */
export function accessOf(config: ServerConfig): ScoreAuth['access'] {
  const named = config.text('score.auth')
  if (named === 'token' || named === 'none' || named === 'secure') return named
  return config.profiles.includes('secure') ? 'secure' : 'token'
}

/** Where the keys of JWTs are; a key set wins over one key, both over what the issuer tells. */
export function keyPlaceOf(config: ServerConfig): KeyPlace | undefined {
  const jwksUrl = config.text('spring.security.oauth2.resourceserver.jwt.jwk-set-uri')
  if (jwksUrl !== undefined) return { jwksUrl }
  const key = config.text('spring.security.oauth2.resourceserver.jwt.public-key-location')
  if (key !== undefined) {
    if (/^https?:/i.test(key)) return { publicKeyUrl: key }
    if (!key.startsWith('classpath:')) return { publicKeyFile: key.replace(/^file:(\/\/)?/, '') }
    throw new ScoreError(
      'invalid-configuration',
      `the public key of tokens lies at '${key}', inside of a Java program: give its address, or the path of a file`,
    )
  }
  const issuerUrl = config.text('spring.security.oauth2.resourceserver.jwt.issuer-uri')
  return issuerUrl === undefined ? undefined : { issuerUrl }
}

/** Address of the realm at Keycloak; `undefined` with another provider. */
export function realmUrlOf(config: ServerConfig): string | undefined {
  if (config.text('auth.server.provider')?.toLowerCase() !== 'keycloak') return undefined
  const host = (config.text('auth.server.keycloak.host') ?? '').replace(/\/+$/, '')
  return `${host}/realms/${encodeURIComponent(config.text('auth.server.keycloak.realm') ?? '')}`
}

function policyOf(config: ServerConfig): ScopePolicy {
  const ruleOf = (right: 'upload' | 'download') => ({
    system: config.text(`auth.server.scope.${right}.system`) ?? defaultScopePolicy[right].system,
    study: {
      prefix: config.text(`auth.server.scope.${right}.study.prefix`) ?? '',
      suffix: config.text(`auth.server.scope.${right}.study.suffix`) ?? '',
    },
  })
  const upload = ruleOf('upload')
  return {
    ...defaultScopePolicy,
    upload,
    download: ruleOf('download'),
    catalogue: { ...defaultScopePolicy.catalogue, study: upload.study },
  }
}

type VerifierSettings = EndpointOptions & { readonly now?: () => number }

function audienceOf(config: ServerConfig): { readonly audience?: readonly string[] } {
  const audience = config.list('spring.security.oauth2.resourceserver.jwt.audiences')
  return audience.length === 0 ? {} : { audience }
}

function algorithmsOf(config: ServerConfig): NonNullable<JwtVerifierOptions['algorithms']> {
  const [plural, singular] = [
    'spring.security.oauth2.resourceserver.jwt.jws-algorithms',
    'spring.security.oauth2.resourceserver.jwt.jws-algorithm',
  ] as const
  const named = config.isSet(singular) && !config.isSet(plural) ? [config.text(singular) ?? ''] : config.list(plural)
  return named as NonNullable<JwtVerifierOptions['algorithms']>
}

function dialectOf(config: ServerConfig): IntrospectionDialect {
  const named = config.text('score.introspection-dialect')
  if (named === 'ego' || named === 'keycloak' || named === 'rfc7662') return named
  return realmUrlOf(config) === undefined ? 'ego' : 'keycloak'
}

function apiKeyFormOf(config: ServerConfig): NonNullable<TokenRoutes['apiKeyForm']> {
  const named = config.text('score.api-key-form')
  if (named === 'uuid' || named === 'not-a-jwt') return named
  return dialectOf(config) === 'rfc7662' ? 'not-a-jwt' : 'uuid'
}

interface Verifiers {
  readonly jwts?: ConfiguredVerifier
  readonly apiKeys?: ConfiguredVerifier
}

function jwtVerifier(config: ServerConfig, endpoint: VerifierSettings): ConfiguredVerifier | undefined {
  const keys = keyPlaceOf(config)
  if (keys === undefined) return undefined
  const issuer = config.text('spring.security.oauth2.resourceserver.jwt.issuer-uri')
  const jwts = createJwtVerifier({
    keys,
    ...(issuer ? { issuer } : {}),
    ...audienceOf(config),
    algorithms: algorithmsOf(config),
    scopeClaims: config.list('score.scope-claims').map(parseClaimPath),
    ...endpoint,
  })
  const realmUrl = realmUrlOf(config)
  if (realmUrl === undefined) return jwts
  const uma = createUmaVerifier(jwts, { realmUrl, clientId: config.text('auth.server.clientID') ?? '', ...endpoint })
  return { verify: uma.verify, warnings: [...jwts.warnings, ...uma.warnings] }
}

function apiKeyVerifier(config: ServerConfig, endpoint: VerifierSettings): ConfiguredVerifier | undefined {
  const url = config.text('auth.server.url')
  if (url === undefined) return undefined
  const dialect = dialectOf(config)
  // The default of the original is a name of its own; a server of the standard has the standard's.
  const tokenField = dialect !== 'rfc7662' || config.isSet('auth.server.tokenName') ? config.text('auth.server.tokenName') : undefined
  return createIntrospectionVerifier({
    url,
    dialect,
    clientId: config.text('auth.server.clientID') ?? '',
    clientSecret: config.text('auth.server.clientSecret') ?? '',
    ...(tokenField === undefined ? {} : { tokenField }),
    ...(dialect === 'rfc7662' ? audienceOf(config) : {}),
    ...endpoint,
  })
}

function verifiersOf(config: ServerConfig, { fetch: fetcher, now }: ScoreAuthOptions): Verifiers {
  const endpoint = { ...(fetcher ? { fetch: fetcher } : {}), ...(now ? { now } : {}) }
  const jwts = jwtVerifier(config, endpoint)
  const apiKeys = apiKeyVerifier(config, endpoint)
  return { ...(jwts ? { jwts } : {}), ...(apiKeys ? { apiKeys } : {}) }
}

/**
 * @throws `invalid-configuration` for access by a token without a data folder, by tokens that nobody can verify, and for
 *   addresses that are none.
 */
export function createScoreAuth(config: ServerConfig, options: ScoreAuthOptions): ScoreAuth {
  const { metadata, token } = options
  const access = accessOf(config)
  if (access === 'none') return { access, authorizer: createOpenAuthorizer(), warnings: ['everyone may do everything: access is none'] }
  const policy = policyOf(config)
  const study = (verifier: TokenVerifier): Authorizer => createStudyAuthorizer({ verifier, metadata, policy })
  if (access === 'token') {
    if (token === undefined)
      throw new ScoreError('invalid-configuration', 'access by the token of a data folder needs one: set SCORE_DATA, or the profile secure')
    return { access, authorizer: study(createStaticTokenVerifier({ token, policy })), warnings: [] }
  }
  const verifiers = verifiersOf(config, options)
  const warnings = [...(verifiers.jwts?.warnings ?? []), ...(verifiers.apiKeys?.warnings ?? [])]
  return { access, authorizer: study(createTokenRouter({ ...verifiers, apiKeyForm: apiKeyFormOf(config) })), ...verifiers, warnings }
}
