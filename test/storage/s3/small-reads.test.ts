import { type AddressInfo, createServer, type Server } from 'node:net'
import * as assert from 'uvu/assert'
import { createS3Backend, type S3BackendOptions } from '../../../src/s3.ts'
import { createRetryingBackend } from '../../../src/storage/retrying-backend.ts'
import type { StorageBackend } from '../../../src/storage/storage-backend.ts'
import { failureOf } from '../../support/failure-of.ts'
import { freePort } from '../../support/free-port.ts'
import { suite } from '../../support/suite.ts'
import { errorBody, type ScriptedAnswer, type ScriptedStore, startScriptedStore } from './scripted-store.ts'

const at = { bucket: 'oicr.icgc', key: 'data/x.meta' }
const credentials = { accessKeyId: 'key', secretAccessKey: 'hidden-secret' }

async function drained(backend: StorageBackend): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of backend.get(at)) pieces.push(piece)
  return Buffer.concat(pieces).toString()
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

function readerOf(backend: StorageBackend): (signal?: AbortSignal) => Promise<string | undefined> {
  return async (signal) => {
    const bytes = await backend.readDocument?.(at, signal === undefined ? {} : { signal })
    return bytes === undefined ? undefined : Buffer.from(bytes).toString()
  }
}

const fault = (status: number, code: string, more = '', headers: Record<string, string> = {}): ScriptedAnswer => ({
  status,
  headers,
  body: errorBody(code, 'said the &quot;store&quot; &amp; &#233;&#xE9;', more),
})

/** Refusals, of which the driver's own request must make what the SDK's makes, word for word. */
const refusals: readonly (readonly [what: string, answer: ScriptedAnswer])[] = [
  ['no bucket', fault(404, 'NoSuchBucket')],
  ['404 of something else', fault(404, 'NoSuchSurprise')],
  ['a refusal', fault(403, 'AccessDenied')],
  ['an unknown key', fault(403, 'InvalidAccessKeyId')],
  ['an unknown key, versitygw: 404', fault(404, 'XAdminUserNotFound')],
  ['a wrong secret', fault(403, 'SignatureDoesNotMatch')],
  ['an old session', fault(400, 'ExpiredToken')],
  ['a bad token', fault(400, 'InvalidToken')],
  ['a clock that is wrong', fault(403, 'RequestTimeTooSkewed', '<ServerTime>2026-11-24T12:00:00Z</ServerTime>')],
  ['another region, by header', fault(301, 'PermanentRedirect', '', { 'x-amz-bucket-region': 'eu-west-1' })],
  ['another region, in the body', fault(400, 'AuthorizationHeaderMalformed', '<Region>eu-west-3</Region>')],
  ['another region, to nobody', { status: 301, headers: { 'x-amz-bucket-region': 'eu-west-1' } }],
  ['a bucket that moves', fault(307, 'TemporaryRedirect', '', { location: 'http://127.0.0.1:1/elsewhere' })],
  ['too many requests', fault(503, 'SlowDown', '', { 'retry-after': '7' })],
  ['too many requests, 429 without a body', { status: 429, headers: { 'retry-after': '7' } }],
  ['an inner error', fault(500, 'InternalError')],
  ['a proxy without its store', { status: 502, headers: { 'content-type': 'text/html' }, body: '<html><body>Bad Gateway</body></html>' }],
  ['a proxy that says nothing', { status: 504 }],
  ['an archived object', fault(403, 'InvalidObjectState')],
  ['a feature that is missing', fault(501, 'NotImplemented')],
  ['a code nobody knows', fault(400, 'Surprise')],
]

suite('storage/s3 small reads: refusals are the SDK’s', (test) => {
  let store: ScriptedStore
  test.before(async () => {
    store = await startScriptedStore()
  })
  test.after(() => store.close())

  for (const [what, answer] of refusals) {
    test(what, async () => {
      const backend = createS3Backend({ endpoint: store.endpoint, credentials })
      store.will(answer)
      const [theirs, ours] = [await failureOf(drained(backend)), await failureOf(readerOf(backend)())]
      assert.is(ours.code, theirs.code)
      assert.is(ours.message, theirs.message)
      assert.is(ours.retryAfterSeconds, theirs.retryAfterSeconds)
      assert.ok(ours.cause instanceof Error)
      assert.is(store.requests.length, 2, 'neither is sent twice')
      assert.not.match(`${ours.message} ${ours.cause}`, /hidden-secret|Signature=/)
    })
  }
})

