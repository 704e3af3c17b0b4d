import { randomBytes, randomUUID } from 'node:crypto'
import { Agent, request } from 'node:http'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as assert from 'uvu/assert'
import { createScoreServer } from '../../adapters/server/index.ts'
import { createIntrospectionVerifier } from '../../src/auth/introspection-verifier.ts'
import { createJwtVerifier } from '../../src/auth/jwt-verifier.ts'
import { createStudyAuthorizer } from '../../src/auth/study-authorizer.ts'
import { createTokenRouter } from '../../src/auth/token-router.ts'
import { createScoreService } from '../../src/objects/score-service.ts'
import { makeKey } from '../auth/token-maker.ts'
import { ids, openHouse } from '../objects/score-house.ts'
import { suite } from '../support/suite.ts'

const key = makeKey('one')
const rounds = 5
const requestsPerRound = 2500

const json = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
/** Of a known key, with a signature that is none. */
const randomJwt = (): string =>
  `${json({ alg: 'RS256', kid: 'one' })}.${json({ sub: randomUUID(), exp: 4e9 })}.${randomBytes(256).toString('base64url')}`
/** One half is good: its issuer knows those that end in an even digit. */
const randomToken = (index: number): string => (index % 2 === 0 ? randomJwt() : randomUUID())

function openVerifier() {
  const answer: typeof fetch = async (input, init) => {
    const asked = new Request(input, init)
    if (asked.url.endsWith('/jwks')) return Response.json({ keys: [key.jwk] })
    const text = String((await asked.formData()).get('apiKey'))
    return /[02468ace]$/.test(text)
      ? Response.json({ user_id: text, exp: 3600, scope: ['score.READ'] })
      : Response.json({}, { status: 401 })
  }
  const asked = { fetch: answer, retry: { attempts: 1 } }
  return createTokenRouter({
    jwts: createJwtVerifier({ ...asked, keys: { jwksUrl: 'https://issuer.test/jwks' } }),
    apiKeys: createIntrospectionVerifier({
      ...asked,
      url: 'https://issuer.test/check',
      dialect: 'ego',
      clientId: 'a',
      clientSecret: 'b',
      maximumEntries: 300,
    }),
  })
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

suite('slow: random tokens', (test) => {
  test('ten thousand requests with random tokens from random addresses leave memory flat', async () => {
    const house = await openHouse()
    const authorizer = createStudyAuthorizer({ verifier: openVerifier(), metadata: house.catalogue })
    const service = createScoreService({ backend: house.store, layout: house.layout, metadata: house.catalogue, authorizer })
    const server = createScoreServer({ service }, { port: 0, trustProxy: true, throttle: { remembered: 300 } })
    const { url } = await server.listen()
    const agent = new Agent({ keepAlive: true, maxSockets: 8 })
    const statuses = new Map<number, number>()
    const ask = (index: number): Promise<void> =>
      new Promise((resolve, reject) => {
        const forwarded = `203.0.${index % 250}.${randomBytes(1)[0]}`
        const headers = { authorization: `Bearer ${randomToken(index)}`, 'x-forwarded-for': forwarded }
        const sent = request(`${url}/download/${ids.a}?offset=0&length=-1`, { agent, headers }, (answer) => {
          const status = answer.statusCode ?? 0
          statuses.set(status, (statuses.get(status) ?? 0) + 1)
          answer.resume().on('end', resolve)
        })
        sent.on('error', reject).end()
      })
    const heaps: number[] = []
    try {
      for (let round = 0; round < rounds; round++) {
        for (let at = 0; at < requestsPerRound; at += 50)
          await Promise.all(Array.from({ length: 50 }, (_, index) => ask(round * requestsPerRound + at + index)))
        collectGarbage()
        heaps.push(process.memoryUsage().heapUsed)
      }
    } finally {
      agent.destroy()
      await server.close({ deadlineSeconds: 1 })
    }
    // Three quarters are no good; what is good is of an analysis that is not published.
    assert.ok((statuses.get(401) ?? 0) > 8000, JSON.stringify([...statuses]))
    assert.ok((statuses.get(400) ?? 0) > 2000, JSON.stringify([...statuses]))
    // The first round fills what is bounded and warms up; the calmest of the others tells what a request leaves behind.
    const growth = heaps.slice(1).map((heap, index) => heap - (heaps[index] as number))
    assert.ok(Math.min(...growth) < 200_000, `bytes more with each ${requestsPerRound} requests: ${growth.join(', ')}`)
  })
})
