import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Worker } from 'node:worker_threads'
import * as assert from 'uvu/assert'
import type { ByteSource } from '../../src/bytes/byte-source.ts'
import type { ProblemCode } from '../../src/core/errors.ts'
import type { FetchPart, PartTransport, SendPart } from '../../src/transfer/part-transport.ts'
import { createPartTransport, type PartTransportOptions } from '../../src/transfer/transport/create-part-transport.ts'
import { failureOf } from '../support/failure-of.ts'
import { type Fault, type FaultStore, s3Error, startFaultStore } from '../support/fault-store.ts'
import { suite } from '../support/suite.ts'

const mib = 1024 * 1024
const object = Buffer.alloc(3 * mib + 17, 'The quick brown fox jumps over the lazy dog. 0123456789')
const range = { start: 1000, end: 1000 + 2 * mib + 5 }
const length = range.end - range.start
const secret = 'X-Amz-Signature=0123456789abcdef'
const query = `?partNumber=1&${secret}`

function md5Of(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex')
}

interface Bench {
  readonly store: FaultStore
  readonly transport: PartTransport
  readonly folder: string
  readonly target: string
  readonly source: string
}

const open: Bench[] = []

async function openBench(options: PartTransportOptions): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), 'score-transport-'))
  const target = join(folder, 'target')
  const source = join(folder, 'source')
  writeFileSync(target, '')
  truncateSync(target, 4 * mib)
  writeFileSync(source, object)
  const bench = { store: await startFaultStore(object), transport: createPartTransport(options), folder, target, source }
  open.push(bench)
  return bench
}

async function closeBench({ store, transport, folder }: Bench): Promise<void> {
  await transport.close()
  await store.close()
  rmSync(folder, { recursive: true })
}

function fetchOf(bench: Bench, more: Partial<FetchPart> = {}): FetchPart {
  return { url: `${bench.store.url}/b/data/o1${query}`, range, objectSize: object.length, path: bench.target, position: 7, ...more }
}

function sendOf(bench: Bench, more: Partial<SendPart> = {}): SendPart {
  return { url: `${bench.store.url}/b/data/o1${query}`, from: { path: bench.source }, range, ...more }
}

/** A reset of a kept connection is made good inside; what it does to a new one needs a transport without any. So does haste. */
async function withOwnTransport<Result>(
  options: PartTransportOptions,
  work: (transport: PartTransport) => Promise<Result>,
): Promise<Result> {
  const transport = createPartTransport(options)
  try {
    return await work(transport)
  } finally {
    await transport.close()
  }
}

interface Row {
  readonly fault: Fault
  readonly code: ProblemCode
  readonly says?: RegExp
  readonly retryAfterSeconds?: number
  readonly ask?: Partial<FetchPart>
  /** For silence: how long it is borne. */
  readonly patience?: PartTransportOptions
}

const expired = s3Error('AccessDenied', `Request has expired ${secret}`)
const html = { 'content-type': 'text/html' }

