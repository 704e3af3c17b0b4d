import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import Provider, { type Configuration } from 'oidc-provider'
import * as assert from 'uvu/assert'
import { createIntrospectionVerifier } from '../../src/auth/introspection-verifier.ts'
import { createJwtVerifier } from '../../src/auth/jwt-verifier.ts'
import { createStudyAuthorizer } from '../../src/auth/study-authorizer.ts'
import { createTokenRouter } from '../../src/auth/token-router.ts'
import { createTestCatalogue, failure, ids } from '../objects/score-house.ts'
import { suite } from '../support/suite.ts'

const scopes = 'score.READ score.WRITE PROGRAMDATA-ABC123.READ'
const opaque = 'urn:score:opaque'

function jwkOf(kid: string): object {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return { ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' }
}

function configuration(keys: readonly object[]): Configuration {
  const client = { client_secret: 'a-secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }
  return {
    jwks: { keys: [...keys] as never },
    scopes: ['openid', ...scopes.split(' ')],
    clients: [
      { ...client, client_id: 'uploader', scope: scopes },
      { ...client, client_id: 'score' },
    ],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      revocation: { enabled: true },
      introspection: { enabled: true, allowedPolicy: (_, { clientId }) => clientId === 'score' },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => 'urn:score',
        getResourceServerInfo: (_, resource) => ({
          scope: scopes,
          audience: 'score',
          accessTokenTTL: 600,
          accessTokenFormat: resource === opaque ? 'opaque' : 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    // As Ego writes scopes, beside the standard claim.
    extraTokenClaims: (_, token) => ({ context: { scope: String(token.scope ?? '').split(' ') } }),
  }
}

interface Issuer {
  readonly url: string
  /** The provider again, with other keys, under the same address. */
  restart(keys: readonly object[]): void
  token(scope: string, resource?: string): Promise<string>
  revoke(token: string): Promise<void>
  close(): Promise<void>
}

async function startIssuer(keys: readonly object[]): Promise<Issuer> {
  let listener: RequestListener = () => undefined
  const server: Server = createServer((request, response) => listener(request, response)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const restart = (next: readonly object[]): void => {
    listener = new Provider(url, configuration(next)).callback()
  }
  restart(keys)
  const authorization = `Basic ${Buffer.from('uploader:a-secret').toString('base64')}`
  const post = (path: string, form: Record<string, string>) =>
    fetch(`${url}${path}`, { method: 'POST', headers: { authorization }, body: new URLSearchParams(form) })
  return {
    url,
    restart,
    async token(scope, resource = 'urn:score') {
      const answer = await post('/token', { grant_type: 'client_credentials', scope, resource })
      return ((await answer.json()) as { access_token: string }).access_token
    },
    async revoke(token) {
      assert.is((await post('/token/revocation', { token })).status, 200)
    },
    async close() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

suite('auth: oidc-provider', (test) => {
  const keys = [jwkOf('one'), jwkOf('two')] as const
  let issuer: Issuer
  let ahead = 0
  const now = (): number => Date.now() + ahead
  const { warn } = console
  test.before(async () => {
    // It warns that it is not for production, and of Node 20.
    console.warn = () => undefined
    issuer = await startIssuer([keys[0]])
  })
  test.after(async () => {
    console.warn = warn
    await issuer.close()
  })

  const jwts = () => createJwtVerifier({ keys: { issuerUrl: issuer.url }, audience: 'score', now })
  const opaqueTokens = () =>
    createIntrospectionVerifier({
      url: `${issuer.url}/token/introspection`,
      dialect: 'rfc7662',
      clientId: 'score',
      clientSecret: 'a-secret',
      audience: 'score',
      now,
    })

  test('discovery, keys and a JWT: subject, scopes, end', async () => {
    const verifier = jwts()
    assert.equal(verifier.warnings, [])
    const identity = await verifier.verify(await issuer.token('score.READ'))
    assert.equal([identity.subject, [...identity.scopes]], ['uploader', ['score.READ']])
    assert.ok(Math.abs((identity.expiresAt ?? 0) - now() - 600_000) < 10_000)
  })

  test('an ID of another audience, an older clock, a changed token: refused', async () => {
    const token = await issuer.token('score.READ')
    const other = createJwtVerifier({ keys: { issuerUrl: issuer.url }, audience: 'song' })
    assert.match((await failure(other.verify(token))).message, /another service/)
    const late = createJwtVerifier({ keys: { issuerUrl: issuer.url }, now: () => Date.now() + 700_000 })
    assert.match((await failure(late.verify(token))).message, /run out/)
    assert.is((await failure(jwts().verify(`${token.slice(0, -8)}AAAAAAAA`))).code, 'unauthenticated')
  })

  test('keys rotate without a restart, and the issuer’s key that was taken away is gone', async () => {
    const verifier = jwts()
    const before = await issuer.token('score.READ')
    await verifier.verify(before)
    issuer.restart([keys[1]])
    const after = await issuer.token('score.READ')
    assert.is((await failure(verifier.verify(after))).code, 'unauthenticated', 'within the cool-down')
    ahead += 31_000
    await verifier.verify(after)
    ahead += 30_000
    assert.match((await failure(verifier.verify(before))).message, /none of the issuer/)
  })

  test('introspection: active, revoked, unknown', async () => {
    const verifier = opaqueTokens()
    const token = await issuer.token('score.WRITE', opaque)
    assert.not.ok(token.includes('.'))
    const identity = await verifier.verify(token)
    assert.equal([identity.subject, [...identity.scopes]], ['uploader', ['score.WRITE']])
    await issuer.revoke(token)
    await verifier.verify(token)
    ahead += 61_000
    assert.is((await failure(verifier.verify(token))).code, 'unauthenticated')
    assert.is((await failure(verifier.verify('nobody-knows-this'))).code, 'unauthenticated')
  })

  test('introspection of a JWT is refused by the issuer, and is the token’s problem', async () =>
    assert.is((await failure(opaqueTokens().verify(await issuer.token('score.READ')))).code, 'unauthenticated'))

  test('a wrong client secret is the service’s own problem', async () => {
    const url = `${issuer.url}/token/introspection`
    const verifier = createIntrospectionVerifier({ url, dialect: 'rfc7662', clientId: 'score', clientSecret: 'wrong' })
    const error = await failure(verifier.verify('some-token'))
    assert.equal([error.code, /client id and secret/.test(error.message)], ['unavailable', true])
  })

  test('both kinds of token in front of one policy', async () => {
    const verifier = createTokenRouter({ jwts: jwts(), apiKeys: opaqueTokens(), apiKeyForm: 'not-a-jwt' })
    const authorizer = createStudyAuthorizer({ verifier, metadata: createTestCatalogue() })
    for (const resource of ['urn:score', opaque]) {
      const token = await issuer.token('PROGRAMDATA-ABC123.READ', resource)
      await authorizer.authorize({ token, action: 'download', objectId: ids.a })
      for (const request of [
        { action: 'download', objectId: ids.other },
        { action: 'upload', objectId: ids.a },
      ] as const)
        assert.is((await failure(authorizer.authorize({ token, ...request }))).code, 'access-denied')
    }
  })
})
