import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { gunzipSync } from 'node:zlib'
import Koa from 'koa'
import * as assert from 'uvu/assert'
import {
  createScoreMiddleware,
  createScoreServer,
  type RequestEvent,
  type ScoreServerOptions,
  type ServedScore,
} from '../../../adapters/server/index.ts'
import { ScoreError } from '../../../src/core/errors.ts'
import { bytes, failure, type House, ids, openHouse, tokens } from '../../objects/score-house.ts'
import { suite } from '../../support/suite.ts'

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

interface Asked {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly token?: string
  readonly body?: string
}

/** node:http, because fetch changes paths and hides headers. */
function ask(url: string, { method = 'GET', headers = {}, token, body }: Asked = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const all = { ...headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) }
    const { origin } = new URL(url)
    const call = httpRequest(origin, { method, headers: all, agent: false, path: url.slice(origin.length) }, (answer) => {
      const pieces: Buffer[] = []
      answer.on('data', (piece: Buffer) => pieces.push(piece))
      answer.on('end', () => {
        const whole = Buffer.concat(pieces)
        const text = answer.headers['content-encoding'] === 'gzip' ? gunzipSync(whole).toString() : whole.toString()
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text })
      })
      answer.on('error', reject)
    })
    call.on('error', reject)
    call.end(body)
  })
}

async function serving(
  options: ScoreServerOptions & { readonly score?: Partial<ServedScore> },
  use: (url: string, house: House) => Promise<void>,
): Promise<void> {
  const house = await openHouse()
  const { score, ...rest } = options
  const server = createScoreServer({ service: house.service, ...score }, { port: 0, ...rest })
  const { url } = await server.listen()
  try {
    await use(url, house)
  } finally {
    await server.close({ deadlineSeconds: 1 })
  }
}

const upload = `/upload/${ids.a}`

/** What is asked, and status and words that must come back. */
const troubles: readonly (readonly [name: string, path: string, asked: Asked, status: number, says: RegExp])[] = [
  ['a path with a broken escape', '/upload/%zz', { token: tokens.system }, 404, /UUID/],
  ['a parameter given twice', `${upload}/status?fileSize=1&fileSize=2`, { token: tokens.system }, 400, /'fileSize' was given 2 times/],
  [
    'a number that is none',
    `${upload}/status?fileSize=1e3`,
    { token: tokens.system },
    400,
    /'fileSize' is '1e3'; it must be a whole number/,
  ],
  ['a number beyond exactness', `${upload}/status?fileSize=99999999999999999999`, { token: tokens.system }, 400, /whole number/],
  ['an empty number', `${upload}/status?fileSize=`, { token: tokens.system }, 400, /'fileSize' is missing/],
  ['a flag in other words', `${upload}/uploads?fileSize=5&overwrite=ON`, { method: 'POST', token: tokens.system }, 200, /objectKey/],
  ['a flag that is none', `${upload}/uploads?fileSize=5&overwrite=2`, { method: 'POST', token: tokens.system }, 400, /'overwrite' is '2'/],
  [
    'another scheme than Bearer',
    `${upload}`,
    { headers: { authorization: 'Basic abc' } },
    403,
    /^Token missing required scope to update project$/,
  ],
  ['a bearer that is no token', `${upload}`, { headers: { authorization: 'Bearer a b' } }, 401, /^$/],
  ['a token in the query', `/profile?access_token=${tokens.system}`, {}, 401, /^$/],
  ['a lower-case scheme', '/profile', { headers: { authorization: `bearer ${tokens.system}` } }, 200, /^s3$/],
  [
    'a body where none belongs',
    `${upload}/uploads?fileSize=5`,
    { method: 'POST', token: tokens.system, body: 'x'.repeat(2_000_000) },
    400,
    /2000000 bytes where none is expected/,
  ],
  ['a small body', `${upload}/uploads?fileSize=5`, { method: 'POST', token: tokens.system, body: 'x' }, 200, /objectKey/],
  ['a HEAD', `${upload}`, { method: 'HEAD', token: tokens.system }, 200, /^$/],
  ['a trailing slash', `${upload}/`, { token: tokens.system }, 200, /^false$/],
  ['a route that is longer', `${upload}/status/more`, { token: tokens.system }, 404, /nothing at/],
  ['the old health path', '/health', {}, 404, /nothing at/],
  ['the root', '/', {}, 200, /swagger-ui\.html/],
]