const fetchRows: Readonly<Record<string, Row>> = {
  'reset before the head': { fault: { kind: 'reset' }, code: 'unavailable', says: /cut/ },
  'reset in the body': { fault: { kind: 'reset-in-body', afterBytes: mib }, code: 'unavailable', says: /cut/ },
  'a body without length that ends early': { fault: { kind: 'short', bytes: 100 }, code: 'unavailable', says: /after 100 of/ },
  'a body that is too long': { fault: { kind: 'unframed', extraBytes: 1 }, code: 'store-protocol', says: /more than/ },
  'another length announced': { fault: { kind: 'announce', contentLength: 10 }, code: 'store-protocol', says: /announced 10 bytes/ },
  'another range': {
    fault: { kind: 'content-range', value: `bytes 0-${length - 1}/${object.length}` },
    code: 'store-protocol',
    says: /another/,
  },
  'no Content-Range': { fault: { kind: 'content-range', value: '' }, code: 'store-protocol' },
  'an object of another size': {
    fault: { kind: 'content-range', value: `bytes ${range.start}-${range.end - 1}/99999999` },
    code: 'object-changed',
  },
  '200 to a range': { fault: { kind: 'whole' }, code: 'store-protocol', says: /ignored the range/ },
  '403, expired': {
    fault: { kind: 'status', status: 403, body: expired },
    code: 'url-expired',
    says: /AccessDenied: Request has expired.*REQ7/,
  },
  '403 without words': { fault: { kind: 'status', status: 403 }, code: 'url-expired' },
  '403, wrong signature': {
    fault: { kind: 'status', status: 403, body: s3Error('SignatureDoesNotMatch', 'no') },
    code: 'access-denied',
    says: /proxy/,
  },
  '403, clocks': {
    fault: { kind: 'status', status: 403, body: s3Error('RequestTimeTooSkewed', 'no') },
    code: 'access-denied',
    says: /clock/,
  },
  '401': { fault: { kind: 'status', status: 401 }, code: 'access-denied' },
  '400, token ran out': { fault: { kind: 'status', status: 400, body: s3Error('ExpiredToken', 'old') }, code: 'url-expired' },
  '400, too slow': { fault: { kind: 'status', status: 400, body: s3Error('RequestTimeout', 'slow') }, code: 'unavailable' },
  '400 otherwise': { fault: { kind: 'status', status: 400, body: s3Error('InvalidArgument', 'bad') }, code: 'store-protocol' },
  '404': { fault: { kind: 'status', status: 404, body: s3Error('NoSuchKey', 'gone') }, code: 'object-not-found' },
  '404 of a bucket': { fault: { kind: 'status', status: 404, body: s3Error('NoSuchBucket', 'gone') }, code: 'store-protocol' },
  '409': { fault: { kind: 'status', status: 409 }, code: 'unavailable' },
  '412': { fault: { kind: 'status', status: 412 }, code: 'object-changed' },
  '416': { fault: { kind: 'status', status: 416 }, code: 'invalid-range' },
  '429 with a wait': { fault: { kind: 'status', status: 429, headers: { 'retry-after': '7' } }, code: 'unavailable', retryAfterSeconds: 7 },
  '503 SlowDown': {
    fault: { kind: 'status', status: 503, body: s3Error('SlowDown', 'please') },
    code: 'unavailable',
    says: /503, SlowDown: please/,
  },
  '503 as a page': {
    fault: { kind: 'status', status: 503, body: '<html>busy</html>', headers: html },
    code: 'unavailable',
    says: /web page/,
  },
  '500': { fault: { kind: 'status', status: 500 }, code: 'unavailable' },
  '501': { fault: { kind: 'status', status: 501 }, code: 'store-protocol' },
  '301 to a region': {
    fault: { kind: 'status', status: 301, headers: { 'x-amz-bucket-region': 'eu-west-3' } },
    code: 'store-protocol',
    says: /never followed.*eu-west-3/,
  },
  '307 elsewhere': {
    fault: { kind: 'status', status: 307, headers: { location: `http://elsewhere.example/x?${secret}` } },
    code: 'store-protocol',
    says: /elsewhere\.example/,
  },
  'silence before the head': {
    fault: { kind: 'stall' },
    code: 'unavailable',
    says: /no answer came for 0.3 s/,
    patience: { responseTimeoutSeconds: 0.3 },
  },
  'silence in the body': {
    fault: { kind: 'stall', afterBytes: mib },
    code: 'unavailable',
    says: /no byte came for 0.3 s/,
    patience: { stallSeconds: 0.3 },
  },
  'another ETag': { fault: { kind: 'etag', value: '"e2"' }, code: 'object-changed', says: /'e2' now, not 'e1'/, ask: { ifMatch: 'e1' } },
  'other bytes': { fault: { kind: 'ok' }, code: 'checksum-mismatch', says: /should have 0{32}/, ask: { md5: '0'.repeat(32) } },
  'something that is not HTTP': { fault: { kind: 'not-http' }, code: 'unavailable' },
  'no such folder': { fault: { kind: 'ok' }, code: 'local-storage', says: /\/nowhere\/x/, ask: { path: '/nowhere/x' } },
  'a full disk': { fault: { kind: 'ok' }, code: 'local-storage', says: /\/dev\/full.*ENOSPC/, ask: { path: '/dev/full' } },
  'a URL that cannot be sent': { fault: { kind: 'ok' }, code: 'store-protocol', ask: { url: `http://127.0.0.1/a b?${secret}` } },
}

