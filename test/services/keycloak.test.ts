import * as assert from 'uvu/assert'
import type { AccessRequest, Authorizer } from '../../src/auth/authorizer.ts'
import { refreshLogin, revokeLogin, startDeviceLogin } from '../../src/auth/device-login.ts'
import { createJwtVerifier } from '../../src/auth/jwt-verifier.ts'
import { createStudyAuthorizer } from '../../src/auth/study-authorizer.ts'
import { createUmaVerifier } from '../../src/auth/uma-verifier.ts'
import { createTestCatalogue, failure, ids } from '../objects/score-house.ts'
import { type SuiteApi, suite } from '../support/suite.ts'
import { findKeycloak, type Keycloak, startKeycloak } from './support/keycloak.ts'

type User = 'alice' | 'bob' | 'carol'
type Row = readonly [user: User, request: Omit<AccessRequest, 'token'>, expected: string]

/** Alice may read study ABC123, Carol everything, Bob nothing. */
const rows: readonly Row[] = [
  ['alice', { action: 'download', objectId: ids.a }, 'yes'],
  ['alice', { action: 'download', objectId: ids.other }, 'access-denied'],
  ['alice', { action: 'download', objectId: ids.open }, 'yes'],
  ['alice', { action: 'upload', objectId: ids.a }, 'access-denied'],
  ['bob', { action: 'download', objectId: ids.a }, 'access-denied'],
  ['bob', { action: 'download', objectId: ids.open }, 'yes'],
  ['bob', { action: 'identify' }, 'yes'],
  ['carol', { action: 'download', objectId: ids.other }, 'yes'],
  ['carol', { action: 'upload', objectId: ids.other }, 'yes'],
  ['carol', { action: 'list' }, 'yes'],
]

