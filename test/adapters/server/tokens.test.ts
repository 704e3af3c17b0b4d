import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { createScoreServer } from '../../../adapters/server/index.ts'
import { createJwtVerifier, createStudyAuthorizer, type EmbeddedScore, openEmbeddedScore } from '../../../src/index.ts'
import { confusedToken, makeKey, makeToken, seconds, testTime, unsignedToken } from '../../auth/token-maker.ts'
import { suite } from '../../support/suite.ts'

const key = makeKey('one')
let issuerIsDown = false
let later = 0

const verifier = createJwtVerifier({
  keys: { jwksUrl: 'https://issuer.test/jwks' },
  issuer: 'https://issuer.test',
  audience: 'score',
  fetch: async () => (issuerIsDown ? new Response('down', { status: 500 }) : Response.json({ keys: [key.jwk] })),
  retry: { attempts: 1 },
  now: () => testTime + later,
})

interface Answer {
  readonly status: number
  readonly challenge: string
  readonly body: string
}

const publish = '/studies/DEMO/analysis/publish/none'
const scoped = (...scope: string[]) => makeToken(key, { claims: { context: { scope } } })

type Row = readonly [what: string, path: string, headers: () => Promise<string[]> | string[], status: number, challenge: RegExp]
const bearer = async (token: Promise<string>, scheme = 'Bearer') => [`${scheme} ${await token}`]

const rows: readonly Row[] = [
  ['a JWT', '/profile', () => bearer(scoped()), 200, /^$/],
  ['a lower-case scheme', '/profile', () => bearer(scoped(), 'bearer'), 200, /^$/],
  ['nothing', '/profile', () => [], 401, /^Bearer$/],
  ['two Authorization headers', '/profile', async () => [`Bearer ${await scoped()}`, 'Bearer x'], 401, /invalid_token/],
  [
    'two equal Authorization headers',
    '/profile',
    async () => [`Bearer ${await scoped()}`, `Bearer ${await scoped()}`],
    401,
    /invalid_token/,
  ],
  ['two tokens in one header', '/profile', async () => [`Bearer ${await scoped()}, Bearer ${await scoped()}`], 401, /invalid_token/],
  ['an expired JWT', '/profile', () => bearer(makeToken(key, { claims: { exp: seconds - 61 } })), 401, /invalid_token/],
  ['alg none', '/profile', () => [`Bearer ${unsignedToken()}`], 401, /invalid_token/],
  ['HMAC with the public key', '/profile', () => [`Bearer ${confusedToken(key)}`], 401, /invalid_token/],
  ['a huge token', '/profile', () => [`Bearer ${'a'.repeat(40_000)}`], 401, /invalid_token/],
  ['a token larger than any header', '/profile', () => [`Bearer ${'a'.repeat(80_000)}`], 431, /^$/],
  ['the right to the study', publish, () => bearer(scoped('PROGRAMDATA-DEMO.WRITE')), 404, /^$/],
  ['the right to another study', publish, () => bearer(scoped('PROGRAMDATA-OTHER.WRITE')), 403, /insufficient_scope/],
]

suite('adapters/server: tokens', (test) => {
  let folder = ''
  let url = ''
  const server = createScoreServer<EmbeddedScore>(
    (publicUrl) =>
      openEmbeddedScore({ dataDir: folder, publicUrl, authorizer: ({ metadata }) => createStudyAuthorizer({ verifier, metadata }) }),
    { port: 0 },
  )
  test.before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'score-tokens-'))
    const listening = await server.listen()
    url = listening.url
  })
  test.after(async () => {
    await server.close()
    await rm(folder, { recursive: true })
  })

  const get = (path: string, authorization: string[]) =>
    new Promise<Answer>((resolve, reject) => {
      const headers = authorization.length === 0 ? {} : { authorization: authorization as never }
      const method = path === publish ? 'PUT' : 'GET'
      const sent = request(`${url}${path}`, { method, headers }, (answer) => {
        let body = ''
        answer.on('data', (text: Buffer) => {
          body += text
        })
        answer.on('end', () => resolve({ status: answer.statusCode ?? 0, challenge: answer.headers['www-authenticate'] ?? '', body }))
      })
      sent.on('error', reject)
      sent.end()
    })

  test('keys that cannot be had are 503, not 401', async () => {
    issuerIsDown = true
    const answer = await get('/profile', await bearer(scoped()))
    issuerIsDown = false
    later = 5000
    assert.equal([answer.status, answer.challenge], [503, ''])
  })

  for (const [what, path, headers, status, challenge] of rows)
    test(`${what} on ${path}: ${status}`, async () => {
      const answer = await get(path, await headers())
      assert.is(answer.status, status, answer.body)
      assert.match(answer.challenge, challenge)
    })
})