const sendRows: Readonly<Record<string, Row>> = {
  'reset in the body': { fault: { kind: 'reset', afterBytes: 1000 }, code: 'unavailable', says: /cut/ },
  'early 403, body read': { fault: { kind: 'early', status: 403, body: expired }, code: 'url-expired', says: /expired/ },
  '404 of an upload': { fault: { kind: 'status', status: 404, body: s3Error('NoSuchUpload', 'gone') }, code: 'upload-not-found' },
  '404 without words': { fault: { kind: 'status', status: 404 }, code: 'upload-not-found' },
  '400 BadDigest': { fault: { kind: 'status', status: 400, body: s3Error('BadDigest', 'no') }, code: 'checksum-mismatch' },
  '400 Md5Mismatch': { fault: { kind: 'status', status: 400, body: s3Error('Md5Mismatch', 'no') }, code: 'checksum-mismatch' },
  '400 of Azurite, of another MD5': {
    fault: { kind: 'status', status: 400, body: s3Error('InvalidOperation', "Provided contentMD5 doesn't match.") },
    code: 'checksum-mismatch',
  },
  '400 of Azure, of a snapshot': {
    fault: { kind: 'status', status: 400, body: s3Error('InvalidOperation', 'Invalid operation against a blob snapshot.') },
    code: 'store-protocol',
  },
  '411': { fault: { kind: 'status', status: 411 }, code: 'store-protocol' },
  '503': { fault: { kind: 'status', status: 503 }, code: 'unavailable' },
  'the ETag of other bytes': { fault: { kind: 'etag', value: `"${'0'.repeat(32)}"` }, code: 'checksum-mismatch', says: /MD5 0{32}/ },
  'a web page with status 200': {
    fault: { kind: 'status', status: 200, body: '<html>login</html>', headers: html },
    code: 'store-protocol',
    says: /web page/,
  },
  'no answer': {
    fault: { kind: 'stall' },
    code: 'unavailable',
    says: /no answer came for 0.3 s/,
    patience: { responseTimeoutSeconds: 0.3 },
  },
}

/** More than the buffers of the system take. */
const largeRows: Readonly<Record<string, Row>> = {
  'no byte taken': { fault: { kind: 'stall' }, code: 'unavailable', says: /took no byte for 0.3 s/, patience: { stallSeconds: 0.3 } },
  'early 200': { fault: { kind: 'early', status: 200 }, code: 'unavailable', says: /before it had the whole part/ },
  'early 403': { fault: { kind: 'early', status: 403, body: expired }, code: 'url-expired', says: /expired/ },
}

function checkFault(row: Row, workers: number, bench: Bench, check: (transport: PartTransport) => Promise<void>): Promise<void> {
  const { fault, patience } = row
  if (patience || fault.kind === 'reset') return withOwnTransport({ ...patience, workers }, check)
  return check(bench.transport)
}

async function checkRow(row: Row, run: (onBytes: (count: number) => void) => Promise<unknown>): Promise<void> {
  let balance = 0
  const error = await failureOf(
    run((count) => {
      balance += count
    }),
  )
  assert.is(error.code, row.code, error.message)
  if (row.says) assert.match(error.message, row.says)
  assert.is(error.retryAfterSeconds, row.retryAfterSeconds)
  assert.not.match(error.message, /0123456789abcdef/)
  assert.is(balance, 0, 'bytes of the failed attempt were not taken back')
}

const halfDuplex = (pieces: readonly Uint8Array[]): ByteSource => ({
  async size() {
    return pieces.reduce((sum, piece) => sum + piece.length, 0)
  },
  async *stream() {
    yield* pieces
  },
  async close() {},
})

