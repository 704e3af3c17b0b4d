import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import {
  createMetricsServer,
  createServerMetrics,
  openServerLog,
  type RequestEvent,
  type ServerLog,
} from '../../../adapters/server/index.ts'
import type { AuthDecision } from '../../../src/index.ts'
import { serveFolder } from '../../support/embedded-subject.ts'
import { suite } from '../../support/suite.ts'

type Line = Readonly<Record<string, unknown>>

interface Recorded {
  readonly text: () => string
  readonly lines: () => readonly Line[]
  readonly log: ServerLog
}

async function record(): Promise<Recorded> {
  let text = ''
  const log = await openServerLog({
    destination: {
      write: (line) => {
        text += line
      },
    },
  })
  return {
    log,
    text: () => text,
    lines: () =>
      text
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Line),
  }
}

/** Polls until it holds: events come once an answer is out, which its reader may see first. */
async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 60_000
  while (!holds()) {
    if (performance.now() > deadline) throw new Error('it did not come to hold within a minute')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

/** Sends bytes as they are, which no HTTP client would. */
function sendRaw(url: string, request: string): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(Number(port), hostname, () => socket.end(request))
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => {
      answer += text
    })
    socket.on('close', () => resolve(answer))
    socket.on('error', reject)
  })
}

const unknownId = '00000000-0000-4000-8000-000000000000'

suite('structured log', (test) => {
  test('every request and every decision is a line; they share an id, which the caller is told', async () => {
    const { log, text, lines } = await record()
    const served = await serveFolder({
      embedded: { onDecision: (decision) => log.onDecision(decision) },
      server: { onRequest: (event) => log.onRequest(event) },
    })
    const { token } = served.score
    const objectId = await served.register({ size: 3, md5: '900150983cd24fb0d6963f7d28e17f72', access: 'controlled' })
    const target = `${served.url}/download/${objectId}?offset=0&length=-1`
    const denied = await fetch(target)
    const wrong = await fetch(target, { headers: { authorization: 'Bearer SECRET-OF-SOMEONE' } })
    const state = await fetch(target, { headers: { authorization: `Bearer ${token}` } })
    const ping = await fetch(`${served.url}/download/ping`)
    const signed = await ping.text()
    await fetch(signed)
    await until(() => lines().filter((line) => line['event'] === 'request').length === 5)
    await served.close()

    assert.equal([denied.status, wrong.status, state.status, ping.status], [403, 401, 400, 200])
    const of = (response: Response, event: string): readonly Line[] =>
      lines().filter((line) => line['requestId'] === response.headers.get('x-request-id') && line['event'] === event)
    const decision = (response: Response): Line => of(response, 'decision').at(-1) as Line
    assert.equal(
      [denied, wrong, state].map((response) => {
        const { action, outcome, code, anonymous, subject, objectId: id, level } = decision(response)
        return [action, outcome, code, anonymous, subject, id, level]
      }),
      [
        ['download', 'denied', 'access-denied', true, undefined, objectId, 'warn'],
        ['download', 'unauthenticated', 'unauthenticated', false, undefined, objectId, 'warn'],
        ['download', 'allowed', undefined, false, 'local', objectId, 'info'],
      ],
    )
    const [request] = of(state, 'request')
    assert.is(request?.['route'], '/download/:objectId')
    assert.is(request?.['objectId'], objectId)
    assert.is(request?.['status'], 400)
    assert.match(String(request?.['time']), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
    for (const secret of [token, 'SECRET-OF-SOMEONE', new URL(signed).search.slice(1)]) assert.not.ok(text().includes(secret), secret)
  })

  test('nothing that a caller sends makes a line, or a part of one', async () => {
    const { log, text, lines } = await record()
    const served = await serveFolder({
      embedded: { onDecision: (decision) => log.onDecision(decision) },
      server: { onRequest: (event) => log.onRequest(event) },
    })
    const forged = '%0a{"event":"decision","outcome":"allowed"}'
    await sendRaw(
      served.url,
      `GET /download/${unknownId}${forged}?offset=0&length=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nUser-Agent: a\t\u009b{"event":"x"}\r\nX-Request-Id: mine\r\n\r\n`,
    )
    await until(() => lines().some((line) => line['event'] === 'request'))
    await served.close()
    const [request, ...more] = lines().filter((line) => line['event'] === 'request')
    assert.equal(more, [])
    assert.is.not(request?.['requestId'], 'mine')
    assert.not.match(text().replaceAll('\n', ''), /[\p{Cc}\u2028\u2029]/u)
    assert.not.match(JSON.stringify([request?.['userAgent'], request?.['path'], request?.['objectId']]), /\\u00|\\n/)
    assert.not.ok(lines().some((line) => line['outcome'] === 'allowed'))
  })

  test('a subject with control characters is made harmless; outside of a request a decision has no id', async () => {
    const { log, lines } = await record()
    log.onDecision({ action: 'upload', anonymous: false, outcome: 'allowed', subject: 'eve\n{"x":1}\u2028', durationMs: 1.23456 })
    log.trouble('the store failed')
    const [decision, trouble] = lines()
    assert.is(decision?.['subject'], 'eve?{"x":1}?')
    assert.is(decision?.['requestId'], undefined)
    assert.is(decision?.['durationMs'], 1.23)
    assert.equal([trouble?.['event'], trouble?.['level']], ['trouble', 'error'])
  })

  test('to a file, appending, whole when it is closed; one that cannot be opened is an error', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'score-log-'))
    const destination = join(folder, 'score.log')
    for (const subject of ['first', 'second']) {
      const log = await openServerLog({ destination })
      log.onDecision({ action: 'list', anonymous: false, outcome: 'allowed', subject, durationMs: 0 })
      await log.close()
    }
    const lines = (await readFile(destination, 'utf8')).trimEnd().split('\n')
    assert.equal(
      lines.map((line) => (JSON.parse(line) as Line)['subject']),
      ['first', 'second'],
    )
    let failure: unknown
    await openServerLog({ destination: join(folder, 'none', 'score.log') }).catch((error: unknown) => {
      failure = error
    })
    assert.match(String(failure), 'ENOENT')
    await rm(folder, { recursive: true })
  })
})

