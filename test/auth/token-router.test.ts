import * as assert from 'uvu/assert'
import type { TokenVerifier } from '../../src/auth/authorizer.ts'
import { createTokenRouter } from '../../src/auth/token-router.ts'
import { failure } from '../objects/score-house.ts'
import { suite } from '../support/suite.ts'

const named = (subject: string): TokenVerifier => ({ verify: async () => ({ subject, scopes: new Set() }) })
const both = { apiKeys: named('key'), jwts: named('jwt') }

const rows: readonly (readonly [token: string, byUuid: string, notAJwt: string])[] = [
  ['0b9e9d1c-5c0b-4d8e-9d5e-3b7a54a1f001', 'key', 'key'],
  ['0B9E9D1C-5C0B-4D8E-9D5E-3B7A54A1F001', 'key', 'key'],
  ['1-1-1-1-1', 'key', 'key'],
  ['0b9e9d1c-5c0b-4d8e-9d5e-3b7a54a1f0011', 'jwt', 'key'],
  ['0b9e9d1c5c0b4d8e9d5e3b7a54a1f001', 'jwt', 'key'],
  ['0b9e9d1c-5c0b-4d8e-9d5e-3b7a54a1f00g', 'jwt', 'key'],
  ['opaque-token', 'jwt', 'key'],
  ['e30.e30.c2ln', 'jwt', 'jwt'],
  ['e30.e30.', 'jwt', 'jwt'],
  ['e30.e30', 'jwt', 'key'],
  ['', 'jwt', 'key'],
]

suite('auth/token-router', (test) => {
  for (const [token, byUuid, notAJwt] of rows)
    test(`'${token}': ${byUuid}, or ${notAJwt} where all opaque tokens are keys`, async () => {
      assert.is((await createTokenRouter(both).verify(token)).subject, byUuid)
      assert.is((await createTokenRouter({ ...both, apiKeyForm: 'not-a-jwt' }).verify(token)).subject, notAJwt)
    })

  test('a kind that nobody knows is refused, and says what is taken', async () => {
    const noKeys = await failure(createTokenRouter({ jwts: both.jwts }).verify('1-1-1-1-1'))
    assert.equal([noKeys.code, /no API keys.*send a JWT/.test(noKeys.message)], ['unauthenticated', true])
    const noJwts = await failure(createTokenRouter({ apiKeys: both.apiKeys }).verify('e30.e30.c2ln'))
    assert.equal([noJwts.code, /no JWTs.*send an API key/.test(noJwts.message)], ['unauthenticated', true])
  })

  test('nobody at all is no set-up', () => assert.throws(() => createTokenRouter({}), /nobody is set/))

  test('the signal goes along', async () => {
    const { signal } = new AbortController()
    let seen: AbortSignal | undefined
    const jwts: TokenVerifier = {
      async verify(_, options) {
        seen = options?.signal
        return { subject: 'x', scopes: new Set() }
      },
    }
    await createTokenRouter({ jwts }).verify('e30.e30.x', { signal })
    assert.is(seen, signal)
  })
})
