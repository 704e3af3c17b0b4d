import * as assert from 'uvu/assert'
import type { ProblemCode } from '../../../src/core/errors.ts'
import { createS3Backend } from '../../../src/s3.ts'
import type { MultipartRef, StorageBackend } from '../../../src/storage/storage-backend.ts'
import { failureOf } from '../../support/failure-of.ts'
import { suite } from '../../support/suite.ts'
import { errorBody, type ScriptedAnswer, type ScriptedStore, startScriptedStore } from './scripted-store.ts'

const at = { bucket: 'oicr.icgc', key: 'data/x' }
const multipart: MultipartRef = { ...at, uploadId: 'U1' }

async function first<Item>(items: AsyncIterable<Item>): Promise<Item | undefined> {
  for await (const item of items) return item
  return undefined
}

const calls = {
  head: (backend: StorageBackend) => backend.head(at),
  get: (backend: StorageBackend) => first(backend.get(at)),
  range: (backend: StorageBackend) => first(backend.get(at, { range: { start: 5, end: 10 } })),
  put: (backend: StorageBackend) => backend.put(at, Buffer.from('x')),
  delete: (backend: StorageBackend) => backend.delete(at),
  list: (backend: StorageBackend) => first(backend.list(at)),
  folders: (backend: StorageBackend) => first(backend.listFolders(at)),
  begin: (backend: StorageBackend) => backend.createMultipart(at),
  parts: (backend: StorageBackend) => first(backend.listParts(multipart)),
  complete: (backend: StorageBackend) => backend.completeMultipart(multipart, [{ number: 1, etag: 'e' }]),
  abort: (backend: StorageBackend) => backend.abortMultipart(multipart),
}

const fault = (status: number, code: string, more = '', headers: Record<string, string> = {}): ScriptedAnswer => ({
  status,
  headers,
  body: errorBody(code, 'said the store', more),
})

const part = '<Part><PartNumber>1</PartNumber><ETag>"e"</ETag></Part>'
const partsPage = (inner: string): ScriptedAnswer => ({
  status: 200,
  body: `<ListPartsResult><Bucket>b</Bucket><Key>k</Key>${inner}</ListPartsResult>`,
})

