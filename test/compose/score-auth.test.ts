import * as assert from 'uvu/assert'
import { createScoreAuth } from '../../src/compose/score-auth.ts'
import { readServerConfig, type ServerConfigInput } from '../../src/compose/server-config.ts'
import { makeKey, makeToken, testTime } from '../auth/token-maker.ts'
import { createTestCatalogue, failure, ids } from '../objects/score-house.ts'
import { suite } from '../support/suite.ts'

const rsa = makeKey('rsa')
const elliptic = makeKey('elliptic', 'ES256')
const apiKey = '6a9b1c5e-7d3f-4e2a-9b8c-0d1e2f3a4b5c'
const opaque = 'an-opaque-token-of-an-oidc-server'

/** What the identity provider was asked: the form's fields. */
interface Asked {
  readonly fields: Readonly<Record<string, string>>
  readonly contentType: string
}

const base: Readonly<Record<string, string>> = {
  'spring.profiles.active': 'secure',
  'score.data': '/nowhere',
  'auth.server.url': 'https://issuer.test/introspect',
  'auth.server.clientSecret': 'hush',
  'spring.security.oauth2.resourceserver.jwt.jwk-set-uri': 'https://issuer.test/jwks',
}

/** The same settings in each place where they can stand. */
const places: Readonly<Record<string, (settings: Readonly<Record<string, string>>) => ServerConfigInput>> = {
  environment: (settings) => ({
    env: Object.fromEntries(
      Object.entries(settings).map(([key, value]) => [key.replace(/\./g, '_').replace(/-/g, '').toUpperCase(), value]),
    ),
  }),
  'a file': (settings) => ({
    env: {},
    files: [
      {
        path: 'score.yml',
        text: Object.entries(settings)
          .map(([key, value]) => `${key}: '${value}'\n`)
          .join(''),
      },
    ],
  }),
}

async function open(input: ServerConfigInput) {
  const { config, findings } = await readServerConfig(input)
  assert.equal(
    findings.filter(({ severity }) => severity === 'error'),
    [],
  )
  const asked: Asked[] = []
  const answer: typeof fetch = async (address, init) => {
    const request = new Request(address, init)
    if (request.url.endsWith('/jwks')) return Response.json({ keys: [rsa.jwk, elliptic.jwk] })
    const contentType = request.headers.get('content-type') ?? ''
    const fields = Object.fromEntries([...(await request.formData())].map(([name, value]) => [name, String(value)]))
    asked.push({ fields, contentType })
    return Response.json({ active: true, user_id: 'ada', sub: 'ada', aud: ['score'], scope: ['score.READ'] })
  }
  const auth = createScoreAuth(config, { metadata: createTestCatalogue(), fetch: answer, now: () => testTime })
  const decide = async (token: string): Promise<string> =>
    auth.authorizer.authorize({ token, action: 'download', objectId: ids.a }).then(
      () => 'yes',
      async (error: unknown) => (await failure(Promise.reject(error))).code,
    )
  return { asked, decide }
}

interface Case {
  readonly name: string
  readonly settings: Readonly<Record<string, string>>
  /** Tokens, and what becomes of them. */
  readonly decisions: () => Promise<readonly (readonly [token: string, decision: string])[]>
  /** Name of the field in which the provider was given the token, and how the form came; absent: it was not asked. */
  readonly field?: string
  readonly form?: RegExp
}

