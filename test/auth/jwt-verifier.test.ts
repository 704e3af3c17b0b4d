import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JWTPayload } from 'jose'
import { delay, HttpResponse, http } from 'msw'
import { setupServer } from 'msw/node'
import * as assert from 'uvu/assert'
import type { TokenVerifier } from '../../src/auth/authorizer.ts'
import { createJwtVerifier, type JwtVerifierOptions } from '../../src/auth/jwt-verifier.ts'
import { failure } from '../objects/score-house.ts'
import { suite } from '../support/suite.ts'
import {
  confusedToken,
  criticalToken,
  goodClaims,
  makeKey,
  makeToken,
  type SigningKey,
  seconds,
  testTime,
  unsignedToken,
} from './token-maker.ts'

const key = makeKey('one')
const second = makeKey('two')
const stranger = makeKey('one')
const jwksUrl = 'https://issuer.test/jwks'
const now = () => testTime
const checked = { keys: { jwksUrl }, issuer: 'https://issuer.test', audience: 'score', retry: { attempts: 1 }, now }

/** What the issuer publishes; tests change it. */
let published: readonly SigningKey[] = [key]
let reads = 0
const jwks = () =>
  http.get(jwksUrl, () => {
    reads += 1
    return HttpResponse.json({ keys: published.map(({ jwk }) => jwk) })
  })
const server = setupServer(jwks())

async function refusal(verifier: TokenVerifier, token: string, code = 'unauthenticated'): Promise<string> {
  const error = await failure(verifier.verify(token))
  assert.is(error.code, code, error.message)
  assert.not.ok(error.message.includes(token.slice(0, 20)), 'the message tells the token')
  return error.message
}

type Trouble = readonly [what: string, token: () => Promise<string> | string, why: RegExp, options?: Partial<JwtVerifierOptions>]

const troubles: readonly Trouble[] = [
  ['expired', () => makeToken(key, { claims: { exp: seconds - 61 } }), /run out/],
  ['not yet valid', () => makeToken(key, { claims: { nbf: seconds + 61 } }), /not valid yet/],
  ['without end', () => makeToken(key, { without: ['exp'] }), /when it runs out/],
  ['with an end that is no number', () => makeToken(key, { claims: { exp: 'soon' as never } }), /when it runs out/],
  ['of a wrong issuer', () => makeToken(key, { claims: { iss: 'https://evil.test' } }), /another issuer/],
  ['without issuer', () => makeToken(key, { without: ['iss'] }), /another issuer/],
  ['for another audience', () => makeToken(key, { claims: { aud: ['song', 'SCORE'] } }), /another service/],
  ['without audience', () => makeToken(key, { without: ['aud'] }), /another service/],
  ['with alg none', unsignedToken, /signed in a way/],
  ['HMAC with the public key', () => confusedToken(key), /signed in a way/],
  ['of an algorithm that is not allowed', () => makeToken(key, { header: { alg: 'RS512' } }), /signed in a way/],
  ['of an unknown kid', () => makeToken(second), /none of the issuer/],
  ['with a key of its own along', () => makeToken(second, { header: { jwk: second.jwk } }), /none of the issuer/],
  ['with an address of keys along', () => makeToken(second, { header: { jku: 'https://evil.test/jwks' } }), /none of the issuer/],
  ['signed by a stranger under a known kid', () => makeToken(stranger), /signature is wrong/],
  ['with a critical header nobody knows', () => criticalToken(key), /does not know/],
  ['a JWT made for another purpose', () => makeToken(key, { header: { typ: 'logout+jwt' } }), /another purpose/],
  ['huge', async () => `${await makeToken(key)}${'a'.repeat(32_768)}`, /32768 characters/],
  ['text', () => 'no-token-at-all-1234567890', /well-formed/],
  ['three empty parts', () => `..${' '.repeat(20)}`, /well-formed/],
  ['a body that is no JSON', () => `${'eyJhbGciOiJSUzI1NiJ9'}.${'AAAA'.repeat(6)}.AAAA`, /signature is wrong|well-formed/],
]