for (const workers of [0, 1]) {
  suite(`transport, ${workers === 0 ? 'in process' : 'in a worker'}`, (test) => {
    let bench: Bench
    test.before(async () => {
      bench = await openBench({ workers })
    })
    test.after(async () => {
      for (const opened of open.splice(0)) await closeBench(opened)
    })

    test('a part comes to its place, hashed and counted', async () => {
      let count = 0
      const fetched = await bench.transport.fetchPart(fetchOf(bench, { md5: md5Of(object.subarray(range.start, range.end)) }), {
        onBytes: (bytes) => {
          count += bytes
        },
      })
      assert.equal(fetched, { bytes: length, md5: md5Of(object.subarray(range.start, range.end)), etag: 'object-etag' })
      assert.is(count, length)
      const file = readFileSync(bench.target)
      assert.ok(file.subarray(7, 7 + length).equals(object.subarray(range.start, range.end)))
      assert.ok(file.subarray(0, 7).equals(Buffer.alloc(7)) && file.subarray(7 + length).equals(Buffer.alloc(4 * mib - 7 - length)))
    })

    test('the request is what was signed and nothing else', async () => {
      const target = '/b%2fc/d%20e/%C3%A9+~(x)//..;a=1/?b=%2F&A=%20+,*&X-Amz-Signature=ab%3D'
      await bench.transport.fetchPart(fetchOf(bench, { url: bench.store.url + target, ifMatch: 'object-etag' }))
      const seen = bench.store.requests.at(-1)
      assert.is(seen?.target, target)
      assert.equal(seen?.rawHeaders, [
        ...['Range', `bytes=${range.start}-${range.end - 1}`, 'If-Match', '"object-etag"'],
        ...['Host', bench.store.url.slice(7), 'Connection', 'keep-alive'],
      ])
      await bench.transport.sendPart(sendOf(bench, { url: bench.store.url + target, headers: { 'x-ms-blob-type': 'BlockBlob' } }))
      const sent = bench.store.requests.at(-1)
      assert.is(sent?.target, target)
      assert.equal(sent?.rawHeaders, [
        ...['x-ms-blob-type', 'BlockBlob', 'Content-Length', String(length)],
        ...['Host', bench.store.url.slice(7), 'Connection', 'keep-alive'],
      ])
    })

    test('a part goes out as it is in the file', async () => {
      let count = 0
      const sent = await bench.transport.sendPart(sendOf(bench), {
        onBytes: (bytes) => {
          count += bytes
        },
      })
      const bytes = object.subarray(range.start, range.end)
      assert.equal(sent, { bytes: length, md5: md5Of(bytes), etag: md5Of(bytes), etagIsMd5: true })
      assert.ok(bench.store.requests.at(-1)?.body?.equals(bytes))
      assert.is(count, length)
    })

    test('an empty part goes out', async () => {
      const sent = await bench.transport.sendPart(sendOf(bench, { range: { start: 0, end: 0 } }))
      assert.equal(sent, { bytes: 0, md5: md5Of(Buffer.alloc(0)), etag: md5Of(Buffer.alloc(0)), etagIsMd5: true })
      assert.is(bench.store.requests.at(-1)?.headers['content-length'], '0')
    })

    test('a source goes out, in pieces of any size', async () => {
      const bytes = object.subarray(0, 700_001)
      const source = halfDuplex([bytes.subarray(0, 1), bytes.subarray(1, 300_000), bytes.subarray(300_000)])
      const sent = await bench.transport.sendPart(sendOf(bench, { from: { source }, range: { start: 0, end: bytes.length } }))
      assert.is(sent.md5, md5Of(bytes))
      assert.ok(bench.store.requests.at(-1)?.body?.equals(bytes))
    })

    for (const [name, extra] of [
      ['short', -1],
      ['long', 1],
    ] as const) {
      test(`a source that is too ${name} fails`, async () => {
        const source = halfDuplex([object.subarray(0, 500_000 + extra)])
        const error = await failureOf(bench.transport.sendPart(sendOf(bench, { from: { source }, range: { start: 0, end: 500_000 } })))
        assert.is(error.code, 'size-changed')
      })
    }

    test('200 is right where the part is the whole object', async () => {
      bench.store.script({ kind: 'whole' })
      const fetched = await bench.transport.fetchPart(fetchOf(bench, { range: { start: 0, end: object.length }, position: 0 }))
      assert.is(fetched.md5, md5Of(object))
    })

    test('a body without a length is good when all bytes came', async () => {
      bench.store.script({ kind: 'unframed', extraBytes: 0 })
      assert.is((await bench.transport.fetchPart(fetchOf(bench))).md5, md5Of(object.subarray(range.start, range.end)))
    })

    for (const [name, row] of Object.entries(fetchRows)) {
      test(`GET: ${name} is ${row.code}`, async () => {
        const served = bench.store.requests.length
        bench.store.script(row.fault)
        const check = (transport: PartTransport): Promise<void> =>
          checkRow(row, (onBytes) => transport.fetchPart(fetchOf(bench, row.ask), { onBytes }))
        await checkFault(row, workers, bench, check)
        if (bench.store.requests.length === served) await bench.transport.fetchPart(fetchOf(bench))
        assert.is(bench.store.requests.length, served + 1)
      })
    }

    for (const [name, row] of Object.entries(sendRows)) {
      test(`PUT: ${name} is ${row.code}`, async () => {
        bench.store.script(row.fault)
        const check = (transport: PartTransport): Promise<void> =>
          checkRow(row, (onBytes) => transport.sendPart(sendOf(bench), { onBytes }))
        await checkFault(row, workers, bench, check)
      })
    }

    for (const [name, row] of Object.entries(largeRows)) {
      test(`PUT of a large part: ${name} is ${row.code}`, async () => {
        const path = join(bench.folder, 'large')
        writeFileSync(path, '')
        truncateSync(path, 64 * mib)
        bench.store.script(row.fault)
        const part = sendOf(bench, { from: { path }, range: { start: 0, end: 64 * mib } })
        const check = (transport: PartTransport): Promise<void> => checkRow(row, (onBytes) => transport.sendPart(part, { onBytes }))
        await checkFault(row, workers, bench, check)
      })
    }

    test('ETags of any spelling are compared, those of encrypting stores are not', async () => {
      const md5 = md5Of(object.subarray(range.start, range.end))
      const kms = { 'x-amz-server-side-encryption': 'aws:kms' }
      const ssec = { 'x-amz-server-side-encryption-customer-algorithm': 'AES256' }
      const rows = [
        { value: `"${md5.toUpperCase()}"`, etag: md5.toUpperCase(), etagIsMd5: true },
        { value: `W/"${md5}"`, etag: md5, etagIsMd5: true },
        { value: '"0x8DC0"', etag: '0x8DC0', etagIsMd5: false },
        { value: undefined, etag: md5, etagIsMd5: false },
        { value: `"${'f'.repeat(32)}"`, headers: kms, etag: 'f'.repeat(32), etagIsMd5: false },
        { value: `"${'f'.repeat(32)}"`, headers: ssec, etag: 'f'.repeat(32), etagIsMd5: false },
      ]
      for (const { value, headers, etag, etagIsMd5 } of rows) {
        bench.store.script({ kind: 'etag', value, ...(headers ? { headers } : {}) })
        assert.equal(await bench.transport.sendPart(sendOf(bench)), { bytes: length, md5, etag, etagIsMd5 })
      }
    })

    test('after a refusal that was only seen as a reset, the store is asked first', async () => {
      const refusal: Fault = { kind: 'refuse-unread', status: 403, body: expired }
      bench.store.script(refusal, refusal)
      const part = sendOf(bench, { url: `${bench.store.url}/refused${query}` })
      const fresh = { ...part, url: `${bench.store.url}/refused?fresh` }
      await withOwnTransport({ workers }, async (transport) => {
        assert.is((await failureOf(transport.sendPart(part))).code, 'unavailable')
        assert.is(bench.store.requests.at(-1)?.headers.expect, undefined)
        assert.is((await failureOf(transport.sendPart(fresh))).code, 'url-expired')
        assert.is(bench.store.requests.at(-1)?.headers.expect, '100-continue')
        await transport.sendPart(fresh)
        assert.is(bench.store.requests.at(-1)?.headers.expect, undefined)
      })
    })

    test('with the permission to go on, the body follows', async () => {
      bench.store.script({ kind: 'reset', afterBytes: 1 })
      await withOwnTransport({ workers }, async (transport) => {
        assert.is((await failureOf(transport.sendPart(sendOf(bench)))).code, 'unavailable')
        const sent = await transport.sendPart(sendOf(bench))
        assert.is(bench.store.requests.at(-1)?.headers.expect, '100-continue')
        assert.is(sent.md5, md5Of(object.subarray(range.start, range.end)))
      })
    })

    test('a refusal on a kept connection is seen at once', async () => {
      await bench.transport.fetchPart(fetchOf(bench))
      const refusal: Fault = { kind: 'refuse-unread', status: 403, body: expired }
      bench.store.script(refusal, refusal)
      assert.is((await failureOf(bench.transport.sendPart(sendOf(bench)))).code, 'url-expired')
    })

    test('a connection serves one part after the other', async () => {
      await bench.transport.fetchPart(fetchOf(bench))
      const before = bench.store.connections
      for (let i = 0; i < 3; i++) await bench.transport.fetchPart(fetchOf(bench))
      for (let i = 0; i < 3; i++) await bench.transport.sendPart(sendOf(bench))
      assert.is(bench.store.connections, before)
    })

    test('a kept connection that breaks before an answer costs no attempt', async () => {
      await bench.transport.fetchPart(fetchOf(bench))
      const { connections } = bench.store
      bench.store.script({ kind: 'reset' })
      await bench.transport.fetchPart(fetchOf(bench))
      assert.is(bench.store.connections, connections + 1)
      bench.store.script({ kind: 'reset', afterBytes: 1000 })
      let count = 0
      await bench.transport.sendPart(sendOf(bench), {
        onBytes: (bytes) => {
          count += bytes
        },
      })
      assert.is(count, length)
      assert.is(bench.store.connections, connections + 2)
    })

    test('a file that is too short is told from a store that fails', async () => {
      const before = { start: object.length - 10, end: object.length + 10 }
      const error = await failureOf(bench.transport.sendPart(sendOf(bench, { range: before })))
      assert.is(error.code, 'size-changed')
      assert.match(error.message, /source' ends at byte/)
      const hashed = await failureOf(bench.transport.hashRange({ path: bench.source, range: before }))
      assert.is(hashed.code, 'size-changed')
    })

    test('a file that is written to while it is sent fails', async () => {
      const path = join(bench.folder, 'changing')
      writeFileSync(path, object)
      bench.store.script({ kind: 'ok', delayMs: 50 })
      let changed = false
      const onBytes = (): void => {
        if (changed) return
        changed = true
        writeFileSync(path, object.subarray(0, -1))
      }
      const own = createPartTransport({ workers, maxBytesPerSecond: 8 * mib })
      const error = await failureOf(own.sendPart(sendOf(bench, { from: { path } }), { onBytes }))
      assert.is(error.code, 'size-changed')
      await own.close()
    })

    test('hashes of ranges, many at once', async () => {
      const ranges = [0, 1, 2, 3, 4, 5, 6].map((i) => ({ start: i * 1000, end: object.length - i * 77_777 }))
      const hashes = await Promise.all(ranges.map((each) => bench.transport.hashRange({ path: bench.source, range: each })))
      assert.equal(
        hashes,
        ranges.map(({ start, end }) => md5Of(object.subarray(start, end))),
      )
    })

    test('the whole is hashed while its parts come in any order', async () => {
      const partEnds = [100, 2 * mib, 2 * mib, object.length]
      const trailing = bench.transport.trailingHash({ path: bench.source, partEnds })
      for (const part of [3, 0, 2]) trailing.done(part)
      await bench.transport.hashRange({ path: bench.source, range: { start: 0, end: 1 } })
      assert.ok(trailing.hashedBytes <= 100)
      trailing.done(1)
      assert.is(await trailing.digest, md5Of(object))
      assert.is(trailing.hashedBytes, object.length)
      const given = bench.transport.trailingHash({ path: bench.source, partEnds })
      given.done(0)
      given.cancel()
      await failureOf(given.digest)
      const empty = bench.transport.trailingHash({ path: bench.source, partEnds: [] })
      assert.is(await empty.digest, md5Of(Buffer.alloc(0)))
    })

    test('an abort ends a part anywhere, and frees what it held', async () => {
      const own = createPartTransport({ workers, connections: 1 })
      const works: readonly [Fault, (signal: AbortSignal, onBytes: () => void) => Promise<unknown>, boolean][] = [
        [{ kind: 'stall' }, (signal, onBytes) => own.fetchPart(fetchOf(bench), { signal, onBytes }), false],
        [{ kind: 'stall', afterBytes: mib }, (signal, onBytes) => own.fetchPart(fetchOf(bench), { signal, onBytes }), true],
        [{ kind: 'stall' }, (signal, onBytes) => own.sendPart(sendOf(bench), { signal, onBytes }), true],
      ]
      for (const [fault, work, moves] of works) {
        bench.store.script(fault)
        const controller = new AbortController()
        const seen = bench.store.requests.length
        const reason = new Error('enough')
        const moving = work(controller.signal, () => moves && controller.abort(reason))
        const queued = own.fetchPart(fetchOf(bench), { signal: controller.signal })
        queued.catch(() => undefined)
        moving.catch(() => undefined)
        if (!moves) {
          while (bench.store.requests.length === seen) await new Promise((resolve) => setTimeout(resolve, 5))
          controller.abort(reason)
        }
        const ends = await Promise.allSettled([moving, queued])
        assert.equal(
          ends.map((end) => end.status === 'rejected' && end.reason === reason),
          [true, true],
        )
        assert.is((await own.fetchPart(fetchOf(bench))).bytes, length)
      }
      const late = new AbortController()
      late.abort('too late')
      assert.is(await own.fetchPart(fetchOf(bench), { signal: late.signal }).catch((error: unknown) => error), 'too late')
      await own.close()
    })

    test('no one listens', async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await new Promise((resolve) => server.once('listening', resolve))
      const { port } = server.address() as { port: number }
      await new Promise((resolve) => server.close(resolve))
      const error = await failureOf(bench.transport.fetchPart(fetchOf(bench, { url: `http://127.0.0.1:${port}/x` })))
      assert.is(error.code, 'unavailable')
      assert.match(error.message, /nothing listens/)
    })

    test('a file can be synced, and released while others go on', async () => {
      await bench.transport.sync(bench.target)
      const moving = bench.transport.fetchPart(fetchOf(bench))
      await bench.transport.release(bench.target)
      await moving
      await bench.transport.fetchPart(fetchOf(bench))
      assert.is((await failureOf(bench.transport.sync('/nowhere/x'))).code, 'local-storage')
    })
  })
}

suite('transport workers', (test) => {
  test('a worker that dies fails its parts as unavailable, and another takes over', async () => {
    const started: Worker[] = []
    const watch = (worker: Worker): void => void started.push(worker)
    process.on('worker', watch)
    const bench = await openBench({ workers: 1, responseTimeoutSeconds: 30 })
    bench.store.script({ kind: 'stall' })
    const moving = failureOf(bench.transport.fetchPart(fetchOf(bench)))
    while (bench.store.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    await started[0]?.terminate()
    assert.is((await moving).code, 'unavailable')
    assert.is((await bench.transport.fetchPart(fetchOf(bench))).bytes, length)
    assert.is(started.length, 2)
    process.off('worker', watch)
    open.splice(open.indexOf(bench), 1)
    await closeBench(bench)
  })
})
