import * as assert from 'uvu/assert'
import { refreshLogin, startDeviceLogin } from '../../src/auth/device-login.ts'
import { failure } from '../objects/score-house.ts'
import { suite } from '../support/suite.ts'
import { startIssuer } from './oidc-site.ts'

suite('auth/device-login', (test) => {
  let site: Awaited<ReturnType<typeof startIssuer>>
  test.before(async () => {
    site = await startIssuer()
  })
  test.after(async () => {
    site.server.closeAllConnections()
    await new Promise((resolve) => site.server.close(resolve))
  })
  /** The issuer asks for no other pause than the standard's five seconds; one does here. */
  const impatient: typeof fetch = async (url, init) => {
    const answer = await fetch(url, init)
    if (!String(url).endsWith('/device/auth') || !answer.ok) return answer
    return Response.json({ ...((await answer.json()) as object), interval: 1 })
  }
  const client = () => ({ issuer: site.issuer, clientId: 'score', fetch: impatient })

  test('device flow, refresh, rotation: the spent refresh token ends it', async () => {
    const login = await startDeviceLogin(client(), 'openid offline_access')
    assert.match(login.userCode, /^[A-Z0-9-]{6,}$/)
    assert.ok(login.verificationUri.startsWith(site.issuer))
    await site.decide(login.verificationUriComplete ?? '', 'yes')
    const tokens = await login.complete()
    assert.ok(tokens.accessToken.length > 20)
    assert.ok(Math.abs((tokens.expiresAt ?? 0) - Date.now() - 60_000) < 10_000)
    const next = await refreshLogin(client(), tokens.refreshToken ?? '')
    assert.is.not(next.accessToken, tokens.accessToken)
    assert.is.not(next.refreshToken, tokens.refreshToken)
    const spent = await failure(refreshLogin(client(), tokens.refreshToken ?? ''))
    assert.is(spent.code, 'unauthenticated')
    assert.match(spent.message, /log in again/)
    assert.is((await failure(refreshLogin(client(), next.refreshToken ?? ''))).code, 'unauthenticated', 'all of the family are revoked')
  })

  test('a user who says no', async () => {
    const login = await startDeviceLogin(client(), 'openid')
    await site.decide(login.verificationUriComplete ?? '', 'no')
    assert.is((await failure(login.complete())).code, 'access-denied')
  })

  test('waiting ends with the signal', async () => {
    const login = await startDeviceLogin(client(), 'openid')
    const stop = new AbortController()
    const waiting = login.complete({ signal: stop.signal }).catch((error: Error) => error.message)
    stop.abort(new Error('enough'))
    assert.is(await waiting, 'enough')
  })

  const troubles: readonly (readonly [
    name: string,
    client: () => { issuer: string; clientId: string; fetch?: typeof fetch },
    code: string,
    says: RegExp,
  ])[] = [
    ['no address', () => ({ issuer: 'login', clientId: 'score' }), 'invalid-configuration', /no address of an issuer/],
    ['without TLS', () => ({ issuer: 'http://login.example.org', clientId: 'score' }), 'invalid-configuration', /use its https address/],
    ['nobody there', () => ({ issuer: 'http://127.0.0.1:1', clientId: 'score' }), 'unavailable', /127\.0\.0\.1:1/],
    [
      'a client that nobody knows',
      () => ({ issuer: site.issuer, clientId: 'other' }),
      'invalid-configuration',
      /does not know this client/,
    ],
    [
      'a web page',
      () => ({
        issuer: site.issuer,
        clientId: 'score',
        fetch: async () => new Response('<html>', { headers: { 'content-type': 'text/html' } }),
      }),
      'unavailable',
      /does not answer as an OIDC server does/,
    ],
  ]
  for (const [name, of, code, says] of troubles) {
    test(`trouble: ${name}`, async () => {
      const error = await failure(startDeviceLogin(of(), 'openid'))
      assert.is(error.code, code, error.message)
      assert.match(error.message, says)
    })
  }

  test('a refresh token never stands in a message', async () => {
    const error = await failure(refreshLogin(client(), 'a-very-secret-refresh-token'))
    assert.is(error.code, 'unauthenticated')
    assert.not.match(error.message, 'a-very-secret')
  })
})