/** What the store answers, to which call; what that is; what the message must say. */
const rows: readonly (readonly [
  what: string,
  call: keyof typeof calls,
  answers: readonly ScriptedAnswer[],
  code: ProblemCode,
  says: RegExp,
])[] = [
  [
    'no object',
    'get',
    [fault(404, 'NoSuchKey')],
    'object-not-found',
    /did not read oicr\.icgc\/data\/x \(NoSuchKey, status 404, request R1\): said the store/,
  ],
  ['no bucket', 'get', [fault(404, 'NoSuchBucket')], 'invalid-configuration', /create the bucket/],
  ['no bucket, to a listing', 'list', [fault(404, 'NoSuchBucket')], 'invalid-configuration', /create the bucket/],
  ['no bucket, to a beginning', 'begin', [fault(404, 'NoSuchBucket')], 'invalid-configuration', /create the bucket/],
  [
    'no bucket, to HEAD, which has no body',
    'head',
    [{ status: 404 }, { status: 404 }],
    'invalid-configuration',
    /find the bucket oicr\.icgc \(NotFound, status 404, request R1\); create the bucket/,
  ],
  ['no bucket, to an abort', 'abort', [fault(404, 'NoSuchBucket')], 'invalid-configuration', /create the bucket/],
  ['a bad bucket name', 'put', [fault(400, 'InvalidBucketName')], 'invalid-configuration', /3 to 63/],
  ['no upload', 'parts', [fault(404, 'NoSuchUpload')], 'upload-not-found', /list the parts/],
  ['no upload, in the words of RGW', 'parts', [fault(404, 'NoSuchKey')], 'upload-not-found', /NoSuchKey/],
  ['no upload, to a completion', 'complete', [fault(404, 'NoSuchUpload')], 'upload-not-found', /join the parts/],
  [
    'no upload, RGW: 500 for the completion',
    'complete',
    [fault(500, 'InternalError'), fault(404, 'NoSuchKey')],
    'upload-not-found',
    /knows no upload U1/,
  ],
  [
    '500 for the completion of an upload that is there',
    'complete',
    [fault(500, 'InternalError'), partsPage(part)],
    'unavailable',
    /InternalError/,
  ],
  ['200 with an error body, as AWS may answer late', 'complete', [fault(200, 'SlowDown')], 'unavailable', /SlowDown/],
  ['200 with an error body that is final', 'complete', [fault(200, 'InvalidPart')], 'part-mismatch', /send it and report it once more/],
  ['a missing part', 'complete', [fault(400, 'InvalidPart')], 'part-mismatch', /InvalidPart/],
  ['parts out of order', 'complete', [fault(400, 'InvalidPartOrder')], 'part-mismatch', /ascending/],
  ['a small part', 'complete', [fault(400, 'EntityTooSmall')], 'part-mismatch', /5 MiB/],
  ['a large object', 'complete', [fault(400, 'EntityTooLarge')], 'invalid-request', /larger/],
  ['an object in the way', 'complete', [fault(412, 'PreconditionFailed')], 'object-exists', /PreconditionFailed/],
  ['another writer in the same moment', 'complete', [fault(409, 'ConditionalRequestConflict')], 'unavailable', /Conflict/],
  ['a range past the end', 'range', [fault(416, 'InvalidRange')], 'invalid-range', /InvalidRange/],
  ['a refusal', 'get', [fault(403, 'AccessDenied')], 'access-denied', /without the right to list a bucket/],
  ['a refusal of HEAD, which has no body', 'head', [{ status: 403 }], 'access-denied', /describe oicr\.icgc\/data\/x/],
  ['an unknown key', 'put', [fault(403, 'InvalidAccessKeyId')], 'access-denied', /access key and secret/],
  ['a wrong secret', 'put', [fault(403, 'SignatureDoesNotMatch')], 'access-denied', /Host header/],
  ['an old session', 'list', [fault(400, 'ExpiredToken')], 'access-denied', /ran out; renew/],
  ['a bad token', 'list', [fault(400, 'InvalidToken')], 'access-denied', /access key/],
  ['a clock that is wrong', 'put', [fault(403, 'RequestTimeTooSkewed')], 'unavailable', /clock/],
  [
    'another region, by header',
    'get',
    [fault(301, 'PermanentRedirect', '', { 'x-amz-bucket-region': 'eu-west-1' })],
    'invalid-configuration',
    /region eu-west-1/,
  ],
  [
    'another region, to HEAD',
    'head',
    [{ status: 301, headers: { 'x-amz-bucket-region': 'eu-west-1' } }],
    'invalid-configuration',
    /region eu-west-1/,
  ],
  [
    'another region, in the body',
    'list',
    [fault(400, 'AuthorizationHeaderMalformed', '<Region>eu-west-3</Region>')],
    'invalid-configuration',
    /region eu-west-3/,
  ],
  ['a bucket that moves', 'get', [fault(307, 'TemporaryRedirect')], 'unavailable', /TemporaryRedirect/],
  ['too many requests', 'put', [fault(503, 'SlowDown', '', { 'retry-after': '7' })], 'unavailable', /SlowDown/],
  ['too many requests, 429', 'put', [{ status: 429, headers: { 'retry-after': '7' } }], 'unavailable', /429/],
  [
    'a proxy without its store',
    'list',
    [{ status: 502, headers: { 'content-type': 'text/html' }, body: '<html><body>Bad Gateway</body></html>' }],
    'unavailable',
    /502/,
  ],
  ['a full store', 'put', [fault(507, 'XMinioStorageFull')], 'unavailable', /full/],
  ['a wrong digest', 'put', [fault(400, 'BadDigest')], 'checksum-mismatch', /BadDigest/],
  ['a feature that is missing', 'begin', [fault(501, 'NotImplemented')], 'store-protocol', /NotImplemented/],
  ['an archived object', 'get', [fault(403, 'InvalidObjectState')], 'internal', /restore it/],
  ['a KMS key that is none', 'begin', [fault(400, 'KMS.NotFoundException')], 'invalid-configuration', /key id/],
  ['an unknown key, versitygw: 404', 'delete', [fault(404, 'XAdminUserNotFound')], 'access-denied', /access key and secret/],
  ['a 404 that is about something else', 'abort', [fault(404, 'NoSuchSurprise')], 'internal', /NoSuchSurprise/],
  ['a code nobody knows', 'put', [fault(400, 'Surprise')], 'internal', /Surprise/],
  [
    'a web page instead of a listing',
    'list',
    [{ status: 200, headers: { 'content-type': 'text/html' }, body: '<html><br>login' }],
    'store-protocol',
    /proxy/,
  ],
  [
    'a listing that goes on nowhere',
    'folders',
    [{ status: 200, body: '<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>' }],
    'store-protocol',
    /goes on/,
  ],
  ['parts that go on nowhere', 'parts', [partsPage('<IsTruncated>true</IsTruncated>')], 'store-protocol', /more parts/],
  [
    'an upload without id',
    'begin',
    [{ status: 200, body: '<InitiateMultipartUploadResult></InitiateMultipartUploadResult>' }],
    'store-protocol',
    /without giving its id/,
  ],
  [
    'another range than asked for',
    'range',
    [{ status: 206, headers: { 'content-range': 'bytes 0-4/100' }, body: '01234' }],
    'store-protocol',
    /another range/,
  ],
  ['the whole instead of a range', 'range', [{ status: 200, body: '0123456789' }], 'store-protocol', /ignored the range/],
  [
    'a range that was cut at the end',
    'range',
    [{ status: 206, headers: { 'content-range': 'bytes 5-7/8' }, body: '567' }],
    'invalid-range',
    /past the end/,
  ],
  ['no answer', 'head', [{ status: 0, cutAfter: 0 }], 'unavailable', /connection was cut/],
]

