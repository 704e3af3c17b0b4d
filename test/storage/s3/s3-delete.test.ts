import { createHash } from 'node:crypto'
import * as assert from 'uvu/assert'
import { isScoreError, type ProblemCode } from '../../../src/core/errors.ts'
import { createS3Backend } from '../../../src/s3.ts'
import { createRetryingBackend } from '../../../src/storage/retrying-backend.ts'
import type { ObjectAddress, StorageBackend } from '../../../src/storage/storage-backend.ts'
import { suite } from '../../support/suite.ts'
import { errorBody, type ScriptedAnswer, type ScriptedStore, type SeenRequest, startScriptedStore } from './scripted-store.ts'

const bucket = 'oicr.icgc'
const done: ScriptedAnswer = { status: 200, body: '<DeleteResult></DeleteResult>' }
const gone: ScriptedAnswer = { status: 204 }

function addresses(count: number): readonly ObjectAddress[] {
  return Array.from({ length: count }, (_, index) => ({ bucket, key: `upload/x_y/part-${index}|{"etag":"<&>"}` }))
}

function failed(...failures: readonly (readonly [key: string, code: string])[]): ScriptedAnswer {
  const errors = failures.map(([key, code]) => `<Error><Key>${key}</Key><Code>${code}</Code><Message>said the store</Message></Error>`)
  return { status: 200, body: `<DeleteResult>${errors.join('')}</DeleteResult>` }
}

function keysIn({ body }: SeenRequest): readonly string[] {
  return [...body.matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key = '']) => key)
}

const isBatch = ({ method, url }: SeenRequest): boolean => method === 'POST' && /[?&]delete\b/.test(url)
const isSingle = ({ method }: SeenRequest): boolean => method === 'DELETE'

/** What the store says of the keys of one request; what that is; what the message must say. */
const refusals: readonly (readonly [what: string, answer: ScriptedAnswer, code: ProblemCode, says: RegExp])[] = [
  ['one key', failed(['a/b', 'AccessDenied']), 'access-denied', /did not delete oicr\.icgc\/a\/b \(AccessDenied\): said the store/],
  ['several', failed(['a', 'InternalError'], ['b', 'InternalError']), 'unavailable', /delete oicr\.icgc\/a and 1 more \(InternalError\)/],
  ['one of which is gone', failed(['a', 'NoSuchKey'], ['b', 'SlowDown']), 'unavailable', /delete oicr\.icgc\/b \(SlowDown\)/],
  ['in words unheard of', failed(['a', 'WormLocked']), 'internal', /delete oicr\.icgc\/a \(WormLocked\)/],
  ['the whole, without the right', { status: 403, body: errorBody('AccessDenied') }, 'access-denied', /delete 3 objects of oicr\.icgc/],
  ['the whole, without the bucket', { status: 404, body: errorBody('NoSuchBucket') }, 'invalid-configuration', /create the bucket/],
  ['the whole, for now', { status: 503, body: errorBody('SlowDown') }, 'unavailable', /SlowDown/],
  ['the whole, for its bytes', { status: 400, body: errorBody('BadDigest') }, 'checksum-mismatch', /BadDigest/],
]

/** Stores that have no such request. */
const unknown: readonly (readonly [what: string, answer: ScriptedAnswer])[] = [
  ['NotImplemented', { status: 501, body: errorBody('NotImplemented') }],
  ['NotImplemented with 400, as Google has it', { status: 400, body: errorBody('NotImplemented') }],
  ['MethodNotAllowed', { status: 405, body: errorBody('MethodNotAllowed') }],
  ['405 of a proxy', { status: 405, headers: { 'content-type': 'text/html' }, body: '<html></html>' }],
]

suite('storage/s3 deleting many', (test) => {
  let store: ScriptedStore
  const backend = (): Required<Pick<StorageBackend, 'deleteMany'>> & StorageBackend => {
    const made = createS3Backend({ endpoint: store.endpoint, credentials: { accessKeyId: 'key', secretAccessKey: 'secret' } })
    if (made.deleteMany === undefined) throw new Error('the driver deletes one by one')
    return { ...made, deleteMany: made.deleteMany }
  }
  test.before(async () => {
    store = await startScriptedStore()
  })
  test.after(() => store.close())

  test('1000 keys to a request, each once, quietly, with the MD5 of the request', async () => {
    store.will(done)
    const wanted = addresses(2001)
    await backend().deleteMany(wanted)
    assert.equal(store.requests.map((request) => keysIn(request).length).sort(), [1, 1000, 1000])
    const named = store.requests.flatMap(keysIn)
    assert.is(new Set(named).size, wanted.length)
    for (const request of store.requests) {
      assert.ok(isBatch(request), `${request.method} ${request.url}`)
      assert.match(request.body, '<Quiet>true</Quiet>')
      assert.is(request.headers['content-md5'], createHash('md5').update(request.body).digest('base64'))
      assert.match(String(request.headers.authorization), /SignedHeaders=[^,]*\bcontent-md5\b/)
    }
    assert.match(named[0] ?? '', /&lt;&amp;&gt;/)
  })

  test('each bucket has its own requests; nothing to delete asks for nothing', async () => {
    store.will(done)
    await backend().deleteMany([
      { bucket: 'one', key: 'a' },
      { bucket: 'two', key: 'b' },
      { bucket: 'one', key: 'c' },
    ])
    const seen = store.requests.map((request) => [new URL(request.url, store.endpoint).pathname.replace(/\/$/, ''), keysIn(request)])
    assert.equal(seen.sort(), [
      ['/one', ['a', 'c']],
      ['/two', ['b']],
    ])
    store.will(done)
    await backend().deleteMany([])
    assert.is(store.requests.length, 0)
  })

  for (const [what, answer, code, says] of refusals)
    test(`refused: ${what}`, async () => {
      store.will(answer)
      const error = await backend()
        .deleteMany(addresses(3))
        .catch((thrown: unknown) => thrown)
      assert.ok(isScoreError(error, code), String(error))
      assert.match(error.message, says)
      assert.is(store.requests.filter(isSingle).length, 0)
    })

  test('a key that is not there is no failure', async () => {
    store.will(failed(['a', 'NoSuchKey'], ['b', 'NoSuchKey']))
    await backend().deleteMany(addresses(2))
    assert.is(store.requests.length, 1)
  })

  for (const [what, answer] of unknown)
    test(`one by one where the store has no such request, asked once: ${what}`, async () => {
      store.will(answer, gone)
      const driver = backend()
      await driver.deleteMany(addresses(3))
      await driver.deleteMany(addresses(2))
      assert.is(store.requests.filter(isBatch).length, 1)
      const singles = store.requests.filter(isSingle).map(({ url }) => decodeURIComponent(new URL(url, store.endpoint).pathname))
      assert.is(singles.length, 5)
      for (const { key } of addresses(3)) assert.ok(singles.includes(`/${bucket}/${key}`), key)
    })

  test('one by one, a failure is told', async () => {
    store.will({ status: 501, body: errorBody('NotImplemented') }, { status: 403, body: errorBody('AccessDenied') })
    const error = await backend()
      .deleteMany(addresses(1))
      .catch((thrown: unknown) => thrown)
    assert.ok(isScoreError(error, 'access-denied'), String(error))
  })

  test('what a repeat may mend is repeated', async () => {
    store.will(failed(['a', 'InternalError']), done)
    const repeating = createRetryingBackend(backend(), { sleep: async () => undefined })
    await repeating.deleteMany?.(addresses(2))
    assert.equal(
      store.requests.map((request) => keysIn(request).length),
      [2, 2],
    )
  })
})