suite('adapters/server answers', (test) => {
  for (const [name, path, asked, status, says] of troubles)
    test(`${name}: ${status}`, () =>
      serving({}, async (url) => {
        const answer = await ask(url + path, asked)
        assert.is(answer.status, status, answer.text)
        assert.match(answer.text, says)
      }))

  test('the store in trouble: 503 with its wait, 500 for what no repeat mends, nothing of its inside', () =>
    serving({}, async (url, house) => {
      const rows: readonly (readonly [unknown, number, RegExp, string | undefined])[] = [
        [new ScoreError('unavailable', 'SlowDown', { retryAfterSeconds: 3 }), 503, /SlowDown/, '3'],
        [new ScoreError('access-denied', 'InvalidAccessKeyId'), 500, /refuses this server's credentials/, undefined],
        [new TypeError('x is not a function'), 500, /something went wrong inside the server/, undefined],
      ]
      for (const [error, status, says, wait] of rows) {
        house.store.tap.before = () => {
          throw error
        }
        const answer = await ask(url + upload, { token: tokens.system })
        assert.is(answer.status, status)
        assert.match(JSON.parse(answer.text).message, says)
        assert.is(answer.headers['retry-after'], wait)
        assert.not.match(answer.text, /is not a function/)
      }
    }))

  test('health and readiness: the store is asked', () =>
    serving({}, async (url, house) => {
      for (const path of ['/healthz', '/readyz', '/actuator/health']) assert.is((await ask(url + path)).status, 200)
      await house.store.delete(house.layout.sentinel)
      assert.is((await ask(`${url}/healthz`)).status, 200)
      assert.equal([(await ask(`${url}/readyz`)).status, (await ask(`${url}/readyz`)).text], [503, '{"status":"not ready"}'])
      assert.equal([(await ask(`${url}/actuator/health`)).status, (await ask(`${url}/actuator/health`)).text], [503, '{"status":"DOWN"}'])
    }))

  test('web pages of known origins may call, others get no leave', () =>
    serving({ corsOrigins: ['https://portal.example'] }, async (url) => {
      const preflight = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' }
      const asked = await ask(`${url}${upload}/uploads`, { method: 'OPTIONS', headers: { origin: 'https://portal.example', ...preflight } })
      assert.equal(
        [
          asked.status,
          asked.headers['access-control-allow-origin'],
          asked.headers['access-control-allow-methods'],
          asked.headers['access-control-max-age'],
        ],
        [200, 'https://portal.example', 'PUT,DELETE,GET,POST', '1800'],
      )
      assert.is(asked.headers['access-control-allow-headers'], 'authorization')
      const denied = await ask(`${url}/listing`, { headers: { origin: 'https://portal.example' } })
      assert.equal([denied.status, denied.headers['access-control-allow-origin']], [401, 'https://portal.example'])
      const stranger = await ask(`${url}/download/ping`, { headers: { origin: 'https://evil.example' } })
      assert.equal([stranger.status, stranger.headers['access-control-allow-origin']], [200, undefined])
    }))

  test('a listing is compressed when that is asked for, and one that breaks off is cut, not ended', () =>
    serving({}, async (url, house) => {
      for (let index = 0; index < 3000; index++)
        house.store.putObject({ bucket: 'obj', key: `data/${String(index).padStart(8, '0')}-0000-4000-8000-000000000000` }, bytes(1))
      const plain = await ask(`${url}/listing`, { token: tokens.system })
      const zipped = await ask(`${url}/listing`, { token: tokens.system, headers: { 'accept-encoding': 'gzip' } })
      assert.is(JSON.parse(plain.text).length, 3000)
      assert.is(zipped.headers['content-encoding'], 'gzip')
      assert.is(zipped.text, plain.text)
      const list = house.store.list
      Object.assign(house.store, {
        async *list(...args: Parameters<typeof list>) {
          let count = 0
          for await (const row of list(...args)) {
            if (++count > 2500) throw new ScoreError('unavailable', 'the store went away')
            yield row
          }
        },
      })
      for (const headers of [{}, { 'accept-encoding': 'gzip' }]) {
        const broken = await ask(`${url}/listing`, { token: tokens.system, headers }).catch((error: Error) => error)
        assert.instance(broken, Error)
      }
    }))

  test('what a caller sends is in no header and no event unchanged', async () => {
    const events: RequestEvent[] = []
    await serving({ onRequest: (event) => events.push(event) }, async (url) => {
      await ask(`${url}${upload}/status?fileSize=5&secret=1`, {
        token: tokens.system,
        headers: { 'user-agent': 'curl/8', 'x-forwarded-for': '6.6.6.6' },
      })
      await ask(`${url}/nowhere%0Aforged`, { token: 'wrong-token-0123456789' })
      await ask(`${url}/download/ping`)
    })
    assert.equal(
      events.map(({ method, path, route, status, problem }) => [method, path, route, status, problem?.code]),
      [
        ['GET', `${upload}/status`, '/upload/:objectId/status', 404, 'upload-not-found'],
        ['GET', '/nowhere%0Aforged', undefined, 401, 'unauthenticated'],
        ['GET', '/download/ping', '/download/ping', 200, undefined],
      ],
    )
    assert.equal([events[0]?.remoteAddress, events[0]?.userAgent, events[0]?.aborted], ['127.0.0.1', 'curl/8', false])
    assert.not.match(JSON.stringify(events), /secret|token-0123456789|Signature/)
  })

  test('a proxy is believed only when that is asked for', async () => {
    const events: RequestEvent[] = []
    await serving({ trustProxy: true, onRequest: (event) => events.push(event) }, async (url) => {
      await ask(`${url}/download/ping`, { headers: { 'x-forwarded-for': '6.6.6.6', host: 'evil.example' } })
    })
    assert.is(events[0]?.remoteAddress, '6.6.6.6')
  })
})

suite('adapters/server mounting', (test) => {
  const inApp = async (options: Parameters<typeof createScoreMiddleware>[1], use: (url: string) => Promise<void>): Promise<void> => {
    const house = await openHouse()
    const app = new Koa()
    app.use(createScoreMiddleware({ service: house.service }, options))
    app.use((ctx) => {
      ctx.body = `the app's own: ${ctx.path}`
    })
    const server = createServer(app.callback()).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    try {
      await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
    } finally {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    }
  }

  test('under a prefix, passing on everything else', () =>
    inApp({ prefix: '/genomics/score/' }, async (url) => {
      assert.is((await ask(`${url}/genomics/score/profile`, { token: tokens.system })).text, 's3')
      const refused = JSON.parse((await ask(`${url}/genomics/score${upload}/status?fileSize=5`, { token: tokens.system })).text)
      assert.is(refused.path, `/genomics/score${upload}/status`)
      for (const path of ['/', '/profile', '/genomics/scores/profile', '/genomics/score', '/genomics/score/unknown'])
        assert.is((await ask(url + path)).text, `the app's own: ${path}`)
    }))

  test('at the root', () =>
    inApp({}, async (url) => {
      assert.is((await ask(`${url}/download/ping`)).status, 200)
      assert.is((await ask(`${url}/mine`)).text, `the app's own: /mine`)
    }))

  test('a wrong mount is refused when it is made', async () => {
    const { service } = await openHouse()
    assert.throws(() => createScoreMiddleware({ service }, { prefix: 'score' }), /begin with a slash/)
    assert.throws(() => createScoreMiddleware({} as ServedScore), /needs a service/)
    assert.throws(
      () => createScoreServer({} as ServedScore),
      (error: unknown) => error instanceof ScoreError,
    )
  })
})

suite('adapters/server life', (test) => {
  test('a port that is taken is told with the way out', () =>
    serving({}, async (url, house) => {
      const port = Number(new URL(url).port)
      const second = createScoreServer({ service: house.service }, { port })
      const refused = await failure(second.listen())
      assert.is(refused.code, 'invalid-configuration')
      assert.match(refused.message, new RegExp(`port ${port}: another program listens there already.*--port`))
      await second.close()
    }))

  test('a service that cannot be made frees the port', async () => {
    let url = ''
    const server = createScoreServer(
      async (at) => {
        url = at
        throw new ScoreError('invalid-configuration', 'no such folder')
      },
      { port: 0 },
    )
    assert.is((await failure(server.listen())).message, 'no such folder')
    await failure(
      ask(url).then(
        () => undefined,
        () => Promise.reject(new ScoreError('unavailable', 'refused')),
      ),
    )
  })

  test('closing lets a request end, takes no new ones, and cuts what is too slow', async () => {
    const house = await openHouse()
    const server = createScoreServer({ service: house.service }, { port: 0 })
    const { url } = await server.listen()
    let reached = (): void => undefined
    const arrived = new Promise<void>((resolve) => {
      reached = resolve
    })
    let release = (): void => undefined
    house.store.tap.before = () => {
      reached()
      return new Promise<void>((resolve) => {
        release = resolve
      })
    }
    const running = ask(url + upload, { token: tokens.system })
    await arrived
    const closing = server.close({ deadlineSeconds: 30 })
    assert.instance(await ask(`${url}/healthz`).catch((error: Error) => error), Error)
    release()
    assert.is((await running).status, 200)
    await closing

    const second = createScoreServer({ service: house.service }, { port: 0 })
    const { url: other } = await second.listen()
    const stuck = ask(other + upload, { token: tokens.system }).catch((error: Error) => error)
    await second.close({ deadlineSeconds: 0.05 }).then(release)
    assert.instance(await stuck, Error)
  })

  test('a client that says nothing for headers too large is told so', () =>
    serving({}, async (url) => {
      const long = await ask(`${url}/profile`, { headers: { authorization: `Bearer ${'x'.repeat(30_000)}` } })
      assert.is(long.status, 401)
      assert.is((await ask(`${url}/profile`, { headers: { authorization: `Bearer ${'x'.repeat(80_000)}` } })).status, 431)
    }))

  test('garbage on the line does no harm', () =>
    serving({}, async (url) => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1', () => socket.end('\x16\x03\x01 not http\r\n\r\n'))
      await new Promise((resolve) => socket.resume().on('close', resolve))
      assert.is((await ask(`${url}/healthz`)).status, 200)
    }))
})
