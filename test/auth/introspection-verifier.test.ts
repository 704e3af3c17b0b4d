import { delay, HttpResponse, http } from 'msw'
import { setupServer } from 'msw/node'
import * as assert from 'uvu/assert'
import type { IntrospectionDialect } from '../../src/auth/introspection-dialects.ts'
import { createIntrospectionVerifier, type IntrospectionVerifierOptions } from '../../src/auth/introspection-verifier.ts'
import { failure } from '../objects/score-house.ts'
import { suite } from '../support/suite.ts'
import { seconds, testTime } from './token-maker.ts'

const url = 'https://issuer.test/check?realm=a'
const address = 'https://issuer.test/check'
const key = '0b9e9d1c-5c0b-4d8e-9d5e-3b7a54a1f001'
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`

interface Asked {
  readonly authorization: string | null
  readonly type: string
  readonly query: string
  readonly fields: readonly (readonly [string, unknown])[]
}

let asked: Asked[] = []
let time = testTime
let answer: () => Response | Promise<Response>
const server = setupServer(
  http.post(address, async ({ request }) => {
    const fields = [...(await request.formData())]
    const { headers } = request
    const type = (headers.get('content-type') ?? '').split(';')[0] as string
    asked.push({ authorization: headers.get('authorization'), type, query: new URL(request.url).search, fields })
    return answer()
  }),
)
const says = (body: unknown, status = 200) => {
  answer = () => HttpResponse.json(body as object, { status })
}
const make = (dialect: IntrospectionDialect, options: Partial<IntrospectionVerifierOptions> = {}) =>
  createIntrospectionVerifier({
    url,
    dialect,
    clientId: 'score:1',
    clientSecret: 'se cret',
    retry: { attempts: 1 },
    now: () => time,
    ...options,
  })

const good = {
  ego: { user_id: 'ada', client_id: 'x', exp: 600, scope: ['score.READ'] },
  keycloak: { user_id: 'ada', exp: testTime + 600_000, revoked: false, valid: true, message: 'ok', scope: ['score.READ'] },
  rfc7662: { active: true, sub: 'ada', exp: seconds + 600, scope: 'score.READ', aud: ['score'] },
} as const

type Row = readonly [what: string, dialect: IntrospectionDialect, body: unknown, status: number, expected: string]
const changed = (dialect: IntrospectionDialect, changes: object) => ({ ...good[dialect], ...changes })

const rows: readonly Row[] = [
  ['good', 'ego', good.ego, 207, 'score.READ'],
  ['good', 'keycloak', good.keycloak, 207, 'score.READ'],
  ['good', 'rfc7662', good.rfc7662, 200, 'score.READ'],
  ['no end', 'ego', changed('ego', { exp: undefined }), 200, 'score.READ'],
  ['null scope', 'keycloak', changed('keycloak', { scope: null }), 207, ''],
  ['no scope', 'ego', changed('ego', { scope: undefined }), 207, ''],
  ['no scope', 'rfc7662', changed('rfc7662', { scope: undefined }), 200, ''],
  ['a list of scopes', 'rfc7662', changed('rfc7662', { scope: ['a.READ', 'b.READ'] }), 200, 'a.READ b.READ'],
  ['exp: 0', 'ego', changed('ego', { exp: 0 }), 207, 'unauthenticated'],
  ['exp: -1', 'ego', changed('ego', { exp: -1 }), 207, 'unauthenticated'],
  ['exp: 0', 'keycloak', changed('keycloak', { exp: 0 }), 207, 'unauthenticated'],
  ['exp in the past', 'keycloak', changed('keycloak', { exp: testTime - 60_001 }), 207, 'unauthenticated'],
  ['exp in the past', 'rfc7662', changed('rfc7662', { exp: seconds - 61 }), 200, 'unauthenticated'],
  ['exp within the skew', 'rfc7662', changed('rfc7662', { exp: seconds - 59 }), 200, 'score.READ'],
  ['revoked', 'keycloak', changed('keycloak', { revoked: true }), 207, 'unauthenticated'],
  ['not valid', 'keycloak', changed('keycloak', { valid: false }), 207, 'unauthenticated'],
  ['an error beside', 'ego', changed('ego', { error: 'x' }), 207, 'unauthenticated'],
  ['unknown', 'ego', { error: 'invalid_token' }, 401, 'unauthenticated'],
  ['unknown', 'keycloak', { error: 'unknown' }, 400, 'unauthenticated'],
  ['not active', 'rfc7662', { active: false }, 200, 'unauthenticated'],
  ['a JWT where opaque tokens go', 'rfc7662', { error: 'unsupported_token_type' }, 400, 'unauthenticated'],
  ['our own credentials', 'rfc7662', { error: 'invalid_client' }, 401, 'unavailable'],
  ['our own rights', 'rfc7662', {}, 403, 'unavailable'],
  ['no such path', 'ego', {}, 404, 'unavailable'],
  ['overload', 'ego', {}, 429, 'unavailable'],
  ['failure', 'ego', {}, 500, 'unavailable'],
  ['failure', 'keycloak', {}, 503, 'unavailable'],
  ['active as a text', 'rfc7662', { active: 'true' }, 200, 'unavailable'],
  ['exp as a text', 'ego', changed('ego', { exp: '600' }), 207, 'unavailable'],
  ['scopes that are numbers', 'ego', changed('ego', { scope: [1] }), 207, 'unavailable'],
  ['scopes that are an object', 'rfc7662', changed('rfc7662', { scope: {} }), 200, 'unavailable'],
  ['a list', 'keycloak', [], 200, 'unavailable'],
  ['null', 'keycloak', null, 200, 'unavailable'],
]

suite('auth/introspection-verifier', (test) => {
  test.before(() => server.listen({ onUnhandledRequest: 'error' }))
  test.after(() => server.close())
  test.beforeEach(() => {
    asked = []
    time = testTime
    says(good.ego)
  })

  for (const [what, dialect, body, status, expected] of rows)
    test(`${dialect}: ${what} (${status}): ${expected || 'no scopes'}`, async () => {
      says(body, status)
      const verifier = make(dialect)
      if (/^una/.test(expected)) {
        const error = await failure(verifier.verify(key))
        assert.is(error.code, expected, error.message)
        assert.not.match(error.message, new RegExp(key))
      } else {
        const identity = await verifier.verify(key)
        assert.equal([identity.subject, [...identity.scopes].join(' ')], ['ada', expected])
      }
    })

  for (const [dialect, type, fields, authorization] of [
    ['ego', 'multipart/form-data', [['apiKey', key]], basic('score:1:se cret')],
    ['keycloak', 'multipart/form-data', [['apiKey', key]], basic('score:1:se cret')],
    [
      'rfc7662',
      'application/x-www-form-urlencoded',
      [
        ['token', key],
        ['token_type_hint', 'access_token'],
      ],
      basic('score%3A1:se+cret'),
    ],
  ] as const)
    test(`${dialect}: what is asked`, async () => {
      says(good[dialect])
      await make(dialect).verify(key)
      assert.equal(asked, [{ authorization, type, query: '?realm=a', fields }])
    })

  test('the field’s name is the site’s', async () => {
    await make('ego', { tokenField: 'apiToken' }).verify(key)
    assert.equal(asked[0]?.fields, [['apiToken', key]])
  })

  test('a token for another audience is refused where one is set', async () => {
    says(good.rfc7662)
    await make('rfc7662', { audience: 'score' }).verify(key)
    assert.match((await failure(make('rfc7662', { audience: 'song' }).verify(key))).message, /another service/)
  })

  test('requests with one key at one time make one call, also when it fails', async () => {
    const verifier = make('ego')
    await Promise.all(Array.from({ length: 100 }, () => verifier.verify(key)))
    assert.is(asked.length, 1)
    time += 60_000
    says({}, 500)
    const codes = await Promise.all(Array.from({ length: 100 }, async () => (await failure(verifier.verify(key))).code))
    assert.equal([asked.length, new Set(codes)], [2, new Set(['unavailable'])])
  })

  for (const [what, exp, atMost] of [
    ['a minute', 600, 60],
    ['the life of the key', 7, 7],
    ['a minute, where no end is told', undefined, 60],
  ] as const)
    test(`an answer is believed for no longer than ${what}`, async () => {
      says(changed('ego', { exp }))
      const verifier = make('ego')
      await verifier.verify(key)
      time += atMost * 1000 - 1
      await verifier.verify(key)
      assert.is(asked.length, 1)
      time += 1
      says({ error: 'revoked' }, 401)
      assert.is((await failure(verifier.verify(key))).code, 'unauthenticated')
    })

  test('refusals and failures are not kept', async () => {
    const verifier = make('ego')
    for (const status of [401, 500, 404]) {
      says({}, status)
      await failure(verifier.verify(key))
    }
    says(good.ego)
    await verifier.verify(key)
    says({}, 500)
    await verifier.verify(key)
    time += 60_000
    assert.is((await failure(verifier.verify(key))).code, 'unavailable')
  })

  test('an answer that is lost is asked for once more', async () => {
    let failed = false
    answer = () => {
      const first = !failed
      failed = true
      return first ? HttpResponse.error() : HttpResponse.json(good.ego)
    }
    await make('ego', { retry: { attempts: 2, baseDelayMs: 1 } }).verify(key)
    assert.is(asked.length, 2)
  })

  test('slow is unavailable after the time limit', async () => {
    answer = async () => {
      await delay('infinite')
      return HttpResponse.json({})
    }
    const error = await failure(make('ego', { timeoutSeconds: 0.2 }).verify(key))
    assert.is(error.code, 'unavailable')
    assert.match(error.message, /within 0.2 s/)
  })

  test('a caller who leaves takes nobody along', async () => {
    const leave = new AbortController()
    answer = async () => {
      leave.abort(new Error('gone'))
      return HttpResponse.json(good.ego)
    }
    const verifier = make('ego')
    const [left, stayed] = await Promise.allSettled([verifier.verify(key, { signal: leave.signal }), verifier.verify(key)])
    assert.equal([left.status, stayed.status, asked.length], ['rejected', 'fulfilled', 1])
  })

  for (const status of [301, 302, 303, 307, 308])
    test(`the client secret follows no redirect (${status})`, async () => {
      let followed = 0
      const evil = http.all('https://evil.test/*', () => {
        followed += 1
        return HttpResponse.json(good.ego)
      })
      server.use(evil)
      answer = () => new HttpResponse(null, { status, headers: { location: 'https://evil.test/check' } })
      const error = await failure(make('ego').verify(key))
      assert.equal([error.code, followed], ['invalid-configuration', 0])
      assert.not.match(error.message, /se cret|Basic/)
      server.resetHandlers()
    })

  for (const [what, body, type] of [
    ['a web page', '<html>', 'text/html'],
    ['nothing', '', 'application/json'],
    ['half of an answer', '{"user_id":', 'application/json'],
  ] as const)
    test(`${what} for an answer is unavailable`, async () => {
      answer = () => new HttpResponse(body, { headers: { 'content-type': type } })
      assert.is((await failure(make('ego').verify(key))).code, 'unavailable')
    })

  test('a huge key is not even sent', async () => {
    assert.is((await failure(make('ego').verify('k'.repeat(4097)))).code, 'unauthenticated')
    assert.is(asked.length, 0)
  })

  test('an address without TLS is warned of; one without client is refused', () => {
    assert.match(make('ego', { url: 'http://ego.test/o/check_api_key' }).warnings.join(), /without TLS/)
    assert.equal(make('ego').warnings, [])
    assert.throws(() => make('ego', { clientId: '' }), /client id/)
  })
})
