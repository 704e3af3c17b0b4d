import * as assert from 'uvu/assert'
import { createHttpClient } from '../../src/http/http-client.ts'
import { createRenewingToken, type TimedToken } from '../../src/http/renewing-token.ts'
import { failure } from '../objects/score-house.ts'
import { suite } from '../support/suite.ts'

/** A service that takes one token at a time, and an issuer that gives t1, t2, … */
function world(options: { readonly lifeMs?: number; readonly most?: number } = {}) {
  const { lifeMs, most = Number.POSITIVE_INFINITY } = options
  const state = { time: 0, good: 't1', given: 1, sent: [] as string[] }
  const timed = (): TimedToken => ({ token: `t${state.given}`, ...(lifeMs === undefined ? {} : { expiresAt: state.time + lifeMs }) })
  const renew = async (): Promise<TimedToken | undefined> => {
    if (state.given >= most) return undefined
    await new Promise((wake) => setImmediate(wake))
    state.given += 1
    state.good = `t${state.given}`
    return timed()
  }
  const token = createRenewingToken({ first: async () => timed(), renew, now: () => state.time })
  const service: typeof fetch = async (input, init) => {
    const sent = new Request(input, init).headers.get('authorization')?.replace('Bearer ', '') ?? ''
    state.sent.push(sent)
    return sent === state.good ? Response.json({ ok: true }) : new Response(null, { status: 401 })
  }
  return { state, http: createHttpClient({ baseUrl: 'http://score.test', token, fetch: service }) }
}

suite('http/renewing-token', (test) => {
  test('a token that is refused is renewed within the request', async () => {
    const { state, http } = world()
    state.good = 'none of them'
    state.given = 1
    assert.equal(await http.json({ path: '/x' }), { ok: true })
    assert.equal(state.sent, ['t1', 't2'])
  })

  test('a hundred requests whose token dies at once renew it once', async () => {
    const { state, http } = world()
    await http.json({ path: '/first' })
    state.good = 'dead'
    await Promise.all(Array.from({ length: 100 }, (_, at) => http.json({ method: 'POST', path: `/${at}` })))
    assert.is(state.given, 2)
  })

  test('a token is renewed before it runs out', async () => {
    const { state, http } = world({ lifeMs: 60_000 })
    await http.json({ path: '/x' })
    state.time = 29_000
    await http.json({ path: '/x' })
    state.time = 30_000
    await http.json({ path: '/x' })
    assert.equal(state.sent, ['t1', 't1', 't2'])
  })

  test('without another token the refusal stands, after one try', async () => {
    const { state, http } = world({ most: 1 })
    state.good = 'dead'
    assert.is((await failure(http.json({ path: '/x' }))).code, 'unauthenticated')
    assert.equal(state.sent, ['t1'])
  })

  test('a renewed token that is refused too is not renewed for ever', async () => {
    const sent: string[] = []
    let given = 0
    const token = createRenewingToken({ first: async () => ({ token: 'a' }), renew: async () => ({ token: `b${++given}` }) })
    const refuse: typeof fetch = async (input, init) => {
      sent.push(new Request(input, init).headers.get('authorization') ?? '')
      return new Response(null, { status: 401 })
    }
    const http = createHttpClient({ baseUrl: 'http://score.test', token, fetch: refuse })
    assert.is((await failure(http.json({ path: '/x' }))).code, 'unauthenticated')
    assert.equal(sent, ['Bearer a', 'Bearer b1'])
  })

  test('what renewing throws is what the request throws, and the next one tries again', async () => {
    let failing = true
    const token = createRenewingToken({
      first: async () => ({ token: 'a' }),
      renew: async () => {
        if (failing) throw new Error('the issuer is down')
        return { token: 'b' }
      },
    })
    const service: typeof fetch = async (input, init) =>
      new Request(input, init).headers.get('authorization') === 'Bearer b' ? Response.json(1) : new Response(null, { status: 401 })
    const http = createHttpClient({ baseUrl: 'http://score.test', token, fetch: service })
    assert.is(await http.json({ path: '/x' }).catch((error: Error) => error.message), 'the issuer is down')
    failing = false
    assert.is(await http.json({ path: '/x' }), 1)
  })
})
