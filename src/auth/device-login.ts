import type { Configuration, DiscoveryRequestOptions, TokenEndpointResponse } from 'openid-client'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { redactText, redactUrl } from '../core/redact.ts'

/** This program, as an OIDC server knows it. */
export interface LoginClient {
  /** The issuer's address; its own document says the rest. */
  readonly issuer: string
  /** Of a public client: it has no secret. */
  readonly clientId: string
  readonly fetch?: typeof fetch
  /** For one request and its answer; default 30. */
  readonly timeoutSeconds?: number
  /** Clock in ms since 1970; default the system's. */
  readonly now?: () => number
}

export interface LoginTokens {
  readonly accessToken: string
  /** Gets the next tokens, where the issuer gives one. */
  readonly refreshToken?: string
  /** When the access token runs out, in ms since 1970, where the issuer says so. */
  readonly expiresAt?: number
}

/** A login that waits for its user, who opens an address on any device. */
export interface DeviceLogin {
  readonly verificationUri: string
  /** With the code in it. */
  readonly verificationUriComplete?: string
  readonly userCode: string
  readonly expiresInSeconds: number
  /**
   * Waits until the user has decided.
   *
   * @throws `access-denied` when the user says no, `unauthenticated` when the code runs out first; `unavailable`.
   */
  complete(options?: CallOptions): Promise<LoginTokens>
}

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/** What OAuth's error codes mean to the user. */
const refusals: Readonly<Record<string, readonly [code: 'access-denied' | 'unauthenticated' | 'invalid-configuration', message: string]>> =
  {
    access_denied: ['access-denied', 'the login was refused'],
    expired_token: ['unauthenticated', 'the code ran out before it was used: log in again'],
    invalid_grant: ['unauthenticated', 'the login has ended there, or was revoked: log in again'],
    invalid_client: ['invalid-configuration', 'the issuer does not know this client, or wants a secret of it: name a public client'],
    unauthorized_client: ['invalid-configuration', 'the issuer does not allow this client to log in by device'],
    invalid_scope: ['invalid-configuration', 'the issuer does not give these scopes to this client'],
  }

function toLoginError(error: unknown, issuer: string): ScoreError {
  const { error: oauth, error_description: text, code, cause } = error as Record<'error' | 'error_description' | 'code' | 'cause', unknown>
  const refusal = typeof oauth === 'string' ? refusals[oauth] : undefined
  if (refusal !== undefined) return new ScoreError(refusal[0], `${redactUrl(issuer)}: ${refusal[1]}`)
  if (code === 'OAUTH_TIMEOUT') return new ScoreError('unavailable', `${redactUrl(issuer)} did not answer in time`)
  const reason =
    cause instanceof Error ? cause.message : typeof text === 'string' ? text : error instanceof Error ? error.message : String(error)
  return new ScoreError('unavailable', `${redactUrl(issuer)} does not answer as an OIDC server does: ${redactText(reason)}`)
}

async function discover(client: LoginClient, { signal }: CallOptions): Promise<Configuration> {
  const { issuer, clientId, fetch: fetcher, timeoutSeconds = 30 } = client
  if (!URL.canParse(issuer) || !/^https?:$/.test(new URL(issuer).protocol))
    throw new ScoreError(
      'invalid-configuration',
      `'${redactUrl(issuer)}' is no address of an issuer: it must look like https://login.example.org/realms/site`,
    )
  const { protocol, hostname } = new URL(issuer)
  if (protocol === 'http:' && !loopback.test(hostname))
    throw new ScoreError('invalid-configuration', `${redactUrl(issuer)} would be told secrets without TLS: use its https address`)
  const oidc = await import('openid-client')
  signal?.throwIfAborted()
  const requests: DiscoveryRequestOptions = { timeout: timeoutSeconds, execute: protocol === 'http:' ? [oidc.allowInsecureRequests] : [] }
  if (fetcher) requests[oidc.customFetch] = (url, init) => fetcher(url, init as RequestInit)
  return oidc.discovery(new URL(issuer), clientId, undefined, oidc.None(), requests)
}