const jwt = 'spring.security.oauth2.resourceserver.jwt'
const esToken = () => makeToken(elliptic, { header: { alg: 'ES256' } })
const cases: readonly Case[] = [
  {
    name: 'by default UUIDs go to Ego, in the field of the original',
    settings: {},
    decisions: async () => [
      [apiKey, 'yes'],
      [opaque, 'unauthenticated'],
    ],
    field: 'apiToken',
    form: /^multipart\/form-data/,
  },
  {
    name: 'the field has another name',
    settings: { 'auth.server.tokenName': 'apiKey' },
    decisions: async () => [[apiKey, 'yes']],
    field: 'apiKey',
    form: /^multipart\/form-data/,
  },
  {
    name: 'RFC 7662: the standard’s field, and every token that is no JWT',
    settings: { 'score.introspection-dialect': 'rfc7662' },
    decisions: async () => [
      [opaque, 'yes'],
      [await makeToken(rsa), 'yes'],
    ],
    field: 'token',
    form: /^application\/x-www-form-urlencoded/,
  },
  {
    name: 'RFC 7662 with a field of its own, for UUIDs alone',
    settings: { 'score.introspection-dialect': 'rfc7662', 'score.api-key-form': 'uuid', 'auth.server.tokenName': 'access' },
    decisions: async () => [
      [opaque, 'unauthenticated'],
      [apiKey, 'yes'],
    ],
    field: 'access',
  },
  {
    name: 'RFC 7662: the audience counts',
    settings: { 'score.introspection-dialect': 'rfc7662', [`${jwt}.audiences`]: 'somebody,else' },
    decisions: async () => [[opaque, 'unauthenticated']],
    field: 'token',
  },
  {
    name: 'Ego’s dialect for opaque tokens',
    settings: { 'score.api-key-form': 'not-a-jwt' },
    decisions: async () => [[opaque, 'yes']],
    field: 'apiToken',
  },
  {
    name: 'one of several audiences',
    settings: { [`${jwt}.audiences`]: 'other, score' },
    decisions: async () => [
      [await makeToken(rsa), 'yes'],
      [await makeToken(rsa, { claims: { aud: 'third' } }), 'unauthenticated'],
    ],
  },
  {
    name: 'RS256 alone by default',
    settings: {},
    decisions: async () => [
      [await makeToken(rsa), 'yes'],
      [await esToken(), 'unauthenticated'],
    ],
  },
  ...[`${jwt}.jws-algorithms`, `${jwt}.jws-algorithm`].map((name) => ({
    name: `another way of signing, as ${name}`,
    settings: { [name]: 'ES256' },
    decisions: async () =>
      [
        [await esToken(), 'yes'],
        [await makeToken(rsa), 'unauthenticated'],
      ] as const,
  })),
  {
    name: 'several ways of signing; the plural wins',
    settings: { [`${jwt}.jws-algorithms`]: 'RS256, ES256', [`${jwt}.jws-algorithm`]: 'PS512' },
    decisions: async () => [
      [await esToken(), 'yes'],
      [await makeToken(rsa), 'yes'],
    ],
  },
  {
    name: 'scopes in another claim, and only there',
    settings: { 'score.scope-claims': 'realm_access.roles, https://example\\.org/scopes' },
    decisions: async () => [
      [await makeToken(rsa), 'access-denied'],
      [await makeToken(rsa, { claims: { realm_access: { roles: ['score.READ'] } } }), 'yes'],
      [await makeToken(rsa, { claims: { 'https://example.org/scopes': 'score.READ' } }), 'yes'],
      [await makeToken(rsa, { claims: { scope: 'score.READ' } }), 'access-denied'],
    ],
  },
]

suite('compose/score-auth', (test) => {
  for (const [place, inputOf] of Object.entries(places))
    for (const { name, settings, decisions, field, form } of cases)
      test(`${place}: ${name}`, async () => {
        const { asked, decide } = await open(inputOf({ ...base, ...settings }))
        for (const [token, expected] of await decisions()) assert.is(await decide(token), expected, token.slice(0, 40))
        if (field === undefined) return
        assert.ok(asked.length > 0)
        for (const { fields, contentType } of asked) {
          assert.ok(Object.hasOwn(fields, field), Object.keys(fields).join())
          assert.not.ok(Object.hasOwn(fields, ''))
          if (form) assert.match(contentType, form)
        }
      })

  const refused: readonly (readonly [setting: string, value: string, says: RegExp])[] = [
    [`${jwt}.jws-algorithms`, 'RS256,HS256', /must be some of RS256, /],
    [`${jwt}.jws-algorithm`, 'none', /must be one of RS256, /],
    ['score.introspection-dialect', 'oauth', /must be one of ego, keycloak, rfc7662/],
    ['score.api-key-form', 'any', /must be one of uuid, not-a-jwt/],
  ]
  for (const [place, inputOf] of Object.entries(places))
    for (const [setting, value, says] of refused)
      test(`${place}: ${setting} is not ${value}`, async () => {
        const { findings } = await readServerConfig(inputOf({ ...base, [setting]: value }))
        const errors = findings.filter(({ severity }) => severity === 'error').map(({ message }) => message)
        assert.is(errors.length, 1)
        assert.match(errors[0] as string, says)
      })
})
