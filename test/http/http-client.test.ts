import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as assert from 'uvu/assert'
import { isScoreError, type ProblemCode, ScoreError } from '../../src/core/errors.ts'
import { createHttpClient, type HttpClientOptions, pathOf } from '../../src/http/http-client.ts'
import { parseRetryAfter } from '../../src/http/retry-after.ts'
import { suite } from '../support/suite.ts'

type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void

interface Peer {
  readonly url: string
  readonly requests: {
    readonly method: string
    readonly url: string
    readonly headers: IncomingMessage['headers']
    readonly body: string
  }[]
  close(): Promise<void>
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of request) body += chunk
  return body
}

async function startPeer(answer: Answer): Promise<Peer> {
  const requests: Peer['requests'] = []
  const server: Server = createServer(async (request, response) => {
    const body = await bodyOf(request)
    requests.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body })
    answer(request, response, requests.length)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function withPeer(answer: Answer, body: (peer: Peer) => Promise<void>): Promise<void> {
  const peer = await startPeer(answer)
  try {
    await body(peer)
  } finally {
    await peer.close()
  }
}

const fast = { attempts: 3, baseDelayMs: 1, maximumDelayMs: 2 }

async function failure(work: Promise<unknown>): Promise<ScoreError> {
  try {
    await work
  } catch (error) {
    assert.ok(isScoreError(error), `not a ScoreError: ${error instanceof Error ? error.stack : String(error)}`)
    return error
  }
  throw new Error('resolved, a failure was expected')
}

const json: Answer = (_request, response) => response.setHeader('content-type', 'application/json').end('{"ok":true}')

suite('http client', (test) => {
  test('keeps the prefix of the base URL, encodes ids and values, and says who it is', () =>
    withPeer(json, async (peer) => {
      const http = createHttpClient({ baseUrl: `${peer.url}/storage-api//`, token: 'secret', userAgent: 'test/1' })
      const id = 'a/b?c#d é'
      const answer = await http.json({
        path: pathOf`/upload/${id}/status`,
        query: [
          ['a b', 'x&y+z'],
          ['n', 5],
          ['none', undefined],
        ],
      })
      assert.equal(answer, { ok: true })
      const [request] = peer.requests
      assert.is(request?.url, '/storage-api/upload/a%2Fb%3Fc%23d%20%C3%A9/status?a%20b=x%26y%2Bz&n=5')
      assert.is(request?.headers.authorization, 'Bearer secret')
      assert.is(request?.headers['user-agent'], 'test/1')
      assert.is(request?.headers.accept, 'application/json')
    }))

  test('refuses ids that would leave the path', () => {
    for (const id of ['', '.', '..']) assert.throws(() => pathOf`/entities/${id}`, /cannot be a name or id/)
  })

  test('refuses addresses that are none', () => {
    for (const baseUrl of ['', 'score.example.org', 'ftp://x', 'http://x/?a=1', 'http://'])
      assert.throws(
        () => createHttpClient({ baseUrl }),
        (error: unknown) => isScoreError(error, 'invalid-configuration'),
      )
    assert.throws(
      () => createHttpClient({ baseUrl: 'https://jo:hush@x' }),
      (error: unknown) => isScoreError(error, 'invalid-configuration') && !/jo|hush/.test(error.message),
    )
  })

  test('asks for the token before each try', () =>
    withPeer(
      (request, response, count) => (count < 3 ? response.writeHead(503).end() : json(request, response, count)),
      async (peer) => {
        let issued = 0
        const http = createHttpClient({ baseUrl: peer.url, retry: fast, token: async () => `t${++issued}` })
        await http.json({ path: '/x' })
        assert.equal(
          peer.requests.map((request) => request.headers.authorization),
          ['Bearer t1', 'Bearer t2', 'Bearer t3'],
        )
      },
    ))

  test('sends no token when there is none, and none that no header can carry', () =>
    withPeer(json, async (peer) => {
      await createHttpClient({ baseUrl: peer.url, token: '' }).json({ path: '/x' })
      assert.is(peer.requests[0]?.headers.authorization, undefined)
      const error = await failure(createHttpClient({ baseUrl: peer.url, token: 'sec\nret' }).json({ path: '/x' }))
      assert.is(error.code, 'unauthenticated')
      assert.not.match(error.message, /sec|ret\b/)
    }))

  const statuses: readonly [
    status: number,
    headers: Record<string, string>,
    body: string,
    code: ProblemCode,
    tries: number,
    text: RegExp,
  ][] = [
    [400, {}, '{"message":"bad size"}', 'invalid-request', 1, /status 400: bad size/],
    [401, {}, '', 'unauthenticated', 1, /token was refused/],
    [403, { 'content-type': 'text/plain' }, 'no scope', 'access-denied', 1, /access denied \(no scope\)/],
    [404, {}, '', 'invalid-request', 1, /status 404: no explanation/],
    [429, {}, '', 'unavailable', 3, /status 429/],
    [500, {}, '{"error":"Internal Server Error"}', 'unavailable', 3, /Internal Server Error/],
    [502, { 'content-type': 'text/html' }, '<html><title>Bad gateway</title>', 'unavailable', 3, /web page.*proxy/],
    [503, {}, '', 'unavailable', 3, /status 503/],
    [403, {}, '{"message":"see http://s/x?X-Amz-Signature=abc Bearer xyz"}', 'access-denied', 1, /see http:\/\/s\/x\?…/],
  ]
  for (const [status, headers, body, code, tries, text] of statuses)
    test(`status ${status} with '${body.slice(0, 24)}' is ${code} after ${tries} tries`, () =>
      withPeer(
        (_request, response) => response.writeHead(status, headers).end(body),
        async (peer) => {
          const http = createHttpClient({ baseUrl: peer.url, token: 'secret', retry: fast })
          const error = await failure(http.json({ path: '/x' }))
          assert.is(error.code, code)
          assert.match(error.message, text)
          assert.match(error.message, peer.url)
          assert.not.match(error.message, /secret|abc|xyz/)
          assert.is(peer.requests.length, tries)
        },
      ))

  test('repeats what may be repeated, a POST only when told that it may', () =>
    withPeer(
      (_request, response) => response.writeHead(503).end(),
      async (peer) => {
        const http = createHttpClient({ baseUrl: peer.url, retry: fast })
        const tries = async (request: Parameters<typeof http.json>[0]): Promise<number> => {
          const before = peer.requests.length
          await failure(http.json(request))
          return peer.requests.length - before
        }
        assert.is(await tries({ path: '/x', method: 'PUT' }), 3)
        assert.is(await tries({ path: '/x', method: 'DELETE' }), 3)
        assert.is(await tries({ path: '/x', method: 'POST', json: { a: 1 } }), 1)
        assert.is(await tries({ path: '/x', method: 'POST', idempotent: true }), 3)
        assert.is(await tries({ path: '/x', retry: { attempts: 2 } }), 2)
      },
    ))

  test('waits as long as it is asked to, and tells before', () =>
    withPeer(
      (request, response, count) => (count === 1 ? response.writeHead(503, { 'retry-after': '0' }).end() : json(request, response, count)),
      async (peer) => {
        const notices: string[] = []
        const http = createHttpClient({
          baseUrl: peer.url,
          retry: fast,
          onRetry: ({ attempt, waitMs, error }) => notices.push(`${attempt} ${error.retryAfterSeconds} ${waitMs <= 1000}`),
        })
        await http.json({ path: '/x' })
        assert.equal(notices, ['1 0 true'])
      },
    ))

  test('reads Retry-After in seconds and as a date', () => {
    const now = Date.parse('2026-05-04T10:00:00Z')
    assert.is(parseRetryAfter('17', now), 17)
    assert.is(parseRetryAfter('Mon, 04 May 2026 10:00:30 GMT', now), 30)
    assert.is(parseRetryAfter('Mon, 04 May 2026 09:00:00 GMT', now), 0)
    for (const text of [null, '', 'soon', '-5', '1.5']) assert.is(parseRetryAfter(text, now), undefined, String(text))
  })

  test('the meaning that a request gives to an answer comes first', () =>
    withPeer(
      (_request, response) => response.writeHead(404).end('{"errorId":"x"}'),
      async (peer) => {
        const http = createHttpClient({ baseUrl: peer.url, errorOf: () => new ScoreError('object-not-found', 'client') })
        assert.is((await failure(http.json({ path: '/x' }))).message, 'client')
        const errorOf = () => new ScoreError('entity-not-found', 'request')
        assert.is((await failure(http.json({ path: '/x', errorOf }))).message, 'request')
      },
    ))

  const notJson: readonly [what: string, headers: Record<string, string>, body: string, text: RegExp][] = [
    [
      'a proxy page',
      { 'content-type': 'text/html' },
      '<!doctype html><title>Sign in</title>',
      /web page instead of JSON.*proxy or a login page/,
    ],
    ['a page that calls itself JSON', { 'content-type': 'application/json' }, '<html>', /web page/],
    ['nothing', {}, '', /empty body/],
    ['half of it', { 'content-type': 'application/json' }, '{"a":', /something else/],
  ]
  for (const [what, headers, body, text] of notJson)
    test(`an answer that is ${what} is told, once`, () =>
      withPeer(
        (_request, response) => response.writeHead(200, headers).end(body),
        async (peer) => {
          const error = await failure(createHttpClient({ baseUrl: peer.url, retry: fast }).json({ path: '/x' }))
          assert.is(error.code, 'unavailable')
          assert.match(error.message, text)
          assert.is(peer.requests.length, 1)
        },
      ))

  test('text is given as it is, a web page never', () =>
    withPeer(
      (request, response) => response.end(request.url === '/page' ? '<html>' : 's3\n'),
      async (peer) => {
        const http = createHttpClient({ baseUrl: peer.url })
        assert.is(await http.text({ path: '/profile' }), 's3\n')
        assert.is((await failure(http.text({ path: '/page' }))).code, 'unavailable')
      },
    ))

  test('follows a redirect to the same origin with the token, to another without', () =>
    withPeer(json, (other) =>
      withPeer(
        (request, response, count) => {
          if (request.url === '/here') response.writeHead(302, { location: '/there' }).end()
          else if (request.url === '/away') response.writeHead(307, { location: `${other.url}/landed` }).end()
          else json(request, response, count)
        },
        async (peer) => {
          const http = createHttpClient({ baseUrl: peer.url, token: 'secret' })
          await http.json({ path: '/here' })
          assert.is(peer.requests[1]?.headers.authorization, 'Bearer secret')
          await http.json({ path: '/away' })
          assert.is(other.requests[0]?.url, '/landed')
          assert.is(other.requests[0]?.headers.authorization, undefined)
        },
      ),
    ))

  test('does not send a write on, and does not go in circles', () =>
    withPeer(
      (_request, response) => response.writeHead(301, { location: '/x?token=abc' }).end(),
      async (peer) => {
        const http = createHttpClient({ baseUrl: peer.url, retry: fast })
        const write = await failure(http.json({ path: '/x', method: 'POST', json: {} }))
        assert.is(write.code, 'invalid-configuration')
        assert.match(write.message, /sends on to .*\/x.* set that as the address/)
        assert.not.match(write.message, /abc/)
        assert.is(peer.requests.length, 1)
        const circle = await failure(http.json({ path: '/x' }))
        assert.match(circle.message, /in circles/)
        assert.is(peer.requests.length, 7)
      },
    ))

  test('a service that is not there is told with its address and the way out', async () => {
    const peer = await startPeer(json)
    await peer.close()
    const error = await failure(
      createHttpClient({ baseUrl: peer.url, retry: { attempts: 1 } }).json({ path: '/x', query: [['token', 'abc']] }),
    )
    assert.is(error.code, 'unavailable')
    assert.match(error.message, /cannot reach http:\/\/127\.0\.0\.1:\d+\/x\?…: nothing listens there.*ECONNREFUSED/)
    assert.not.match(error.message, /abc/)
  })

  test('an address on a port that fetch refuses is an error at once', async () => {
    for (const port of [9, 6000]) {
      let repeats = 0
      const http = createHttpClient({ baseUrl: `http://127.0.0.1:${port}`, onRetry: () => void repeats++ })
      const error = await failure(http.json({ path: '/x' }))
      assert.is(error.code, 'invalid-configuration')
      assert.match(error.message, new RegExp(`^http://127\\.0\\.0\\.1:${port}/x is on a port that no HTTP client may ask`))
      assert.is(repeats, 0)
    }
  })

  const networkFailures: readonly [what: string, cause: object, text: RegExp, tries: number][] = [
    ['an unknown host', { code: 'ENOTFOUND' }, /no such host.*spelling/, 3],
    ['a certificate of its own', { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }, /self-signed.*NODE_EXTRA_CA_CERTS/, 1],
    ['a certificate that ran out', { code: 'CERT_HAS_EXPIRED' }, /expired/, 1],
    ['a connection cut', { code: 'ECONNRESET' }, /cut/, 3],
    ['something else', { message: 'Bearer abc broke' }, /Bearer …/, 3],
  ]
  for (const [what, cause, text, tries] of networkFailures)
    test(`${what} is explained`, async () => {
      let count = 0
      const fetch: HttpClientOptions['fetch'] = async () => {
        count++
        throw new TypeError('fetch failed', { cause: Object.assign(new Error('inner'), cause) })
      }
      const error = await failure(createHttpClient({ baseUrl: 'https://song.example', fetch, retry: fast }).json({ path: '/x' }))
      assert.is(error.code, 'unavailable')
      assert.match(error.message, text)
      assert.match(error.message, 'https://song.example/x')
      assert.is(count, tries)
    })

  for (const stalled of ['headers', 'body'] as const)
    test(`an answer whose ${stalled} do not come is given up`, () =>
      withPeer(
        (_request, response) => {
          if (stalled === 'body') response.writeHead(200, { 'content-length': '100' }).write('{')
        },
        async (peer) => {
          const http = createHttpClient({ baseUrl: peer.url, timeoutSeconds: 0.5, retry: { attempts: 2, baseDelayMs: 1 } })
          const error = await failure(http.json({ path: '/x' }))
          assert.is(error.code, 'unavailable')
          assert.match(error.message, /did not answer within 0.5 s/)
          assert.is(peer.requests.length, 2)
        },
      ))

  test('a body that breaks off is a failure of the connection', () =>
    withPeer(
      (_request, response) => {
        response.writeHead(200, { 'content-length': '100' })
        response.write('{', () => response.destroy())
      },
      async (peer) => {
        const error = await failure(createHttpClient({ baseUrl: peer.url, retry: { attempts: 1 } }).json({ path: '/x' }))
        assert.is(error.code, 'unavailable')
        assert.match(error.message, /cannot reach/)
      },
    ))

  test('ends at once when aborted, with the reason', () =>
    withPeer(
      () => undefined,
      async (peer) => {
        const reason = new Error('enough')
        const controller = new AbortController()
        const work = createHttpClient({ baseUrl: peer.url }).json({ path: '/x' }, { signal: controller.signal })
        const outcome = work.catch((error: unknown) => error)
        setImmediate(() => controller.abort(reason))
        assert.is(await outcome, reason)
      },
    ))
})