const scopeRows: readonly (readonly [what: string, claims: object, scopes: readonly string[], options?: Partial<JwtVerifierOptions>])[] = [
  ['context.scope, as Ego writes it', {}, ['score.READ']],
  ['the standard scope', { context: undefined, scope: 'score.READ  PROGRAMDATA-X.WRITE' }, ['score.READ', 'PROGRAMDATA-X.WRITE']],
  ['both', { scope: 'a.READ' }, ['score.READ', 'a.READ']],
  ['none', { context: undefined }, []],
  ['a context that is odd', { context: ['score.READ'] }, []],
  ['a list of anything but texts', { context: { scope: ['score.READ', 1] } }, []],
  ['a context that is null', { context: null }, []],
  ['a path of the site’s', { realm_access: { roles: ['x.READ'] } }, ['x.READ'], { scopeClaims: [['realm_access', 'roles']] }],
  ['a path to what every object has', {}, [], { scopeClaims: [['constructor', 'name']] }],
]

suite('auth/jwt-verifier: tokens', (test) => {
  test.before(() => server.listen({ onUnhandledRequest: 'error' }))
  test.after(() => server.close())
  test.beforeEach(() => {
    published = [key]
    reads = 0
  })
  test.afterEach(() => server.resetHandlers())

  for (const [what, token, why, options] of troubles)
    test(`refused: ${what}`, async () => assert.match(await refusal(createJwtVerifier({ ...checked, ...options }), await token()), why))

  for (const [what, claims] of [
    ['expired within the skew', { exp: seconds - 59 }],
    ['valid from within the skew', { nbf: seconds + 59 }],
    ['one audience of several', { aud: ['song', 'score'] }],
  ] satisfies (readonly [string, JWTPayload])[])
    test(`taken: ${what}`, async () => {
      const identity = await createJwtVerifier(checked).verify(await makeToken(key, { claims }))
      assert.is(identity.subject, 'ada')
    })

  test('an identity: subject, scopes, end', async () => {
    const expected = { subject: 'ada', scopes: new Set(['score.READ']), expiresAt: testTime + 300_000 }
    assert.equal(await createJwtVerifier(checked).verify(await makeToken(key, { header: { typ: 'at+jwt' } })), expected)
  })

  for (const [what, claims, scopes, options] of scopeRows)
    test(`scopes: ${what}`, async () => {
      const identity = await createJwtVerifier({ ...checked, ...options }).verify(await makeToken(key, { claims: claims as never }))
      assert.equal([...identity.scopes], scopes)
    })

  test('without sub the client is the subject', async () => {
    const verifier = createJwtVerifier(checked)
    assert.is((await verifier.verify(await makeToken(key, { without: ['sub'], claims: { azp: 'cli' } }))).subject, 'cli')
  })

  test('other algorithms where they are allowed', async () => {
    const elliptic = makeKey('curve', 'ES256')
    published = [key, elliptic]
    const verifier = createJwtVerifier({ ...checked, algorithms: ['ES256'] })
    await verifier.verify(await makeToken(elliptic, { header: { alg: 'ES256' } }))
    await refusal(verifier, await makeToken(key))
  })

  test('a token that names no key is tried with each that fits', async () => {
    published = [second, key, makeKey('curve', 'ES256')]
    const verifier = createJwtVerifier(checked)
    await verifier.verify(await makeToken(key, { header: { kid: undefined } }))
    assert.match(await refusal(verifier, await makeToken(stranger, { header: { kid: undefined } })), /signature is wrong/)
  })
})

suite('auth/jwt-verifier: set up', (test) => {
  test('what is not checked is warned of', () => {
    assert.equal(createJwtVerifier(checked).warnings, [])
    const { warnings } = createJwtVerifier({ keys: { jwksUrl: 'http://issuer.test/jwks' } })
    assert.is(warnings.length, 3)
    assert.match(warnings.join('\n'), /iss.*\n.*aud.*\n.*TLS/)
    assert.equal(createJwtVerifier({ ...checked, keys: { jwksUrl: 'http://127.0.0.1:1/jwks' } }).warnings, [])
  })

  for (const [what, options, why] of [
    ['HS256', { algorithms: ['HS256'] }, /HS256.*public key/],
    ['none', { algorithms: ['none'] }, /none.*public key/],
    ['no algorithm', { algorithms: [] }, /no algorithm/],
    ['no address', { keys: { jwksUrl: 'issuer/jwks' } }, /not an address/],
    ['a password in the address', { keys: { jwksUrl: 'https://u:p@issuer.test/jwks' } }, /user or password/],
    ['a file as address', { keys: { jwksUrl: 'file:///keys' } }, /must look like/],
    ['a cache of an hour', { cacheSeconds: 3600 }, /0 to 60/],
  ] as const)
    test(`refused at start: ${what}`, () => assert.throws(() => createJwtVerifier({ ...checked, ...options } as JwtVerifierOptions), why))
})

