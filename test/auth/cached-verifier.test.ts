import { randomUUID } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as assert from 'uvu/assert'
import type { Identity, TokenVerifier } from '../../src/auth/authorizer.ts'
import { createCachedVerifier } from '../../src/auth/cached-verifier.ts'
import { createIntrospectionVerifier } from '../../src/auth/introspection-verifier.ts'
import { ScoreError } from '../../src/core/errors.ts'
import { failure } from '../objects/score-house.ts'
import { suite } from '../support/suite.ts'

function counting(identity: (token: string) => Identity): TokenVerifier & { readonly asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    async verify(token) {
      asked.push(token)
      return identity(token)
    },
  }
}

const ada = (): Identity => ({ subject: 'ada', scopes: new Set() })

async function heapAfter(work: () => Promise<void>): Promise<number> {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  await work()
  await nextTurn()
  collectGarbage()
  await nextTurn()
  collectGarbage()
  return process.memoryUsage().heapUsed - before
}

suite('auth/cached-verifier', (test) => {
  test('keeps no more identities than it may, the oldest go', async () => {
    const inner = counting(ada)
    const verifier = createCachedVerifier(inner, { maximumEntries: 3, now: () => 0 })
    for (const token of ['a', 'b', 'c', 'd', 'd', 'c', 'b', 'a']) await verifier.verify(token)
    assert.equal(inner.asked, ['a', 'b', 'c', 'd', 'a'])
  })

  test('zero seconds keeps nothing', async () => {
    const inner = counting(ada)
    const verifier = createCachedVerifier(inner, { cacheSeconds: 0 })
    await verifier.verify('a')
    await verifier.verify('a')
    assert.is(inner.asked.length, 2)
  })

  test('never past the end of the token', async () => {
    let time = 1000
    const inner = counting(() => ({ ...ada(), expiresAt: 5000 }))
    const verifier = createCachedVerifier(inner, { now: () => time })
    for (time of [1000, 4999, 5000, 5001]) await verifier.verify('a')
    assert.is(inner.asked.length, 3)
  })

  test('the time counts from the question, not from a late answer', async () => {
    let time = 0
    const inner: TokenVerifier = {
      async verify() {
        time += 59_000
        return ada()
      },
    }
    const verifier = createCachedVerifier(inner, { now: () => time })
    await verifier.verify('a')
    time += 1000
    await verifier.verify('a')
    assert.is(time, 119_000)
  })

  for (const options of [{ cacheSeconds: 61 }, { cacheSeconds: -1 }, { cacheSeconds: Number.NaN }, { maximumEntries: 0 }])
    test(`refused: ${JSON.stringify(options)}`, async () =>
      assert.is(
        await Promise.resolve()
          .then(() => createCachedVerifier(counting(ada), options))
          .catch((error: ScoreError) => error.code),
        'invalid-configuration',
      ))

  test('10,000 random tokens that are refused leave memory flat', async () => {
    const verifier = createCachedVerifier({
      verify: async () => {
        throw new ScoreError('unauthenticated', 'no')
      },
    })
    const flood = async (times = 10_000): Promise<void> => {
      for (let n = 0; n < times; n++) await failure(verifier.verify(randomUUID()))
    }
    await flood(1000)
    const grown = await heapAfter(flood)
    assert.ok(grown < 200_000, `${grown} bytes more`)
  })

  test('random tokens that are taken keep what the cache may hold', async () => {
    const answer = async () => Response.json({ user_id: 'ada', scope: [] })
    const verifier = createIntrospectionVerifier({
      url: 'https://ego.test',
      dialect: 'ego',
      clientId: 'a',
      clientSecret: 'b',
      maximumEntries: 100,
      fetch: answer,
    })
    const flood = async (): Promise<void> => {
      for (let n = 0; n < 500; n++) {
        await verifier.verify(randomUUID())
        // What was fetched is freed between turns of the event loop only.
        if (n % 50 === 0) await nextTurn()
      }
    }
    await flood()
    const grown = await heapAfter(async () => {
      for (let n = 0; n < 3; n++) await flood()
    })
    assert.ok(grown < 500_000, `${grown} bytes more`)
  })
})
