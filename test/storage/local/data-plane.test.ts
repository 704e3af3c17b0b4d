import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { md5Hex } from '../../../src/core/checksum.ts'
import { ScoreError } from '../../../src/core/errors.ts'
import { createLocalBackend, type LocalBackend } from '../../../src/storage/local/backend.ts'
import { createLocalDataPlane, type LocalDataPlane } from '../../../src/storage/local/data-plane.ts'
import type { DataPlaneRequest } from '../../../src/storage/local/data-plane-request.ts'
import type { DataPlaneAnswer } from '../../../src/storage/local/s3-answer.ts'
import { suite } from '../../support/suite.ts'
import { serveStore } from './store-server.ts'

interface Context {
  folder: string
  backend: LocalBackend
  plane: LocalDataPlane
  clock: { now: number }
}

const address = { bucket: 'oicr.icgc', key: 'data/a&b' }
const bytes = Buffer.from('0123456789')

async function* bodyOf(...pieces: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield Buffer.from(piece)
}

async function* broken(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('01')
  throw new Error('connection reset')
}

function requestTo(url: string, changes: Partial<DataPlaneRequest> = {}): DataPlaneRequest {
  const { pathname, search } = new URL(url)
  return { method: 'GET', path: pathname.slice('/prefix'.length), query: search, headers: {}, body: bodyOf(), ...changes }
}