suite('auth/jwt-verifier: keys', (test) => {
  let folder = ''
  let time = testTime
  const clock = { now: () => time }
  test.before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'score-jwt-'))
    server.listen({ onUnhandledRequest: 'error' })
  })
  test.after(async () => {
    server.close()
    await rm(folder, { recursive: true })
  })
  test.beforeEach(() => {
    published = [key]
    reads = 0
    time = testTime
  })
  test.afterEach(() => server.resetHandlers())
  const longLived = { claims: { exp: seconds + 100_000 } }

  test('many tokens at one time read the keys once, and later ones not at all', async () => {
    const verifier = createJwtVerifier({ ...checked, ...clock })
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, index) => makeToken(key, { claims: { jti: String(index) } })))
    await Promise.all(tokens.map((token) => verifier.verify(token)))
    await verifier.verify(await makeToken(key))
    assert.is(reads, 1)
  })

  test('unknown kids read the keys once in a cool-down', async () => {
    const verifier = createJwtVerifier({ ...checked, ...clock })
    await verifier.verify(await makeToken(key))
    const flood = () =>
      Promise.all(Array.from({ length: 50 }, async (_, n) => refusal(verifier, await makeToken(second, { claims: { jti: `${n}` } }))))
    await flood()
    assert.is(reads, 1)
    time += 30_000
    await flood()
    assert.is(reads, 2)
  })

  test('a rotated key works without a restart; one that was taken away does not', async () => {
    const verifier = createJwtVerifier({ ...checked, ...clock })
    await verifier.verify(await makeToken(key, longLived))
    published = [second]
    time += 31_000
    await verifier.verify(await makeToken(second, longLived))
    await verifier.verify(await makeToken(key, longLived))
    time += 60_000
    await refusal(verifier, await makeToken(key, longLived))
  })

  test('keys that grew old in idle hours are read again before they judge', async () => {
    const verifier = createJwtVerifier({ ...checked, ...clock })
    await verifier.verify(await makeToken(key, longLived))
    published = [second]
    time += 1_200_000
    await refusal(verifier, await makeToken(key, longLived))
  })

  test('JWKS down at start is nobody’s token: 503, and it mends itself', async () => {
    server.use(http.get(jwksUrl, () => HttpResponse.error()))
    const verifier = createJwtVerifier({ ...checked, ...clock })
    const token = await makeToken(key)
    await refusal(verifier, token, 'unavailable')
    server.resetHandlers()
    await refusal(verifier, token, 'unavailable')
    assert.is(reads, 0, 'a provider that is down is left alone for a moment')
    time += 5000
    await verifier.verify(token)
  })

  test('JWKS down later: known keys go on for an hour, unknown ones cannot be judged', async () => {
    const verifier = createJwtVerifier({ ...checked, ...clock })
    await verifier.verify(await makeToken(key, longLived))
    server.use(http.get(jwksUrl, () => new HttpResponse('down', { status: 500 })))
    time += 601_000
    await verifier.verify(await makeToken(key, longLived))
    time += 6000
    await refusal(verifier, await makeToken(second, longLived), 'unavailable')
    time += 3_600_000
    await refusal(verifier, await makeToken(key, longLived), 'unavailable')
  })

  test('in an outage nobody waits for the provider, and its return is noticed', async () => {
    const verifier = createJwtVerifier({ ...checked, ...clock, cacheSeconds: 0 })
    const token = await makeToken(key, longLived)
    await verifier.verify(token)
    server.use(http.get(jwksUrl, () => new HttpResponse('down', { status: 500 })))
    time += 601_000
    await verifier.verify(token)
    let release = (): void => undefined
    let arrived = (): void => undefined
    const asked = new Promise<void>((resolve) => {
      arrived = resolve
    })
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    server.use(
      http.get(jwksUrl, async () => {
        arrived()
        await held
        return HttpResponse.json({ keys: [second.jwk] })
      }),
    )
    time += 6000
    await verifier.verify(token)
    await asked
    await verifier.verify(token)
    release()
    await verifier.verify(await makeToken(second, longLived))
    await refusal(verifier, token)
  })

  for (const [what, answer, code] of [
    ['a web page', () => HttpResponse.html('<html>login</html>'), 'unavailable'],
    ['no key set', () => HttpResponse.json({ keys: 'none' }), 'unavailable'],
    ['a redirect', () => HttpResponse.redirect('https://evil.test/jwks'), 'invalid-configuration'],
    ['404', () => new HttpResponse('', { status: 404 }), 'invalid-request'],
    ['a private key of weak size', () => HttpResponse.json({ keys: [{ ...key.jwk, n: 'AQAB' }] }), 'invalid-configuration'],
  ] as const)
    test(`JWKS answers with ${what}: ${code}`, async () => {
      server.use(http.get(jwksUrl, answer))
      await refusal(createJwtVerifier(checked), await makeToken(key), code)
    })

  test('JWKS that never answers: 503 after the time limit, and an aborted caller leaves at once', async () => {
    server.use(http.get(jwksUrl, () => delay('infinite')))
    const verifier = createJwtVerifier({ ...checked, timeoutSeconds: 0.2 })
    const leave = new AbortController()
    const token = await makeToken(key)
    const aborted = verifier.verify(token, { signal: leave.signal })
    const waiting = refusal(verifier, token, 'unavailable')
    leave.abort(new Error('gone'))
    assert.is(await aborted.catch((error: Error) => error.message), 'gone')
    assert.match(await waiting, /did not answer within 0.2 s/)
  })

  test('a key in PEM by file, whatever the token calls it, and its rotation', async () => {
    const publicKeyFile = join(folder, 'key.pem')
    await writeFile(publicKeyFile, key.pem)
    const verifier = createJwtVerifier({ ...checked, ...clock, keys: { publicKeyFile } })
    await verifier.verify(await makeToken(key, longLived))
    await verifier.verify(await makeToken({ ...key, kid: 'other-name' }, longLived))
    await writeFile(publicKeyFile, second.pem)
    await refusal(verifier, await makeToken(second, longLived))
    time += 31_000
    await verifier.verify(await makeToken(second, longLived))
  })

  test('a key in PEM by URL, as Ego shows it', async () => {
    server.use(http.get('https://ego.test/oauth/token/public_key', () => HttpResponse.text(key.pem)))
    const verifier = createJwtVerifier({ ...checked, keys: { publicKeyUrl: 'https://ego.test/oauth/token/public_key' } })
    await verifier.verify(await makeToken(key))
    await refusal(verifier, await makeToken(stranger))
    assert.match(await refusal(verifier, confusedToken(key)), /signed in a way/)
  })

  for (const [what, text, why] of [
    ['no PEM', 'hello', /no public key/],
    ['a private key', key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), /private key/],
  ] as const)
    test(`a key file with ${what} is named`, async () => {
      const publicKeyFile = join(folder, `${what}.pem`)
      await writeFile(publicKeyFile, text)
      const message = await refusal(
        createJwtVerifier({ ...checked, keys: { publicKeyFile } }),
        await makeToken(key),
        'invalid-configuration',
      )
      assert.match(message, why)
      assert.not.match(message, /MII/)
    })

  test('a key file that is missing is named', async () => {
    const verifier = createJwtVerifier({ ...checked, keys: { publicKeyFile: join(folder, 'missing') } })
    assert.match(await refusal(verifier, await makeToken(key), 'invalid-configuration'), /missing cannot be read/)
  })

  test('an issuer that describes another one is not believed', async () => {
    const url = 'https://issuer.test/.well-known/openid-configuration'
    server.use(http.get(url, () => HttpResponse.json({ issuer: 'https://evil.test', jwks_uri: jwksUrl })))
    const verifier = createJwtVerifier({ keys: { issuerUrl: 'https://issuer.test' }, now })
    assert.match(await refusal(verifier, await makeToken(key), 'unavailable'), /does not describe the issuer/)
    assert.is(goodClaims.iss, 'https://issuer.test')
  })
})
