import { HttpResponse, http } from 'msw'
import { setupServer } from 'msw/node'
import * as assert from 'uvu/assert'
import type { TokenVerifier } from '../../src/auth/authorizer.ts'
import { createUmaVerifier } from '../../src/auth/uma-verifier.ts'
import { ScoreError } from '../../src/core/errors.ts'
import { failure } from '../objects/score-house.ts'
import { suite } from '../support/suite.ts'
import { testTime } from './token-maker.ts'

const realmUrl = 'https://keycloak.test/realms/score'
const token = 'e30.e30.c2ln'

let time = testTime
let asked: { readonly authorization: string | null; readonly form: object }[] = []
let answer: () => Response
const server = setupServer(
  http.post(`${realmUrl}/protocol/openid-connect/token`, async ({ request }) => {
    asked.push({ authorization: request.headers.get('authorization'), form: Object.fromEntries(await request.formData()) })
    return answer()
  }),
)
const ada: TokenVerifier = { verify: async () => ({ subject: 'ada', scopes: new Set(['score.WRITE']), expiresAt: testTime + 20_000 }) }
const make = (jwts = ada) => createUmaVerifier(jwts, { realmUrl, clientId: 'score', retry: { attempts: 1 }, now: () => time })
const denied = { error: 'access_denied', error_description: 'not_authorized' }

const rows: readonly (readonly [what: string, status: number, body: unknown, expected: readonly string[] | string])[] = [
  [
    'permissions',
    200,
    [
      { rsid: '1', rsname: 'score', scopes: ['READ', 'WRITE'] },
      { rsid: '2', rsname: 'TEST-CA', scopes: ['READ'] },
    ],
    ['score.READ', 'score.WRITE', 'TEST-CA.READ'],
  ],
  ['207', 207, [{ rsid: '1', rsname: 'score', scopes: ['READ'] }], ['score.READ']],
  ['a resource without scopes', 200, [{ rsid: '1', rsname: 'Default Resource' }], []],
  ['no permission', 200, [], []],
  ['no permission, by status', 403, denied, []],
  ['a token that is refused', 401, { error: 'invalid_grant' }, 'unauthenticated'],
  ['an unknown client', 400, { error: 'invalid_client' }, 'unavailable'],
  ['no such realm', 404, { error: 'Realm does not exist' }, 'unavailable'],
  ['overload', 429, {}, 'unavailable'],
  ['failure', 500, {}, 'unavailable'],
  ['failure of the gateway', 502, 'bad gateway', 'unavailable'],
  ['an object', 200, { access_token: 'x' }, 'unavailable'],
  ['a permission without name', 200, [{ rsid: '1', scopes: ['READ'] }], 'unavailable'],
  ['scopes that are no texts', 200, [{ rsid: '1', rsname: 'score', scopes: [1] }], 'unavailable'],
]

suite('auth/uma-verifier', (test) => {
  test.before(() => server.listen({ onUnhandledRequest: 'error' }))
  test.after(() => server.close())
  test.beforeEach(() => {
    asked = []
    time = testTime
  })

  for (const [what, status, body, expected] of rows)
    test(`${what} (${status}): ${typeof expected === 'string' ? expected : `[${expected}]`}`, async () => {
      answer = () => HttpResponse.json(body as object, { status })
      if (typeof expected === 'string') assert.is((await failure(make().verify(token))).code, expected)
      else assert.equal(await make().verify(token), { subject: 'ada', scopes: new Set(expected), expiresAt: testTime + 20_000 })
    })

  test('a web page that forbids is a proxy, not Keycloak', async () => {
    answer = () => HttpResponse.html('<html>forbidden</html>', { status: 403 })
    assert.is((await failure(make().verify(token))).code, 'unavailable')
  })

  test('what is asked: the caller’s token, and the permissions on the client', async () => {
    answer = () => HttpResponse.json([])
    await make().verify(token)
    const form = { grant_type: 'urn:ietf:params:oauth:grant-type:uma-ticket', audience: 'score', response_mode: 'permissions' }
    assert.equal(asked, [{ authorization: `Bearer ${token}`, form }])
  })

  test('a token that does not verify is not shown to Keycloak', async () => {
    const nobody: TokenVerifier = {
      verify: async () => {
        throw new ScoreError('unauthenticated', 'no')
      },
    }
    assert.is((await failure(make(nobody).verify(token))).code, 'unauthenticated')
    assert.equal(asked, [])
  })

  test('permissions are believed for 30 s, and not past the token’s end', async () => {
    const lasting: TokenVerifier = { verify: async () => ({ subject: 'ada', scopes: new Set() }) }
    answer = () => HttpResponse.json([])
    for (const [jwts, seconds] of [
      [lasting, 30],
      [ada, 20],
    ] as const) {
      asked = []
      time = testTime
      const verifier = make(jwts)
      await Promise.all(Array.from({ length: 50 }, () => verifier.verify(token)))
      time += seconds * 1000 - 1
      await verifier.verify(token)
      assert.is(asked.length, 1)
      time += 1
      await verifier.verify(token)
      assert.is(asked.length, 2)
    }
  })

  test('no redirect is followed', async () => {
    answer = () => HttpResponse.redirect('https://evil.test/', 307)
    assert.is((await failure(make().verify(token))).code, 'invalid-configuration')
  })
})
