import Koa from 'koa'
import * as assert from 'uvu/assert'
import { type FailedAuthenticationOptions, throttleFailedAuthentications } from '../../../adapters/server/index.ts'
import { isScoreError, ScoreError } from '../../../src/index.ts'
import { suite } from '../../support/suite.ts'

interface Door {
  /** Knocks with a credential from an address. @returns whether the verifier was asked, and what was answered. */
  knock(address: string, credential: string): Promise<{ readonly asked: boolean; readonly status: number; readonly retryAfter?: string }>
  later(seconds: number): void
}

/** A verifier that knows one token behind the throttle, both without a network. */
function openDoor(options: FailedAuthenticationOptions = {}, refusal: 'throws' | 'answers' = 'throws'): Door {
  let now = 1_000_000
  const throttle = throttleFailedAuthentications({ failures: 3, windowSeconds: 60, now: () => now, ...options })
  return {
    async knock(address, credential) {
      let asked = false
      const headers: Record<string, string> = {}
      const ctx = {
        ip: address,
        status: 200,
        get: () => credential,
        set: (name: string, value: string) => {
          headers[name] = value
        },
      }
      try {
        await throttle(ctx as unknown as Koa.Context, async () => {
          asked = true
          if (credential === 'Bearer good') return
          if (refusal === 'throws') throw new ScoreError('unauthenticated', 'no')
          ctx.status = 401
        })
      } catch (error) {
        if (!isScoreError(error, 'unauthenticated')) throw error
        ctx.status = 401
      }
      const retryAfter = headers['Retry-After']
      return { asked, status: ctx.status, ...(retryAfter === undefined ? {} : { retryAfter }) }
    },
    later(seconds) {
      now += seconds * 1000
    },
  }
}

const stranger = '203.0.113.7'

suite('failed authentications', (test) => {
  for (const refusal of ['throws', 'answers'] as const)
    test(`a credential that failed three times is answered 401 without being looked at, until the window ends (${refusal})`, async () => {
      const door = openDoor({}, refusal)
      for (let times = 0; times < 3; times++) assert.equal(await door.knock(stranger, 'Bearer bad'), { asked: true, status: 401 })
      door.later(10)
      assert.equal(await door.knock(stranger, 'Bearer bad'), { asked: false, status: 401, retryAfter: '50' })
      door.later(51)
      assert.equal(await door.knock(stranger, 'Bearer bad'), { asked: true, status: 401 })
    })

  test('others are not touched: another credential, another address, one without, and good ones ever', async () => {
    const door = openDoor()
    for (let times = 0; times < 5; times++) await door.knock(stranger, 'Bearer bad')
    assert.ok((await door.knock(stranger, 'Bearer other')).asked)
    assert.ok((await door.knock('203.0.113.8', 'Bearer bad')).asked)
    for (let times = 0; times < 9; times++) {
      assert.equal(await door.knock(stranger, 'Bearer good'), { asked: true, status: 200 })
      assert.ok((await door.knock(stranger, '')).asked)
    }
  })

  for (const address of ['127.0.0.1', '127.3.2.1', '::1', '::ffff:127.0.0.1'])
    test(`never on loopback: ${address}`, async () => {
      const door = openDoor()
      for (let times = 0; times < 9; times++) assert.ok((await door.knock(address, 'Bearer bad')).asked)
    })

  test('an address that tries one credential after the other is no longer looked at, but for those that were good', async () => {
    const door = openDoor({ addressFailures: 20 })
    assert.ok((await door.knock(stranger, 'Bearer good')).asked)
    for (let other = 0; other < 20; other++) assert.ok((await door.knock(stranger, `Bearer ${other}`)).asked)
    door.later(20)
    assert.equal(await door.knock(stranger, 'Bearer 21'), { asked: false, status: 401, retryAfter: '40' })
    assert.equal(await door.knock(stranger, 'Bearer good'), { asked: true, status: 200 })
    assert.equal(await door.knock(stranger, ''), { asked: true, status: 401 })
    assert.ok((await door.knock('203.0.113.8', 'Bearer 21')).asked)
    door.later(41)
    assert.ok((await door.knock(stranger, 'Bearer 21')).asked)
  })

  test('of IPv6 a subscriber’s whole network counts as one address', async () => {
    const door = openDoor({ addressFailures: 4 })
    for (const address of ['2001:db8:1:2::1', '2001:db8:1:2:ffff::', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::'])
      await door.knock(address, 'Bearer bad')
    assert.not.ok((await door.knock('2001:db8:1:2:9::9', 'Bearer other')).asked)
    assert.ok((await door.knock('2001:db8:1:3::1', 'Bearer other')).asked)
    assert.ok((await door.knock('2001:db8::1', 'Bearer other')).asked)
  })

  test('the oldest are forgotten, so memory is bounded', async () => {
    const door = openDoor({ remembered: 100, addressFailures: 1000 })
    for (let times = 0; times < 3; times++) await door.knock(stranger, 'Bearer bad')
    assert.not.ok((await door.knock(stranger, 'Bearer bad')).asked)
    for (let other = 0; other < 99; other++) await door.knock(stranger, `Bearer ${other}`)
    assert.not.ok((await door.knock(stranger, 'Bearer bad')).asked)
    await door.knock(stranger, 'Bearer one more')
    assert.ok((await door.knock(stranger, 'Bearer bad')).asked)
  })

  test('an address from X-Forwarded-For is the one the proxy wrote, not what the client claims', () => {
    // As createScoreServer makes its app with trustProxy; loopback could be claimed otherwise.
    const app = new Koa({ proxy: true, maxIpsCount: 1 })
    const request = { headers: { 'x-forwarded-for': '127.0.0.1, 203.0.113.7' }, socket: {} }
    assert.is(app.createContext(request as never, {} as never).ip, '203.0.113.7')
  })
})
