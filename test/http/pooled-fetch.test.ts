import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import * as assert from 'uvu/assert'
import { isScoreError } from '../../src/core/errors.ts'
import { createHttpClient } from '../../src/http/http-client.ts'
import { createPooledFetch } from '../../src/http/pooled-fetch.ts'
import { startForwardProxy } from '../support/forward-proxy.ts'
import { suite } from '../support/suite.ts'

interface Context {
  url: string
  seen: IncomingMessage[]
  /** What the service does next. */
  act: (request: IncomingMessage, response: ServerResponse) => void
  connections: number
  close: () => Promise<void>
}

suite<Context>('http/pooled-fetch', (test) => {
  test.beforeEach(async (context) => {
    Object.assign(context, { seen: [], connections: 0 })
    const server = createServer((request, response) => {
      context.seen.push(request)
      context.act(request, response)
    })
    server.on('connection', () => {
      context.connections++
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    context.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    context.close = async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  })
  test.afterEach((context) => context.close())
  const clientOf = ({ url }: Context) => createHttpClient({ baseUrl: url, fetch: createPooledFetch(), retry: { attempts: 1 } })

  test('questions one after the other share connections, path and query as they are', async (context) => {
    context.act = (_request, response) => response.end('{"a":"ü"}')
    const client = clientOf(context)
    for (let asked = 0; asked < 20; asked++) assert.equal(await client.json({ path: "/a%2Fb//'", query: [['q', 'ü {}']] }), { a: 'ü' })
    // The next may begin before the last has left its connection.
    assert.ok(context.connections <= 3, String(context.connections))
    assert.equal(
      context.seen.map(({ url }) => url),
      Array.from({ length: 20 }, () => "/a%2Fb//'?q=%C3%BC%20%7B%7D"),
    )
    assert.is(context.seen[0]?.headers.accept, 'application/json')
  })

  const bodies = {
    identity: Buffer.from('"x"'),
    gzip: gzipSync('"x"'),
    'x-gzip': gzipSync('"x"'),
    deflate: deflateSync('"x"'),
    br: brotliCompressSync('"x"'),
  }
  for (const [encoding, body] of Object.entries(bodies)) {
    test(`a body that comes as ${encoding}, though none was asked for, is read`, async (context) => {
      context.act = (_request, response) => response.writeHead(200, { 'content-encoding': encoding }).end(body)
      assert.is(await clientOf(context).json({ path: '/' }), 'x')
      assert.is(context.seen[0]?.headers['accept-encoding'], 'identity')
    })
  }

  test('answers of all kinds: without a body, failures, other places, several headers of a name', async (context) => {
    const fetcher = createPooledFetch()
    const ask = (method = 'GET') => fetcher(new Request(`${context.url}/x#y`, { method, redirect: 'manual' }))
    for (const status of [200, 204, 304, 302, 404, 503]) {
      context.act = (_request, response) => response.writeHead(status, { location: '/y', 'set-cookie': ['a=1', 'b=2'] }).end()
      const answer = await ask()
      assert.is(answer.status, status)
      assert.is(await answer.text(), '')
      assert.is(answer.headers.get('location'), '/y')
      assert.equal(answer.headers.getSetCookie(), ['a=1', 'b=2'])
    }
    context.act = (_request, response) => response.writeHead(200, { 'content-length': '5', 'content-encoding': 'gzip' }).end()
    assert.is((await ask('HEAD')).headers.get('content-length'), '5')
    assert.equal(context.seen.map(({ method, url }) => `${method} ${url}`).slice(-2), ['GET /x', 'HEAD /x'])
  })

  test('what has a body, and what leaves redirects to fetch, goes by fetch', async (context) => {
    context.act = async (request, response) => {
      if (request.url === '/from') return void response.writeHead(302, { location: '/to' }).end()
      let text = ''
      for await (const piece of request) text += piece
      response.end(JSON.stringify(`${request.method} ${request.url} ${text}`))
    }
    assert.is(await clientOf(context).json({ method: 'PUT', path: '/', json: { a: 1 } }), 'PUT / {"a":1}')
    assert.is(await (await createPooledFetch()(`${context.url}/from`)).json(), 'GET /to ')
  })

  test('an answer that is cut is unavailable, and one that does not come in time', async (context) => {
    context.act = (_request, response) => {
      response.writeHead(200, { 'content-length': '100' })
      response.write('{"a":', () => response.socket?.destroy())
    }
    const cut = await clientOf(context)
      .json({ path: '/' })
      .catch((error: unknown) => error)
    assert.ok(isScoreError(cut, 'unavailable'), String(cut))
    context.act = () => undefined
    const late = await clientOf(context)
      .json({ path: '/', timeoutSeconds: 0.2 })
      .catch((error: unknown) => error)
    assert.ok(isScoreError(late, 'unavailable') && /did not answer within 0\.2 s/.test(late.message), String(late))
  })

  test('an abort ends a question with its reason', async (context) => {
    const stop = new AbortController()
    const reason = new Error('enough')
    context.act = () => stop.abort(reason)
    const outcome = await clientOf(context)
      .json({ path: '/' }, { signal: stop.signal })
      .catch((error: unknown) => error)
    assert.is(outcome, reason)
  })

  test('a proxy that wants a password, for http', async () => {
    const proxy = await startForwardProxy({ hosts: {}, credentials: 'ann:secret' })
    const fetcher = createPooledFetch({ proxies: { http: proxy.url.replace(/\/\/.*@/, '//') } })
    const error = await createHttpClient({ baseUrl: 'http://score.test', fetch: fetcher, retry: { attempts: 1 } })
      .text({ path: '/' })
      .catch((thrown: unknown) => thrown)
    await proxy.close()
    assert.ok(isScoreError(error, 'invalid-configuration') && /wants a user and password/.test(error.message), String(error))
  })
})