function againstKeycloak(test: SuiteApi<object>, home: string): void {
  let keycloak: Keycloak
  let now = 0
  const clock = { now: () => Date.now() + now }
  test.before(async () => {
    keycloak = await startKeycloak(home)
  })
  test.after(() => keycloak?.stop())

  const jwts = (audience?: string) =>
    createJwtVerifier({ keys: { issuerUrl: keycloak.realmUrl }, ...clock, ...(audience === undefined ? {} : { audience }) })
  const uma = () => createUmaVerifier(jwts(), { realmUrl: keycloak.realmUrl, clientId: 'score', ...clock })
  const authorizer = (): Authorizer => createStudyAuthorizer({ verifier: uma(), metadata: createTestCatalogue() })

  for (const [user, request, expected] of rows)
    test(`${user}: ${JSON.stringify(request)} is ${expected}`, async () => {
      const answer = authorizer().authorize({ token: await keycloak.userToken(user), ...request })
      if (expected === 'yes') await answer
      else assert.is((await failure(answer)).code, expected)
    })

  test('permissions become scopes, the token’s own are not looked at', async () => {
    const token = await keycloak.userToken('alice')
    assert.equal([...(await uma().verify(token)).scopes], ['PROGRAMDATA-ABC123.READ'])
    assert.ok((await jwts().verify(token)).scopes.has('email'))
    assert.equal([...(await uma().verify(await keycloak.userToken('carol'))).scopes].sort(), ['score.READ', 'score.WRITE'])
    assert.is((await uma().verify(await keycloak.userToken('bob'))).scopes.size, 0)
  })

  test('a client’s own token is verified, and subject and end are told', async () => {
    const identity = await jwts().verify(await keycloak.clientToken())
    assert.match(identity.subject, /^[0-9a-f-]{36}$/)
    assert.ok((identity.expiresAt ?? 0) > Date.now())
  })

  test('the keys are those of `sig`: the set also holds one for encryption', async () => {
    const { keys } = (await (await fetch(`${keycloak.realmUrl}/protocol/openid-connect/certs`)).json()) as { keys: { use: string }[] }
    assert.equal(keys.map(({ use }) => use).sort(), ['enc', 'sig'])
    const byAddress = createJwtVerifier({ keys: { jwksUrl: `${keycloak.realmUrl}/protocol/openid-connect/certs` } })
    await byAddress.verify(await keycloak.userToken('alice'))
  })

  test('a token for another audience, and a changed one, are refused', async () => {
    const token = await keycloak.userToken('alice')
    assert.match((await failure(jwts('somebody-else').verify(token))).message, /another service/)
    const [head, body, signature = ''] = token.split('.')
    const changed = `${head}.${body}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`
    assert.is((await failure(uma().verify(changed))).code, 'unauthenticated')
  })

  test('a session that was ended: the token is still whole, and Keycloak refuses it', async () => {
    const token = await keycloak.userToken('carol')
    const verifier = uma()
    await verifier.verify(token)
    await keycloak.logOut('carol')
    await verifier.verify(token)
    now += 31_000
    assert.is((await failure(verifier.verify(token))).code, 'unauthenticated')
  })

  const permissions = ['score', 'PROGRAMDATA-ABC123', 'PROGRAMDATA-TEST-CA'].flatMap((resource) =>
    ['READ', 'WRITE'].map((scope) => [resource, scope] as const),
  )
  for (const user of ['alice', 'bob', 'carol'] as const)
    test(`${user}: the scopes are what Keycloak itself decides, permission by permission`, async () => {
      const token = await keycloak.userToken(user)
      const { scopes } = await uma().verify(token)
      for (const [resource, scope] of permissions)
        assert.is(scopes.has(`${resource}.${scope}`), await keycloak.decides(token, `${resource}#${scope}`), `${resource}#${scope}`)
    })

  test('a requesting party token is a token for this service, with the same rights', async () => {
    const token = await keycloak.userToken('alice')
    const rpt = await keycloak.requestingPartyToken(token)
    const identity = await jwts('score').verify(rpt)
    assert.is(identity.subject, (await jwts().verify(token)).subject)
    assert.equal([...(await uma().verify(rpt)).scopes], ['PROGRAMDATA-ABC123.READ'])
  })

  test('a device is let in, its tokens are renewed, and worth nothing once they are revoked', async () => {
    const client = { issuer: keycloak.realmUrl, clientId: 'score-cli' }
    const login = await startDeviceLogin(client, 'openid')
    await keycloak.letDeviceIn(login.verificationUriComplete ?? '', 'alice')
    const first = await login.complete()
    assert.equal([...(await uma().verify(first.accessToken)).scopes], ['PROGRAMDATA-ABC123.READ'])
    const next = await refreshLogin(client, first.refreshToken ?? '')
    assert.is.not(next.accessToken, first.accessToken)
    assert.equal([...(await uma().verify(next.accessToken)).scopes], ['PROGRAMDATA-ABC123.READ'])
    assert.is(await revokeLogin(client, next), 'revoked')
    assert.is((await failure(refreshLogin(client, next.refreshToken ?? ''))).code, 'unauthenticated')
    assert.is((await failure(uma().verify(next.accessToken))).code, 'unauthenticated')
  })

  test('a client without authorization is named', async () => {
    const verifier = createUmaVerifier(jwts(), { realmUrl: keycloak.realmUrl, clientId: 'nobody' })
    const refused = await failure(verifier.verify(await keycloak.userToken('alice')))
    assert.is(refused.code, 'unavailable')
    assert.match(refused.message, /client 'nobody'/)
  })

  test('a rotated key works without a restart, once the cool-down is over', async () => {
    const verifier = jwts()
    const before = await keycloak.userToken('alice')
    await verifier.verify(before)
    await keycloak.rotateKeys()
    const after = await keycloak.userToken('alice')
    assert.is((await failure(verifier.verify(after))).code, 'unauthenticated')
    now += 31_000
    await verifier.verify(after)
    await verifier.verify(before)
  })
}

const found = await findKeycloak()
suite('services/keycloak', (test) => {
  if ('home' in found) againstKeycloak(test, found.home)
  else test.skip('the real Keycloak', found.missing)
})