async function bodyText(answer: DataPlaneAnswer): Promise<string> {
  if (answer.body === undefined) return ''
  if (answer.body instanceof Uint8Array) return Buffer.from(answer.body).toString()
  const chunks: Uint8Array[] = []
  for await (const chunk of answer.body) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

async function getUrl({ backend }: Context, key = address.key): Promise<string> {
  return (await backend.presign({ action: 'get', address: { ...address, key }, expiresInSeconds: 60 })).url
}

async function putUrl({ backend }: Context, partNumber = 1): Promise<string> {
  const multipart = await backend.createMultipart(address)
  return (await backend.presign({ action: 'put-part', multipart, partNumber, expiresInSeconds: 60 })).url
}

type Row = readonly [name: string, headers: Record<string, string>, status: number, says: string | Record<string, string>]

const etag = md5Hex(bytes)

/** GET of ten bytes: request headers, then status, and body or answer headers. */
const reads: readonly Row[] = [
  ['whole', {}, 200, { etag: `"${etag}"`, 'content-length': '10', 'accept-ranges': 'bytes', 'content-type': 'application/octet-stream' }],
  ['whole, body', {}, 200, '0123456789'],
  ['closed range', { range: 'bytes=2-4' }, 206, '234'],
  ['closed range, headers', { range: 'bytes=2-4' }, 206, { 'content-range': 'bytes 2-4/10', 'content-length': '3' }],
  ['open range', { range: 'bytes=7-' }, 206, '789'],
  ['last bytes', { range: 'bytes=-3' }, 206, '789'],
  ['more last bytes than there are', { range: 'bytes=-30' }, 206, '0123456789'],
  ['range cut to the object', { range: 'bytes=8-99' }, 206, '89'],
  ['beyond the end', { range: 'bytes=10-' }, 416, '<Code>InvalidRange</Code>'],
  ['beyond the end, headers', { range: 'bytes=10-' }, 416, { 'content-range': 'bytes */10' }],
  ['several ranges are ignored', { range: 'bytes=0-1,3-4' }, 200, '0123456789'],
  ['another unit is ignored', { range: 'lines=0-1' }, 200, '0123456789'],
  ['If-Match', { 'if-match': `"${etag}"` }, 200, '0123456789'],
  ['If-Match, any', { 'if-match': '*' }, 200, '0123456789'],
  ['If-Match, one of several', { 'if-match': `"x", "${etag}"` }, 200, '0123456789'],
  ['If-Match, none', { 'if-match': '"x"', range: 'bytes=0-1' }, 412, '<Code>PreconditionFailed</Code>'],
  ['If-None-Match', { 'if-none-match': `"${etag}"` }, 304, ''],
  ['If-None-Match, another', { 'if-none-match': '"x"' }, 200, '0123456789'],
  ['If-Range holds', { 'if-range': `"${etag}"`, range: 'bytes=0-1' }, 206, '01'],
  ['If-Range does not hold', { 'if-range': '"x"', range: 'bytes=0-1' }, 200, '0123456789'],
]

/** PUT of a part: request headers, body pieces, then status and what the body says. */
const writes: readonly (readonly [string, Record<string, string>, AsyncIterable<Uint8Array>, number, string])[] = [
  ['in pieces', { 'content-length': '4' }, bodyOf('01', '23'), 200, ''],
  ['empty', { 'content-length': '0' }, bodyOf(), 200, ''],
  ['no length', {}, bodyOf('0123'), 411, 'MissingContentLength'],
  ['a length that is none', { 'content-length': '-4' }, bodyOf('0123'), 411, 'MissingContentLength'],
  ['short body', { 'content-length': '5' }, bodyOf('0123'), 400, 'IncompleteBody'],
  ['long body', { 'content-length': '3' }, bodyOf('0123'), 400, 'IncompleteBody'],
  ['broken connection', { 'content-length': '5' }, broken(), 400, 'IncompleteBody'],
  ['too large', { 'content-length': String(5 * 1024 ** 3 + 1) }, bodyOf('0'), 400, 'EntityTooLarge'],
  ['right MD5', { 'content-length': '5', 'content-md5': 'XUFAKrxLKna5cZ2REBfFkg==' }, bodyOf('hello'), 200, ''],
  ['wrong MD5', { 'content-length': '5', 'content-md5': 'XUFAKrxLKna5cZ2REBfFkw==' }, bodyOf('hello'), 400, 'BadDigest'],
  ['no MD5 at all', { 'content-length': '5', 'content-md5': 'hello' }, bodyOf('hello'), 400, 'InvalidDigest'],
]

/** What a signature does not cover must not pass; what names nothing is not found. */
const refusals: readonly (readonly [string, (context: Context) => Promise<DataPlaneRequest>, number, string])[] = [
  ['no signature', async (c) => requestTo(await getUrl(c), { query: '' }), 403, 'AccessDenied'],
  ['signature of another length', async (c) => requestTo((await getUrl(c)).slice(0, -2)), 403, 'SignatureDoesNotMatch'],
  ['another key', async (c) => requestTo((await getUrl(c)).replace('a%26b', 'a%26c')), 403, 'SignatureDoesNotMatch'],
  ['another bucket', async (c) => requestTo((await getUrl(c)).replace('oicr.icgc', 'oicr.icgd')), 403, 'SignatureDoesNotMatch'],
  ['later expiry', async (c) => requestTo((await getUrl(c)).replace(/Expires=\d/, 'Expires=9')), 403, 'SignatureDoesNotMatch'],
  ['one more parameter', async (c) => requestTo(`${await getUrl(c)}&partNumber=1`), 403, 'SignatureDoesNotMatch'],
  ['a parameter twice', async (c) => requestTo(`${await getUrl(c)}&Expires=1`), 403, 'SignatureDoesNotMatch'],
  ['PUT with a GET', async (c) => requestTo(await getUrl(c), { method: 'PUT' }), 403, 'SignatureDoesNotMatch'],
  ['GET with a PUT', async (c) => requestTo(await putUrl(c)), 403, 'SignatureDoesNotMatch'],
  ['DELETE', async (c) => requestTo(await getUrl(c), { method: 'DELETE' }), 405, 'MethodNotAllowed'],
  ['no such key', async (c) => requestTo(await getUrl(c, 'data/none')), 404, 'NoSuchKey'],
  ['a folder', async (c) => requestTo(await getUrl(c, 'data')), 404, 'NoSuchKey'],
  ['another path', async (c) => requestTo(await getUrl(c), { path: '/elsewhere' }), 404, 'NoSuchKey'],
  ['broken percent-encoding', async (c) => requestTo(await getUrl(c), { path: '/store/oicr.icgc/%E0%A4' }), 404, 'NoSuchKey'],
  ['part 0', async (c) => requestTo(await putUrl(c, 0), { method: 'PUT', headers: { 'content-length': '0' } }), 400, 'InvalidArgument'],
  [
    'part 10,001',
    async (c) => requestTo(await putUrl(c, 10_001), { method: 'PUT', headers: { 'content-length': '0' } }),
    400,
    'InvalidArgument',
  ],
]

suite<Context>('storage/local data plane', (test) => {
  test.beforeEach(async (context) => {
    context.folder = await mkdtemp(join(tmpdir(), 'score-plane-'))
    const clock = { now: Date.UTC(2026, 0, 2, 3, 4, 5) }
    context.clock = clock
    const now = (): number => clock.now
    const options = {
      folder: context.folder,
      publicUrl: 'https://score.example.org/prefix/',
      signingKey: randomBytes(32),
      durable: false,
      now,
    }
    context.backend = createLocalBackend(options)
    context.plane = createLocalDataPlane({ backend: context.backend, now, randomId: () => 'REQUEST1' })
    await context.backend.put(address, bytes)
  })
  test.afterEach(async ({ folder }) => rm(folder, { recursive: true }))

  for (const [name, headers, status, says] of reads) {
    test(`GET: ${name}`, async (context) => {
      const answer = await context.plane.handle(requestTo(await getUrl(context), { headers }))
      assert.is(answer.status, status)
      const text = await bodyText(answer)
      if (typeof says !== 'string') for (const [header, value] of Object.entries(says)) assert.is(answer.headers[header], value)
      else if (says.startsWith('<')) assert.ok(text.includes(says), text)
      else assert.is(text, says)
      const head = await context.plane.handle(requestTo(await getUrl(context), { headers, method: 'HEAD' }))
      assert.is(head.status, status)
      assert.is(head.body, undefined)
      assert.is(head.headers['content-length'], answer.headers['content-length'])
    })
  }

  for (const [name, headers, body, status, says] of writes) {
    test(`PUT: ${name}`, async (context) => {
      const answer = await context.plane.handle(requestTo(await putUrl(context), { method: 'PUT', headers, body }))
      const text = await bodyText(answer)
      assert.is(answer.status, status, text)
      assert.ok(text.includes(says), text)
      if (status === 200) assert.match(answer.headers['etag'] ?? '', /^"[0-9a-f]{32}"$/)
      assert.equal(await readdir(join(context.folder, 'oicr.icgc', '.score', 'temporary')), [])
    })
  }

  for (const [name, make, status, says] of refusals) {
    test(`refused: ${name}`, async (context) => {
      const answer = await context.plane.handle(await make(context))
      assert.is(answer.status, status)
      const text = await bodyText(answer)
      assert.match(
        text,
        new RegExp(`^<\\?xml[^>]*>\\n<Error><Code>${says}</Code><Message>[^<]+</Message>.*<RequestId>REQUEST1</RequestId></Error>$`),
      )
      assert.is(answer.headers['content-type'], 'application/xml')
      assert.not(text.includes('Signature='))
    })
  }

  test('an expired URL says so in the words of S3, and when', async (context) => {
    const url = await getUrl(context)
    context.clock.now += 60_999
    assert.is((await context.plane.handle(requestTo(url, { method: 'HEAD' }))).status, 200)
    context.clock.now += 1
    const answer = await context.plane.handle(requestTo(url))
    assert.is(answer.status, 403)
    const text = await bodyText(answer)
    assert.ok(
      text.includes('<Code>AccessDenied</Code><Message>Request has expired</Message><Expires>2026-01-02T03:05:05.000Z</Expires>'),
      text,
    )
  })

  test('the URL has the form that clients read', async (context) => {
    const url = await getUrl(context)
    assert.match(url, /^https:\/\/score\.example\.org\/prefix\/store\/oicr\.icgc\/data\/a%26b\?Expires=1767323105&Signature=[0-9a-f]{64}$/)
    assert.match(await putUrl(context), /\?uploadId=[0-9a-f]{32}&partNumber=1&Expires=1767323105&Signature=[0-9a-f]{64}$/)
  })

  test('trouble of the disk is told to the operator, not to the client', async ({ backend, clock, ...context }) => {
    const told: string[] = []
    for (const [errno, status] of [
      ['ENOSPC', 507],
      ['EDQUOT', 507],
      ['EIO', 500],
    ] as const) {
      const cause = Object.assign(new Error(errno), { code: errno })
      const writePart = async (): Promise<never> => {
        throw new ScoreError('local-storage', `cannot write '/secret/path' (${errno})`, { cause })
      }
      const plane = createLocalDataPlane({
        backend: { ...backend, writePart },
        now: () => clock.now,
        onFailure: (error) => told.push(error.message),
      })
      const url = await putUrl({ backend, clock, ...context })
      const answer = await plane.handle(requestTo(url, { method: 'PUT', headers: { 'content-length': '1' }, body: bodyOf('x') }))
      assert.is(answer.status, status)
      assert.is(answer.headers['connection'], 'close')
      assert.not((await bodyText(answer)).includes('/secret/path'))
    }
    assert.is(told.length, 3)
  })

  test('a sender that goes away in the middle leaves nothing', async (context) => {
    const server = await serveStore('/prefix', () => context.plane)
    const { pathname, search } = new URL(await putUrl(context))
    const sender = httpRequest(`${server.url.replace(/\/prefix$/, '')}${pathname}${search}`, {
      method: 'PUT',
      headers: { 'content-length': 1_000_000 },
    })
    const temporary = join(context.folder, 'oicr.icgc', '.score', 'temporary')
    const ended = new Promise<void>((resolve) => sender.once('error', () => resolve()))
    sender.write(Buffer.alloc(100_000))
    while ((await readdir(temporary)).length === 0) await new Promise(setImmediate)
    sender.destroy()
    await ended
    while ((await readdir(temporary)).length > 0) await new Promise(setImmediate)
    await server.close()
  })
})
