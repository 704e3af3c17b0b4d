import { randomUUID } from 'node:crypto'
import * as assert from 'uvu/assert'
import type { AccessRequest } from '../../src/auth/authorizer.ts'
import { createIntrospectionVerifier } from '../../src/auth/introspection-verifier.ts'
import { createJwtVerifier } from '../../src/auth/jwt-verifier.ts'
import { defaultScopePolicy, type ScopePolicy } from '../../src/auth/scope-policy.ts'
import { createStudyAuthorizer } from '../../src/auth/study-authorizer.ts'
import { createTokenRouter } from '../../src/auth/token-router.ts'
import { createUmaVerifier } from '../../src/auth/uma-verifier.ts'
import { createTestCatalogue, failure } from '../objects/score-house.ts'
import { suite } from '../support/suite.ts'
import { makeKey, makeToken, testTime } from './token-maker.ts'

/**
 * The policy, once, as a table: which scope is enough for what. `own` is the study of the object, spelled as it is; `own in
 * another case` the same in the other case. What no row names is refused.
 */
type Grant = 'system' | 'system in another case' | 'own' | 'own in another case'
const enough: Readonly<Record<string, readonly Grant[]>> = {
  upload: ['system', 'system in another case', 'own', 'own in another case'],
  download: ['system', 'system in another case', 'own', 'own in another case'],
  list: ['system', 'system in another case'],
  'catalogue-write': ['system', 'own'],
}
/** What anyone may do, by the object's access; a word that is neither open nor controlled is nobody's, but the system's. */
const accessWords = {
  open: 'free',
  OPEN: 'free',
  controlled: 'guarded',
  CONTROLLED: 'guarded',
  '': 'guarded',
  null: 'guarded',
  secret: 'odd',
} as const
const needToken = new Set(['list', 'catalogue-write', 'identify'])

type Kind = 'anonymous' | 'jwt' | 'api key' | 'uma' | 'bad jwt' | 'bad api key'
/** Of the others no scope is ever read. */
const tokensWithScopes = { jwt: true, 'api key': true, uma: true }
const kinds: readonly Kind[] = ['anonymous', 'jwt', 'api key', 'uma', 'bad jwt', 'bad api key']
const actions = ['upload', 'download', 'list', 'catalogue-write', 'identify'] as const
const study = 'ABC123'
const otherStudy = 'ABC1234'

const policies: Readonly<Record<string, ScopePolicy>> = {
  'the defaults': defaultScopePolicy,
  'no prefix, as Keycloak’s permissions': {
    upload: { system: 'score.WRITE', study: { prefix: '', suffix: '.WRITE' } },
    download: { system: 'score.READ', study: { prefix: '', suffix: '.READ' } },
    catalogue: { system: 'song.WRITE', study: { prefix: '', suffix: '.WRITE' } },
  },
}

interface Scope {
  readonly text: string
  /** Rights, and how it gives them. */
  readonly grants: readonly (readonly [right: keyof ScopePolicy, grant: Grant])[]
}

const swapCase = (text: string): string => (text === text.toLowerCase() ? text.toUpperCase() : text.toLowerCase())

function scopesOf(policy: ScopePolicy): readonly Scope[] {
  const texts = new Map<string, (readonly [keyof ScopePolicy, Grant])[]>([['', []]])
  const add = (text: string, right?: keyof ScopePolicy, grant?: Grant): void => {
    const grants = texts.get(text) ?? []
    texts.set(text, right && grant ? [...grants, [right, grant]] : grants)
  }
  for (const right of ['upload', 'download', 'catalogue'] as const) {
    const { system, study: name } = policy[right]
    const own = `${name.prefix}${study}${name.suffix}`
    add(system, right, 'system')
    add(swapCase(system), right, 'system in another case')
    add(own, right, 'own')
    add(swapCase(own), right, 'own in another case')
    for (const near of [`${name.prefix}${otherStudy}${name.suffix}`, `${name.prefix}*${name.suffix}`, `${own} `, `x${own}`, `${own}.DENY`])
      add(near)
  }
  return [...texts].map(([text, grants]) => ({ text, grants }))
}

const rightOf = { upload: 'upload', download: 'download', list: 'download', 'catalogue-write': 'catalogue' } as const

function expectedOf(kind: Kind, action: AccessRequest['action'], scope: Scope, access: keyof typeof accessWords): string {
  if (kind.startsWith('bad')) return 'unauthenticated'
  if (kind === 'anonymous' && needToken.has(action)) return 'unauthenticated'
  if (action === 'identify') return 'yes'
  const held = kind === 'anonymous' ? [] : scope.grants.filter(([right]) => right === rightOf[action]).map(([, grant]) => grant)
  const granted = held.filter((grant) => enough[action]?.includes(grant))
  if (granted.some((grant) => grant.startsWith('system'))) return 'yes'
  if (action === 'download' && accessWords[access] === 'free') return 'yes'
  if (action === 'download' && accessWords[access] === 'odd') return 'invalid-request'
  return granted.length > 0 ? 'yes' : 'access-denied'
}

