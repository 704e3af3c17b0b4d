import { createHmac, generateKeyPairSync } from 'node:crypto'
import { SignJWT } from 'jose'
import { type AuthStandIn, egoToken, type TokenWish } from './auth-stand-in.ts'

/** Who asks, by what stands in the `Authorization` headers. */
export interface Caller {
  readonly name: string
  /** Made for each request: some tokens are good, or bad, for seconds. */
  authorization(): Promise<readonly string[]>
}

export const ownStudy = 'ABC123'
export const otherStudy = 'TEST-CA'
export const systemScopes = ['score.READ', 'score.WRITE']

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')

interface ApiKeyRow {
  readonly name: string
  readonly body?: Readonly<Record<string, unknown>>
  readonly status?: number
}

const keyAnswer = (scope: unknown): Readonly<Record<string, unknown>> => ({ user_id: 'ada', client_id: 'score', exp: 3600, scope })

const apiKeys: readonly ApiKeyRow[] = [
  { name: 'API key, system scopes', body: keyAnswer(systemScopes) },
  { name: 'API key, scopes of the study', body: keyAnswer([`PROGRAMDATA-${ownStudy}.READ`, `PROGRAMDATA-${ownStudy}.WRITE`]) },
  { name: 'API key, answered with 200', body: keyAnswer(systemScopes), status: 200 },
  { name: 'API key without scopes', body: keyAnswer([]) },
  { name: 'API key whose scope is null', body: keyAnswer(null) },
  { name: 'API key that nobody knows' },
  { name: 'API key that has run out', body: { ...keyAnswer(systemScopes), exp: 0 } },
  { name: 'API key that was revoked', body: { ...keyAnswer(systemScopes), revoked: true } },
  { name: 'API key that is not valid', body: { ...keyAnswer(systemScopes), valid: false } },
  { name: 'API key with an error beside its scopes', body: { ...keyAnswer(systemScopes), error: 'no' } },
  { name: 'API key while Ego is broken', body: {}, status: 500 },
]

const bearer = (name: string, mint: () => Promise<string> | string): Caller => ({
  name,
  authorization: async () => [`Bearer ${await mint()}`],
})

const literal = (name: string, ...authorization: readonly string[]): Caller => ({ name, authorization: async () => authorization })

/** JWTs as Ego gives them, with other scopes. */
function scopeCallers(auth: AuthStandIn): readonly Caller[] {
  const rows: readonly (readonly [name: string, wish: TokenWish])[] = [
    ['system scopes', { scopes: systemScopes }],
    ['system scope to read', { scopes: ['score.READ'] }],
    ['system scope to write', { scopes: ['score.WRITE'] }],
    ['study scope to read', { scopes: [`PROGRAMDATA-${ownStudy}.READ`] }],
    ['study scope to write', { scopes: [`PROGRAMDATA-${ownStudy}.WRITE`] }],
    ['scopes of another study', { scopes: [`PROGRAMDATA-${otherStudy}.READ`, `PROGRAMDATA-${otherStudy}.WRITE`] }],
    ['scopes in other letters', { scopes: ['SCORE.read', `programdata-${ownStudy.toLowerCase()}.write`] }],
    ['a scope with a blank behind it', { scopes: ['score.READ '] }],
    ['no scope', { scopes: [] }],
    ['scopes of another service', { scopes: ['song.WRITE', 'song.READ'] }],
    ['a scope that denies', { scopes: ['score.DENY'] }],
    ['a text for its scopes', { scopes: [], claims: { context: { scope: 'score.READ score.WRITE' } } }],
    ['null for its scopes', { scopes: [], claims: { context: { scope: null } } }],
    ['no context', { scopes: [], claims: { context: undefined } }],
    ['the standard scope alone', { scopes: [], claims: { context: undefined, scope: 'score.READ score.WRITE' } }],
    ['an audience', { scopes: systemScopes, claims: { aud: 'somebody-else' } }],
    ['another issuer', { scopes: systemScopes, claims: { iss: 'somebody-else' } }],
    ['run out 10 minutes ago', { scopes: systemScopes, expiresIn: -600 }],
    ['run out 2 s ago', { scopes: systemScopes, expiresIn: -2 }],
    ['valid in 10 minutes', { scopes: systemScopes, notBefore: 600 }],
    ['valid in 20 s', { scopes: systemScopes, notBefore: 20 }],
  ]
  return rows.map(([name, wish]) => bearer(name, () => auth.token(wish)))
}

/** JWTs that are not signed as they should be, or no JWTs at all. */
async function forgedCallers(auth: AuthStandIn): Promise<readonly Caller[]> {
  const strangerKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const claims = { sub: 'ada', exp: Math.floor(Date.now() / 1000) + 3600, context: { scope: systemScopes } }
  const signed = (alg: string, payload: Readonly<Record<string, unknown>>): Promise<string> =>
    new SignJWT(payload).setProtectedHeader({ alg, typ: 'JWT' }).sign(auth.privateKey)
  const [header = '', , signature = ''] = (await signed('RS256', claims)).split('.')
  const shared = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`
  const rows: readonly (readonly [name: string, mint: () => Promise<string> | string])[] = [
    ['no end', () => signed('RS256', { ...claims, exp: undefined })],
    ['signed with RS512', () => signed('RS512', claims)],
    ['signed with PS256', () => signed('PS256', claims)],
    ['signed with another key', () => egoToken(strangerKey, { scopes: systemScopes })],
    ['not signed', () => `${encode({ alg: 'none', typ: 'JWT' })}.${encode(claims)}.`],
    [
      'signed with the public key as a secret',
      () => `${shared}.${createHmac('sha256', auth.publicKeyPem).update(shared).digest('base64url')}`,
    ],
    ['changed after it was signed', () => `${header}.${encode({ ...claims, sub: 'eve' })}.${signature}`],
    ['no JWT', () => 'abc'],
    ['no JWT, but three parts', () => 'a.b.c'],
  ]
  return rows.map(([name, mint]) => bearer(name, mint))
}

/** One good token in headers of other forms. */
async function headerCallers(auth: AuthStandIn): Promise<readonly Caller[]> {
  const good = await auth.token({ scopes: systemScopes })
  return [
    literal('nobody'),
    literal('bearer in small letters', `bearer ${good}`),
    literal('BEARER in capitals', `BEARER ${good}`),
    literal('another scheme', `Basic ${Buffer.from('ada:secret').toString('base64')}`),
    literal('a token without scheme', good),
    literal('a scheme without token', 'Bearer '),
    literal('two headers', `Bearer ${good}`, `Bearer ${good}`),
    literal('two tokens in one header', `Bearer ${good} ${good}`),
  ]
}

/** Tokens of every kind that a server meets. */
export async function callersOf(auth: AuthStandIn): Promise<readonly Caller[]> {
  for (const { name, body, status } of apiKeys)
    if (body !== undefined) auth.setApiKey(apiKeyOf(name), { body, ...(status === undefined ? {} : { status }) })
  return [
    ...scopeCallers(auth),
    ...(await forgedCallers(auth)),
    ...apiKeys.map(({ name }) => bearer(name, () => apiKeyOf(name))),
    ...(await headerCallers(auth)),
  ]
}

/** The same for the same name, as a UUID: that is how a server knows an API key. */
function apiKeyOf(name: string): string {
  const index = apiKeys.findIndex((row) => row.name === name)
  return `6a9b1c5e-7d3f-4e2a-9b8c-${index.toString(16).padStart(12, '0')}`
}