suite('storage/s3 refusals', (test) => {
  let store: ScriptedStore
  let backend: StorageBackend
  test.before(async () => {
    store = await startScriptedStore()
  })
  test.after(() => store.close())
  test.beforeEach(() => {
    backend = createS3Backend({ endpoint: store.endpoint, credentials: { accessKeyId: 'key', secretAccessKey: 'hidden-secret' } })
  })

  for (const [what, call, answers, code, says] of rows) {
    test(`${what}, to ${call}: ${code}`, async () => {
      store.will(...answers)
      const error = await failureOf(calls[call](backend))
      assert.is(error.code, code, error.message)
      assert.match(error.message, says)
      assert.ok(
        error.message.includes(store.endpoint) ||
          code === 'store-protocol' ||
          code === 'invalid-range' ||
          what.startsWith('no upload, RGW'),
        error.message,
      )
      assert.not.match(error.message, /hidden-secret|X-Amz-Signature=/)
      assert.ok(error.cause !== undefined || code === 'store-protocol' || code === 'invalid-range')
      assert.is(store.requests.length, answers.length, 'the driver sends nothing twice')
      if (answers[0]?.headers?.['retry-after'] !== undefined) assert.is(error.retryAfterSeconds, 7)
    })
  }

  for (const call of ['head', 'delete', 'abort'] as const) {
    test(`what is missing is no failure of ${call}`, async () => {
      store.will(call === 'head' ? { status: 404 } : fault(404, call === 'abort' ? 'NoSuchUpload' : 'NoSuchKey'), { status: 200 })
      assert.is(await calls[call](backend), undefined)
    })
  }

  test('a bucket is asked for once, and a key that may not ask is believed', async () => {
    store.will({ status: 404 }, { status: 403 }, { status: 404 })
    assert.is(await backend.head(at), undefined)
    assert.is(await backend.head(at), undefined)
    assert.equal(
      store.requests.map(({ url }) => url.split('?')[0]),
      ['/oicr.icgc/data/x', '/oicr.icgc/', '/oicr.icgc/data/x'],
    )
  })

  test('a body that ends early is unavailable, after what came', async () => {
    store.will({ status: 200, body: 'x'.repeat(1000), cutAfter: 400 })
    let received = 0
    const error = await failureOf(
      (async () => {
        for await (const chunk of backend.get(at)) received += chunk.length
      })(),
    )
    assert.is(error.code, 'unavailable')
    assert.is(received, 400)
    assert.is(store.requests.length, 1)
  })

  for (const silentAfter of [0, 400]) {
    test(`a store that falls silent after ${silentAfter} bytes is given up`, async () => {
      const impatient = createS3Backend({
        endpoint: store.endpoint,
        credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
        idleTimeoutMs: 1000,
      })
      store.will({ status: 200, body: 'x'.repeat(1000), silentAfter })
      let received = 0
      const error = await failureOf(
        (async () => {
          for await (const chunk of impatient.get(at)) received += chunk.length
        })(),
      )
      assert.is(error.code, 'unavailable')
      assert.is(received, silentAfter)
    })
  }

  test('a refused connection names the address and the way out', async () => {
    const gone = await startScriptedStore()
    await gone.close()
    const error = await failureOf(
      createS3Backend({ endpoint: gone.endpoint, credentials: { accessKeyId: 'a', secretAccessKey: 'b' } }).head(at),
    )
    assert.is(error.code, 'unavailable')
    assert.match(error.message, `cannot reach ${gone.endpoint}: nothing listens there`)
  })

  test('a request is signed for the time of a store whose clock differs', async () => {
    const ahead = new Date(Date.now() + 3_600_000)
    const headers = { date: ahead.toUTCString() }
    store.will({ ...fault(403, 'RequestTimeTooSkewed'), headers }, { status: 200, headers })
    assert.is((await failureOf(backend.put(at, Buffer.from('x')))).code, 'unavailable')
    await backend.put(at, Buffer.from('x'))
    const second = String(store.requests[1]?.headers['x-amz-date'])
    assert.is(second.slice(0, 11), `${ahead.toISOString().slice(0, 13).replace(/-/g, '')}`)
    const { url } = await backend.presign({ action: 'get', address: at, expiresInSeconds: 60 })
    assert.is(new URL(url).searchParams.get('X-Amz-Date')?.slice(0, 11), second.slice(0, 11))
  })

  test('ifAbsent: asks, then says so; a store without the condition still joins', async () => {
    store.will({ status: 404 }, { status: 200 }, fault(501, 'NotImplemented'), {
      status: 200,
      body: '<CompleteMultipartUploadResult><ETag>"e-1"</ETag></CompleteMultipartUploadResult>',
    })
    await backend.completeMultipart(multipart, [{ number: 1, etag: 'e' }], { ifAbsent: true })
    assert.equal(
      store.requests.map(({ method, headers }) => [method, headers['if-none-match']]),
      [
        ['HEAD', undefined],
        ['HEAD', undefined],
        ['POST', '*'],
        ['POST', undefined],
      ],
    )
    store.will({ status: 200, headers: { etag: '"e"', 'last-modified': new Date(0).toUTCString() } })
    assert.is((await failureOf(backend.completeMultipart(multipart, [{ number: 1, etag: 'e' }], { ifAbsent: true }))).code, 'object-exists')
    assert.is(store.requests.length, 1)
  })

  const settings = [
    [undefined, undefined, undefined, undefined],
    [{ algorithm: 'AES256' }, 'AES256', undefined, undefined],
    [{ algorithm: 'aws:kms' }, 'aws:kms', undefined, undefined],
    [{ algorithm: 'aws:kms', keyId: 'K1', documents: true }, 'aws:kms', 'K1', 'aws:kms'],
  ] as const
  for (const [sse, upload, keyId, document] of settings) {
    test(`encryption ${JSON.stringify(sse)}`, async () => {
      const encrypting = createS3Backend({
        endpoint: store.endpoint,
        credentials: { accessKeyId: 'a', secretAccessKey: 'b' },
        ...(sse === undefined ? {} : { sse }),
      })
      store.will(
        { status: 200, body: '<InitiateMultipartUploadResult><UploadId>U</UploadId></InitiateMultipartUploadResult>' },
        { status: 200 },
      )
      await encrypting.createMultipart(at)
      await encrypting.put(at, Buffer.from('x'))
      const [begun, put] = store.requests
      assert.is(begun?.headers['x-amz-server-side-encryption'], upload)
      assert.is(begun?.headers['x-amz-server-side-encryption-aws-kms-key-id'], keyId)
      assert.is(put?.headers['x-amz-server-side-encryption'], document)
      for (const request of store.requests) {
        const checksums = Object.keys(request.headers).filter((name) => /^x-amz-(checksum|sdk-checksum)|^x-amz-trailer/.test(name))
        assert.equal(checksums, [], 'no checksums that stores refuse')
      }
    })
  }

  const described = [
    ['plain', {}, '5d41402abc4b2a76b9719d911017c592'],
    ['SSE-S3', { 'x-amz-server-side-encryption': 'AES256' }, '5d41402abc4b2a76b9719d911017c592'],
    ['SSE-KMS', { 'x-amz-server-side-encryption': 'aws:kms' }, undefined],
    ['DSSE-KMS', { 'x-amz-server-side-encryption': 'aws:kms:dsse' }, undefined],
    ['SSE-C', { 'x-amz-server-side-encryption-customer-algorithm': 'AES256' }, undefined],
  ] as const
  for (const [how, headers, md5] of described) {
    test(`the ETag of an object stored ${how} is ${md5 === undefined ? 'no' : 'its'} MD5`, async () => {
      store.will({
        status: 200,
        headers: {
          etag: '"5d41402abc4b2a76b9719d911017c592"',
          'last-modified': new Date(0).toUTCString(),
          'x-amz-meta-MD5chksum': 'XUFA',
          ...headers,
        },
        body: '',
      })
      const stat = await backend.head(at)
      assert.is(stat?.md5, md5)
      assert.equal(stat?.metadata, { md5chksum: 'XUFA' })
    })
  }

  test('keys that are listed URL-encoded are decoded, others are not', async () => {
    const page = (encoding: string) =>
      `<ListBucketResult>${encoding}<Contents><Key>a+b%2Bc%20d</Key><Size>1</Size><LastModified>2026-11-24T12:00:00.000Z</LastModified></Contents></ListBucketResult>`
    store.will({ status: 200, body: page('<EncodingType>url</EncodingType>') }, { status: 200, body: page('') })
    assert.is((await first(backend.list(at)))?.key, 'a b+c d')
    assert.is((await first(backend.list(at)))?.key, 'a+b%2Bc%20d')
  })
})