suite('metrics', (test) => {
  test('requests, decisions, signed URLs and store calls are counted, on a port of their own', async () => {
    const metrics = await createServerMetrics()
    const served = await serveFolder({
      embedded: {
        onDecision: (decision: AuthDecision) => metrics.onDecision(decision),
        onStoreCall: (call) => metrics.onStoreCall(call),
      },
      server: { onRequest: (event: RequestEvent) => metrics.onRequest(event) },
    })
    const server = createMetricsServer(metrics, { port: 0 })
    const url = await server.listen()
    await fetch(`${served.url}/download/ping`)
    await fetch(`${served.url}/profile`)
    for (let times = 0; times < 20; times++) await fetch(`${served.url}/nowhere/${times}`, { headers: { authorization: 'Bearer bad' } })
    const read = async (): Promise<string> => (await fetch(url)).text()
    let text = await read()
    const deadline = performance.now() + 60_000
    while (!text.includes('route="other",status="401"} 20') && performance.now() < deadline) text = await read()
    const rows = [
      'score_requests_total{method="GET",route="/download/ping",status="200"} 1',
      'score_requests_total{method="GET",route="/profile",status="401"} 1',
      'score_requests_total{method="GET",route="other",status="401"} 20',
      'score_request_duration_seconds_count{method="GET",route="/download/ping"} 1',
      'score_auth_decisions_total{action="identify",outcome="unauthenticated"} 21',
      'score_presigned_urls_total{action="get"} 1',
      'score_store_call_duration_seconds_count{operation="presign",outcome="done"} 1',
      'process_cpu_seconds_total',
    ]
    for (const row of rows) assert.ok(text.includes(row), `${row} in\n${text}`)
    const response = await fetch(url)
    assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=/)
    assert.is((await fetch(new URL('/other', url))).status, 404)
    assert.is((await fetch(url, { method: 'POST' })).status, 404)
    assert.is((await fetch(`${served.url}/metrics`)).status, 401, 'nothing of it on the public port')
    await server.close()
    await served.close()
  })
})
