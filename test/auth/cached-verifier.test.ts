import { randomUUID } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as assert from 'uvu/assert'
import type { Identity, TokenVerifier } from '../../src/auth/authorizer.ts'
import { createCachedVerifier } from '../../src/auth/cached-verifier.ts'
import { ScoreError } from '../../src/core/errors.ts'
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

async function heapUsed(): Promise<number> {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  for (let turn = 0; turn < 3; turn++) {
    await nextTurn()
    collectGarbage()
  }
  return process.memoryUsage().heapUsed
}

/** Bytes that the heap grows in the calmest of some rounds: what leaks grows it in every one. */
async function growthPerRound(round: () => Promise<void>): Promise<number> {
  const growths: number[] = []
  await round()
  for (let n = 0; n < 3; n++) {
    const before = await heapUsed()
    await round()
    growths.push((await heapUsed()) - before)
  }
  return Math.min(...growths)
}

async function flood(verifier: TokenVerifier): Promise<void> {
  for (let n = 0; n < 3000; n++) await verifier.verify(randomUUID()).catch((error: Error) => assert.is(error.message, 'no'))
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

  test('thousands of random tokens that are refused leave memory flat', async () => {
    const verifier = createCachedVerifier({
      verify: async () => {
        throw new ScoreError('unauthenticated', 'no')
      },
    })
    const grown = await growthPerRound(() => flood(verifier))
    assert.ok(grown < 200_000, `${grown} bytes more with each 3000 tokens`)
  })

  test('thousands of random tokens that are taken keep what the cache may hold', async () => {
    const verifier = createCachedVerifier(
      { verify: async () => ({ subject: randomUUID(), scopes: new Set([randomUUID()]) }) },
      { maximumEntries: 100 },
    )
    const grown = await growthPerRound(() => flood(verifier))
    assert.ok(grown < 200_000, `${grown} bytes more with each 3000 tokens`)
  })
})
