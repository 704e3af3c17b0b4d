import * as assert from 'uvu/assert'
import type { AccessRequest } from '../../src/auth/authorizer.ts'
import { createOpenAuthorizer } from '../../src/auth/open-authorizer.ts'
import { defaultScopePolicy, isOpenAccess } from '../../src/auth/scope-policy.ts'
import { createStaticTokenVerifier } from '../../src/auth/static-token-verifier.ts'
import { createStudyAuthorizer } from '../../src/auth/study-authorizer.ts'
import { createTestCatalogue, failure, ids } from '../objects/score-house.ts'
import { suite } from '../support/suite.ts'

const token = 'a-token-of-the-tests'

type Row = readonly [scopes: readonly string[], request: Omit<AccessRequest, 'token'>, expected: string]

/** Rights that do not depend on an object are here; those that do are in the tests of the service. */
const rows: readonly Row[] = [
  [['score.WRITE'], { action: 'upload' }, 'yes'],
  [['SCORE.write'], { action: 'upload' }, 'yes'],
  [['score.READ'], { action: 'upload' }, 'access-denied'],
  [['PROGRAMDATA-ABC123.WRITE'], { action: 'upload' }, 'access-denied'],
  [['PROGRAMDATA-ABC123.WRITE'], { action: 'upload', study: 'ABC123' }, 'yes'],
  [['programdata-abc123.write'], { action: 'upload', objectId: ids.a }, 'yes'],
  [['ABC123.WRITE'], { action: 'upload', objectId: ids.a }, 'access-denied'],
  [['PROGRAMDATA-ABC123.READ'], { action: 'download', study: 'ABC123' }, 'yes'],
  [['PROGRAMDATA-ABC1234.READ'], { action: 'download', study: 'ABC123' }, 'access-denied'],
  [[], { action: 'download', objectId: ids.open }, 'yes'],
  [[], { action: 'download', objectId: ids.odd }, 'invalid-request'],
  [['score.READ'], { action: 'list' }, 'yes'],
  [['PROGRAMDATA-ABC123.READ'], { action: 'list', study: 'ABC123' }, 'access-denied'],
  [['song.WRITE'], { action: 'catalogue-write' }, 'yes'],
  [['song.write'], { action: 'catalogue-write' }, 'access-denied'],
  [['score.WRITE'], { action: 'catalogue-write', study: 'ABC123' }, 'access-denied'],
  [['PROGRAMDATA-ABC123.WRITE'], { action: 'catalogue-write', study: 'ABC123' }, 'yes'],
  [['programdata-ABC123.WRITE'], { action: 'catalogue-write', study: 'ABC123' }, 'access-denied'],
  [['PROGRAMDATA-ABC123.WRITE'], { action: 'catalogue-write' }, 'access-denied'],
  [[], { action: 'identify' }, 'yes'],
]

suite('auth/study-authorizer', (test) => {
  for (const [scopes, request, expected] of rows)
    test(`${JSON.stringify(request)} with [${scopes}]: ${expected}`, async () => {
      const authorizer = createStudyAuthorizer({ verifier: createStaticTokenVerifier({ token, scopes }), metadata: createTestCatalogue() })
      const answer = authorizer.authorize({ token, ...request })
      if (expected === 'yes') assert.equal([...(await answer).scopes], scopes)
      else assert.is((await failure(answer)).code, expected)
    })

  for (const action of ['identify', 'list', 'catalogue-write'] as const)
    test(`${action} needs a token`, async () => {
      const authorizer = createStudyAuthorizer({ verifier: createStaticTokenVerifier({ token }), metadata: createTestCatalogue() })
      assert.is((await failure(authorizer.authorize({ token: undefined, action }))).code, 'unauthenticated')
    })

  test('prefix, suffix and system scope are the site’s', async () => {
    const policy = { ...defaultScopePolicy, download: { system: 'all.READ', study: { prefix: '', suffix: '.READ' } } }
    const verifier = createStaticTokenVerifier({ token, scopes: ['TEST-CA.READ'] })
    const authorizer = createStudyAuthorizer({ verifier, metadata: createTestCatalogue(), policy })
    await authorizer.authorize({ token, action: 'download', objectId: ids.other })
    const refused = await failure(authorizer.authorize({ token, action: 'download', objectId: ids.a }))
    assert.match(refused.message, /'all\.READ' or 'ABC123\.READ'/)
  })

  for (const [access, open] of [
    ['open', true],
    ['Open', true],
    ['controlled', false],
    ['CONTROLLED', false],
    ['', false],
    ['null', false],
  ] as const)
    test(`access '${access}' is ${open ? 'open' : 'controlled'}`, () => assert.is(isOpenAccess({ objectId: 'x', access }), open))
})

suite('auth/static-token-verifier', (test) => {
  test('the one token has the system scopes, every other is refused', async () => {
    const verifier = createStaticTokenVerifier({ token })
    assert.equal(await verifier.verify(token), { subject: 'local', scopes: new Set(['score.WRITE', 'score.READ', 'song.WRITE']) })
    for (const wrong of ['', `${token}x`, token.slice(1), token.toUpperCase()])
      assert.is((await failure(verifier.verify(wrong))).code, 'unauthenticated')
  })
  test('a short token is no secret', () => assert.throws(() => createStaticTokenVerifier({ token: 'short' }), /16 characters/))
  test('messages do not tell the token', async () =>
    assert.not.match((await failure(createStaticTokenVerifier({ token }).verify('guess'))).message, /guess|tests/))
})

suite('auth/open-authorizer', (test) => {
  test('lets everyone in', async () => {
    const identity = await createOpenAuthorizer().authorize({ token: undefined, action: 'list' })
    assert.is(identity.subject, 'anonymous')
  })
})
