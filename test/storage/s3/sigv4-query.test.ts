import { GetObjectCommand, S3Client, UploadPartCommand } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import * as assert from 'uvu/assert'
import { formatHttpRange } from '../../../src/core/byte-range.ts'
import { isScoreError } from '../../../src/core/errors.ts'
import { createS3Backend } from '../../../src/s3.ts'
import type { PresignRequest } from '../../../src/storage/storage-backend.ts'
import { suite } from '../../support/suite.ts'

/** mulberry32: the same corpus every time. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const odd = [
  ' ',
  '+',
  '%',
  '%2F',
  '/',
  '//',
  '../',
  '.',
  '~',
  '!',
  "'",
  '(',
  ')',
  '*',
  '&',
  '=',
  '?',
  '#',
  ':',
  ';',
  ',',
  '@',
  '$',
  '|',
  '"',
  '<',
  '>',
  '\\',
  '^',
  '`',
  '{',
  '}',
  '[',
  ']',
  'ä',
  '日本',
  '😀',
  '\t',
  '\n',
  '\u007f',
  'part-0000000a|{"md5":"x"}',
]
const plain = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.'
const hosts = [
  'http://127.0.0.1:9000',
  'http://minio',
  'https://s3.example.org',
  'https://s3.example.org:8443',
  'https://store.example.org:443',
  'http://store.example.org:80',
  'http://[::1]:9000',
  undefined,
]
const buckets = ['score.data', 'oicr.icgc', 'oicr.icgc.17', 'bucket', 'abc']
const regions = ['us-east-1', 'eu-west-1', 'ap-southeast-2', 'default']

interface Setting {
  readonly place: { readonly region: string; readonly forcePathStyle: boolean; readonly endpoint?: string }
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken?: string }
}

interface Sample {
  readonly request: PresignRequest
  readonly now: number
}

function createCorpus(seed: number): { setting(): Setting; sample(): Sample } {
  const random = createRandom(seed)
  const whole = (limit: number): number => Math.floor(random() * limit)
  const pick = <Item>(items: readonly Item[]): Item => items[whole(items.length)] as Item
  const text = (length: number): string => Array.from({ length }, () => (random() < 0.3 ? pick(odd) : plain[whole(plain.length)])).join('')
  const base64 = (length: number): string => Buffer.from(Array.from({ length }, () => whole(256))).toString('base64')
  const timed = (): PresignRequest => {
    const address = { bucket: pick(buckets), key: `${pick(['data/', 'upload/', ''])}${text(1 + whole(40))}` }
    const expiresInSeconds = 1 + whole(604_800)
    const start = whole(1e12)
    const shape = whole(3)
    if (shape === 0) return { action: 'get', address, expiresInSeconds }
    if (shape === 1) return { action: 'get', address, range: { start, end: start + 1 + whole(1e9) }, expiresInSeconds }
    return { action: 'put-part', multipart: { ...address, uploadId: text(1 + whole(60)) }, partNumber: 1 + whole(10_000), expiresInSeconds }
  }
  return {
    setting() {
      const endpoint = pick(hosts)
      const region = pick(endpoint === undefined ? regions.slice(0, 3) : regions)
      // The SDK fails to put a bucket with dots before an IP address.
      const forcePathStyle = /127|\[/.test(endpoint ?? '') || random() < 0.6
      return {
        place: { region, forcePathStyle, ...(endpoint === undefined ? {} : { endpoint }) },
        credentials: {
          accessKeyId: random() < 0.2 ? 'test:tester' : text(20).replace(/[^\w:]/g, 'x'),
          secretAccessKey: base64(30),
          ...(random() < 0.3 ? { sessionToken: base64(100 + whole(600)) } : {}),
        },
      }
    },
    sample: () => ({
      request: timed(),
      now: Date.UTC(2015 + whole(30), whole(12), 1 + whole(28), whole(24), whole(60), whole(60), whole(1000)),
    }),
  }
}

process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true'

function signedBySdk(client: S3Client, { request, now }: Sample): Promise<string> {
  const timing = { expiresIn: request.expiresInSeconds, signingDate: new Date(now) }
  if (request.action === 'put-part') {
    const { bucket, key, uploadId } = request.multipart
    const input = { Bucket: bucket, Key: key, UploadId: uploadId, PartNumber: request.partNumber }
    return getSignedUrl(client, new UploadPartCommand(input), timing)
  }
  const { bucket, key } = request.address
  const range = request.range === undefined ? {} : { Range: formatHttpRange(request.range) }
  return getSignedUrl(client, new GetObjectCommand({ Bucket: bucket, Key: key, ...range }), timing)
}

const checksums = { requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' } as const
const day = 86_400
const at = { bucket: 'score.data', key: 'data/x' }
const keys = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }
const noon = Date.UTC(2026, 10, 24, 12)

suite('storage/s3 signed URLs', (test) => {
  test('equal to those of the SDK, to the byte', async () => {
    const corpus = createCorpus(20_261_124)
    for (let round = 0; round < 150; round++) {
      const { place, credentials } = corpus.setting()
      const client = new S3Client({ ...place, credentials, ...checksums })
      let now = 0
      const backend = createS3Backend({ ...place, credentials, now: () => now })
      for (let index = 0; index < 20; index++) {
        const sample = corpus.sample()
        now = sample.now
        const { url, expiresAt } = await backend.presign(sample.request)
        assert.is(url, await signedBySdk(client, sample), `round ${round}: ${JSON.stringify(sample.request)}`)
        assert.is(expiresAt.getTime(), Math.floor(now / 1000) * 1000 + sample.request.expiresInSeconds * 1000)
      }
    }
  })

  test('a URL for the public name is what that name signs itself', async () => {
    const request: PresignRequest = { action: 'get', address: at, expiresInSeconds: day }
    const common = { credentials: keys, now: () => noon }
    const inside = createS3Backend({ ...common, endpoint: 'http://minio:9000', publicEndpoint: 'https://data.example.org' })
    const outside = createS3Backend({ ...common, endpoint: 'https://data.example.org' })
    assert.is((await inside.presign(request)).url, (await outside.presign(request)).url)
    const prefixed = createS3Backend({ ...common, endpoint: 'http://minio:9000', publicEndpoint: 'https://data.example.org/store/' })
    const url = (await prefixed.presign(request)).url
    assert.is(url.replace('/store/', '/'), (await outside.presign(request)).url)
    assert.ok(url.startsWith('https://data.example.org/store/score.data/data/x?'))
  })

  test('a URL for a proxy that gives the store its own Host back is what the store signs, at the public address', async () => {
    // A bucket without a dot, as certificates want it in a host.
    const request: PresignRequest = { action: 'get', address: { ...at, bucket: 'score-data' }, expiresInSeconds: day }
    for (const forcePathStyle of [true, false]) {
      const common = { credentials: keys, now: () => noon, endpoint: 'http://minio:9000', forcePathStyle }
      const own = new URL((await createS3Backend(common).presign(request)).url)
      const restored = createS3Backend({ ...common, publicEndpoint: 'https://data.example.org/store', signedHost: 'store' })
      const url = new URL((await restored.presign(request)).url)
      assert.is(url.search, own.search)
      assert.is(url.pathname, `/store${own.pathname}`)
      assert.is(url.origin, forcePathStyle ? 'https://data.example.org' : 'https://score-data.data.example.org')
    }
  })

  test('no URL outlives the credentials that signed it', async () => {
    const now = noon + 700
    const signedWith = (expiration: Date) =>
      createS3Backend({
        endpoint: 'http://minio:9000',
        credentials: async () => ({ ...keys, sessionToken: 'session', expiration }),
        now: () => now,
      }).presign({ action: 'get', address: at, expiresInSeconds: day })
    const hour = await signedWith(new Date(noon + 3_600_000))
    assert.is(hour.expiresAt.getTime(), noon + 3_600_000)
    assert.is(new URL(hour.url).searchParams.get('X-Amz-Expires'), '3600')
    assert.is((await signedWith(new Date(noon + 9 * day * 1000))).expiresAt.getTime(), noon + day * 1000)
    const error = await signedWith(new Date(noon - 1000)).catch((thrown: unknown) => thrown)
    assert.ok(isScoreError(error, 'access-denied'), String(error))
  })

  for (const seconds of [0, -1, 1.5, Number.NaN, 7 * day + 1]) {
    test(`a life of ${seconds} s is refused`, async () => {
      const backend = createS3Backend({ endpoint: 'http://minio:9000', credentials: keys, now: () => noon })
      const error = await backend.presign({ action: 'get', address: at, expiresInSeconds: seconds }).catch((thrown: unknown) => thrown)
      assert.ok(isScoreError(error, 'invalid-configuration'), String(error))
      assert.match(String(error), '7 days')
    })
  }

  test('the longest life is 7 days', async () => {
    const backend = createS3Backend({ endpoint: 'http://minio:9000', credentials: keys, now: () => noon })
    const { expiresAt } = await backend.presign({ action: 'get', address: at, expiresInSeconds: 7 * day })
    assert.is(expiresAt.getTime(), noon + 7 * day * 1000)
  })

  for (const endpoint of ['s3.example.org', 'ftp://s3.example.org', 'http://user:secret@s3.example.org', 'https://s3.example.org/?a=b']) {
    test(`an endpoint ${endpoint} is refused at once, its secrets unsaid`, () => {
      for (const options of [{ endpoint }, { publicEndpoint: endpoint }]) {
        assert.throws(
          () => createS3Backend(options),
          (error: unknown) => isScoreError(error, 'invalid-configuration') && !error.message.includes('secret'),
        )
      }
    })
  }
})