function tokensOf(answer: TokenEndpointResponse, asked: number): LoginTokens {
  const { access_token: accessToken, refresh_token: refreshToken, expires_in: expiresIn } = answer
  return {
    accessToken,
    ...(refreshToken === undefined ? {} : { refreshToken }),
    ...(expiresIn === undefined ? {} : { expiresAt: asked + expiresIn * 1000 }),
  }
}

async function translated<Result>(work: Promise<Result>, issuer: string, { signal }: CallOptions): Promise<Result> {
  try {
    return await work
  } catch (error) {
    signal?.throwIfAborted()
    throw error instanceof ScoreError ? error : toLoginError(error, issuer)
  }
}

/**
 * Begins a login by OAuth's device flow (RFC 8628): for programs without a browser of their own.
 *
 * @param scope - such as `openid offline_access`; the issuer decides whether a refresh token comes with it
 * @throws `invalid-configuration` for an address that is none, an issuer without device flow, or a client that it refuses;
 *   `unavailable`.
 */
export async function startDeviceLogin(client: LoginClient, scope: string, options: CallOptions = {}): Promise<DeviceLogin> {
  const { issuer, now = Date.now } = client
  const oidc = await import('openid-client')
  const config = await translated(discover(client, options), issuer, options)
  if (config.serverMetadata().device_authorization_endpoint === undefined)
    throw new ScoreError(
      'invalid-configuration',
      `${redactUrl(issuer)} has no login by device: get a token there in another way, and name it with --token-file`,
    )
  const started = await translated(oidc.initiateDeviceAuthorization(config, { scope }), issuer, options)
  return {
    verificationUri: started.verification_uri,
    ...(started.verification_uri_complete === undefined ? {} : { verificationUriComplete: started.verification_uri_complete }),
    userCode: started.user_code,
    expiresInSeconds: started.expires_in,
    async complete(call = {}) {
      const { signal } = call
      const polled = oidc.pollDeviceAuthorizationGrant(config, started, undefined, signal ? { signal } : {})
      return tokensOf(await translated(polled, issuer, call), now())
    },
  }
}

/**
 * The next tokens. An issuer that rotates refresh tokens gives another one: keep it, the old one is spent.
 *
 * @throws `unauthenticated` when the login has ended; `unavailable`.
 */
export async function refreshLogin(client: LoginClient, refreshToken: string, options: CallOptions = {}): Promise<LoginTokens> {
  const { issuer, now = Date.now } = client
  const oidc = await import('openid-client')
  const config = await translated(discover(client, options), issuer, options)
  const asked = now()
  const tokens = tokensOf(await translated(oidc.refreshTokenGrant(config, refreshToken), issuer, options), asked)
  return { refreshToken, ...tokens }
}

/**
 * Ends a login at its issuer, so that its tokens are worth nothing wherever they may lie (RFC 7009).
 *
 * @returns `unsupported` when the issuer has no revocation; then access tokens work until they run out.
 * @throws `invalid-configuration` for an issuer's address that is none; `unavailable` when it does not answer as it should.
 */
export async function revokeLogin(client: LoginClient, tokens: LoginTokens, options: CallOptions = {}): Promise<'revoked' | 'unsupported'> {
  const { issuer } = client
  const oidc = await import('openid-client')
  const config = await translated(discover(client, options), issuer, options)
  if (config.serverMetadata().revocation_endpoint === undefined) return 'unsupported'
  const { refreshToken, accessToken } = tokens
  // With the refresh token most issuers end the whole grant; the access token follows for those that do not.
  if (refreshToken !== undefined)
    await translated(oidc.tokenRevocation(config, refreshToken, { token_type_hint: 'refresh_token' }), issuer, options)
  await translated(oidc.tokenRevocation(config, accessToken, { token_type_hint: 'access_token' }), issuer, options)
  return 'revoked'
}