const issuer = 'https://issuer.test'
const key = makeKey('one')
const stranger = makeKey('one')
const badApiKey = '00000000-0000-4000-8000-000000000000'

/** Every verifier there is, over one issuer that gives the scopes which the test has set. */
function verifiers(scope: () => string) {
  const now = () => testTime
  const answer: typeof fetch = async (input, init) => {
    const request = new Request(input, init)
    if (request.url.endsWith('/jwks')) return Response.json({ keys: [key.jwk] })
    if (request.url.endsWith('/token')) {
      const [, rsname, permission] = /^(.*)\.([^.]*)$/.exec(scope()) ?? []
      return rsname === undefined
        ? Response.json({ error: 'access_denied' }, { status: 403 })
        : Response.json([{ rsname, scopes: [permission] }])
    }
    const bad = (await request.formData()).get('apiKey') === badApiKey
    return bad ? Response.json({ error: 'unknown' }, { status: 401 }) : Response.json({ user_id: 'ada', exp: 9, scope: [scope()] })
  }
  const asked = { fetch: answer, now, retry: { attempts: 1 } }
  const jwts = createJwtVerifier({ ...asked, keys: { jwksUrl: `${issuer}/jwks` }, issuer, audience: 'score' })
  const apiKeys = createIntrospectionVerifier({ ...asked, url: `${issuer}/check`, dialect: 'ego', clientId: 'a', clientSecret: 'b' })
  return {
    plain: createTokenRouter({ jwts, apiKeys }),
    uma: createTokenRouter({ jwts: createUmaVerifier(jwts, { ...asked, realmUrl: issuer, clientId: 'score' }), apiKeys }),
  }
}

/** Another token for each scope, since verifiers remember what a token may do. */
async function tokenOf(kind: Kind, scope: string): Promise<string | undefined> {
  if (kind === 'anonymous') return undefined
  if (kind === 'api key') return randomUUID()
  if (kind === 'bad api key') return badApiKey
  // Of UMA the permissions count: what the token itself says must not.
  const inToken = kind === 'uma' ? ['score.READ', 'score.WRITE', 'song.WRITE'] : [scope]
  return makeToken(kind === 'bad jwt' ? stranger : key, { claims: { jti: scope, context: { scope: inToken } } })
}

const objectId = 'aaaaaaaa-0000-4000-8000-000000000000'
const about = { upload: { objectId }, download: { objectId }, list: {}, 'catalogue-write': { study }, identify: {} } as const
const cases = (Object.keys(accessWords) as (keyof typeof accessWords)[]).flatMap((access) =>
  actions.map((action) => [access, action] as const),
)

async function decision(answer: Promise<unknown>): Promise<string> {
  return answer.then(
    () => 'yes',
    async () => (await failure(answer)).code,
  )
}

suite('auth: the policy, every combination', (test) => {
  for (const [name, policy] of Object.entries(policies))
    for (const kind of kinds)
      test(`${kind}, ${name}`, async () => {
        let current = ''
        const { plain, uma } = verifiers(() => current)
        const metadata = createTestCatalogue()
        const authorizer = createStudyAuthorizer({ verifier: kind === 'uma' ? uma : plain, metadata, policy })
        let compared = 0
        for (const scope of scopesOf(policy).slice(0, kind in tokensWithScopes ? undefined : 1)) {
          current = scope.text
          const token = await tokenOf(kind, scope.text)
          for (const [access, action] of cases) {
            metadata.rows.set(objectId, { objectId, analysisId: 'AN-1', study, access, fileName: 'x.bam' })
            const got = await decision(authorizer.authorize({ token, action, ...about[action] }))
            const expected = expectedOf(kind, action, scope, access)
            assert.is(got, expected, `${action}, access '${access}', scope '${scope.text}': ${got}, not ${expected}`)
            compared += 1
          }
        }
        assert.is(compared >= 700, kind in tokensWithScopes, String(compared))
      })

  test('an entity without study is given to nobody but the system', async () => {
    const metadata = createTestCatalogue()
    metadata.rows.set(objectId, { objectId, analysisId: 'AN-1', study: '', access: 'controlled', fileName: 'x.bam' })
    const { plain } = verifiers(() => 'PROGRAMDATA-ABC123.READ')
    const authorizer = createStudyAuthorizer({ verifier: plain, metadata })
    const token = await makeToken(key, { claims: { context: { scope: ['PROGRAMDATA-ABC123.READ', 'PROGRAMDATA-.READ'] } } })
    assert.is((await failure(authorizer.authorize({ token, action: 'download', objectId }))).code, 'access-denied')
    await authorizer.authorize({ token: await makeToken(key), action: 'download', objectId })
  })
})