suite('storage/s3 small reads', (test) => {
  let store: ScriptedStore
  test.before(async () => {
    store = await startScriptedStore()
  })
  test.after(() => store.close())
  const open = (more: S3BackendOptions = {}) => createS3Backend({ endpoint: store.endpoint, credentials, ...more })

  test('the bytes of a document, by one request, and nothing where there is none', async () => {
    const read = readerOf(open())
    store.will({ status: 200, body: '{"a":1}' }, fault(404, 'NoSuchKey'), { status: 200, body: '' })
    assert.is(await read(), '{"a":1}')
    assert.is(await read(), undefined)
    assert.is(await read(), '')
    assert.equal(
      store.requests.map(({ method, url }) => [method, url]),
      Array.from({ length: 3 }, () => ['GET', '/oicr.icgc/data/x.meta']),
    )
    assert.is(store.requests[0]?.headers['range'], undefined)
  })

  test('trouble that passes is got over by the retry loop, after as long as the store asks for', async () => {
    const waits: number[] = []
    const sleep = async (ms: number): Promise<void> => void waits.push(ms)
    const backend = createRetryingBackend(open(), { sleep, random: () => 0.5, policy: { attempts: 5 } })
    store.will({ status: 0, cutAfter: 0 }, fault(500, 'InternalError'), fault(503, 'SlowDown', '', { 'retry-after': '7' }), {
      status: 200,
      body: 'whole',
      cutAfter: 2,
    })
    const failed = await failureOf(readerOf(backend)())
    assert.is(failed.code, 'unavailable')
    assert.is(store.requests.length, 5)
    assert.is(waits[2], 7500)
    store.will({ status: 200, body: 'whole', cutAfter: 2 }, { status: 200, body: 'whole' })
    assert.is(await readerOf(backend)(), 'whole', 'half a document is no document')
  })

  test('a store whose clock is ahead is signed for by its clock, and the SDK by it too', async () => {
    const backend = open()
    const ahead = new Date(Date.now() + 3_600_000)
    store.will(fault(403, 'RequestTimeTooSkewed', '', { date: ahead.toUTCString() }), { status: 200, body: 'x' })
    assert.is((await failureOf(readerOf(backend)())).code, 'unavailable')
    await readerOf(backend)()
    await drained(backend)
    const times = store.requests.map(({ headers }) => String(headers['x-amz-date']))
    const hours = times.map((time) => Number(time.slice(9, 11)))
    assert.is(hours[1], ahead.getUTCHours())
    store.will({ status: 200, body: 'x', headers: { date: new Date().toUTCString() } }, { status: 200, body: 'x' })
    await drained(backend)
    await readerOf(backend)()
    const now = new Date()
    assert.ok(
      [now.getUTCHours(), (now.getUTCHours() + 23) % 24].includes(Number(String(store.requests[1]?.headers['x-amz-date']).slice(9, 11))),
    )
  })

  test('temporary credentials send their token, and those that a function gives are asked for', async () => {
    const read = readerOf(open({ credentials: async () => ({ ...credentials, sessionToken: 'session' }) }))
    store.will({ status: 200, body: 'x' })
    await read()
    assert.is(store.requests[0]?.headers['x-amz-security-token'], 'session')
    assert.match(
      String(store.requests[0]?.headers.authorization),
      /SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,/,
    )
  })

  test('credentials that fail are the configuration’s fault, and are asked for again', async () => {
    let asked = 0
    const read = readerOf(
      open({
        async credentials() {
          asked++
          if (asked === 1) throw Object.assign(new Error('no profile'), { name: 'CredentialsProviderError' })
          return credentials
        },
      }),
    )
    store.will({ status: 200, body: 'x' })
    assert.is((await failureOf(read())).code, 'invalid-configuration')
    assert.is(await read(), 'x')
  })

  for (const silentAfter of [0, 400]) {
    test(`a store that falls silent after ${silentAfter} bytes is given up`, async () => {
      store.will({ status: 200, body: 'x'.repeat(1000), silentAfter })
      assert.is((await failureOf(readerOf(open({ idleTimeoutMs: 200 }))())).code, 'unavailable')
      assert.is(store.requests.length, 1)
    })
  }

  test('an answer that takes longer than a request may is given up', async () => {
    store.will({ status: 200, body: 'x', silentAfter: 0 })
    const error = await failureOf(readerOf(open({ requestTimeoutMs: 200 }))())
    assert.is(error.code, 'unavailable')
    assert.match(error.message, /did not read oicr\.icgc\/data\/x\.meta within 0\.2 s/)
  })

  test('a store that drips is given up', async () => {
    const drips = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n')
        const timer = setInterval(() => socket.write('x'), 20)
        socket.on('close', () => clearInterval(timer))
      })
    })
    const port = await listening(drips)
    const error = await failureOf(readerOf(open({ endpoint: `http://127.0.0.1:${port}`, idleTimeoutMs: 1500 }))())
    assert.is(error.code, 'unavailable')
    assert.match(error.message, /bytes a second/)
    await new Promise((resolve) => drips.close(resolve))
  })

  test('an abort ends it with its reason: before, while it waits for the answer, and for a connection', async () => {
    const read = readerOf(open())
    const reason = new Error('enough')
    const outcome = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error)
    store.will({ status: 200, body: 'x', silentAfter: 0 })
    assert.is(await outcome(read(AbortSignal.abort(reason))), reason)
    assert.is(store.requests.length, 0)
    const answering = new AbortController()
    const waiting = outcome(read(answering.signal))
    while (store.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    answering.abort(reason)
    assert.is(await waiting, reason)
    const mute = createServer((socket) => socket.on('error', () => undefined))
    const port = await listening(mute)
    // Its handshake never ends, so the request waits for a connection.
    const connecting = new AbortController()
    mute.once('connection', () => connecting.abort(reason))
    assert.is(await outcome(readerOf(open({ endpoint: `https://127.0.0.1:${port}` }))(connecting.signal)), reason)
    store.will({ status: 200, body: 'fine' })
    assert.is(await read(), 'fine')
    mute.close()
  })

  test('nobody listens', async () => {
    const error = await failureOf(readerOf(open({ endpoint: `http://127.0.0.1:${await freePort()}` }))())
    assert.is(error.code, 'unavailable')
    assert.match(error.message, /cannot reach http:\/\/127\.0\.0\.1:\d+: nothing listens there/)
  })

  test('a part of a document is not taken for it, nor is a description without size', async () => {
    const backend = open()
    store.will({ status: 206, body: 'x', headers: { 'content-range': 'bytes 0-0/5' } })
    assert.is((await failureOf(readerOf(backend)())).code, 'store-protocol')
    store.will({ status: 200, headers: { etag: '"e"' } })
    assert.is((await failureOf(backend.head(at))).code, 'store-protocol')
  })

  test('a description: size, time, MD5 unless a KMS encrypts, metadata by lower-case name', async () => {
    const backend = open()
    const headers = {
      etag: '"D41D8CD98F00B204E9800998ECF8427E"',
      'last-modified': 'Tue, 24 Nov 2026 12:34:56 GMT',
      'x-amz-meta-MD5chksum': 'abc',
    }
    store.will({ status: 200, headers }, { status: 200, headers: { ...headers, 'x-amz-server-side-encryption': 'aws:kms' } })
    assert.equal(await backend.head(at), {
      size: 0,
      etag: 'D41D8CD98F00B204E9800998ECF8427E',
      lastModified: new Date('2026-11-24T12:34:56Z'),
      metadata: { md5chksum: 'abc' },
      md5: 'd41d8cd98f00b204e9800998ecf8427e',
    })
    assert.is((await backend.head(at))?.md5, undefined)
  })
})
