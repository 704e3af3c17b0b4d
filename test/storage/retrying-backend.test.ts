import * as assert from 'uvu/assert'
import { isScoreError, ScoreError } from '../../src/core/errors.ts'
import { guardBackend } from '../../src/objects/guarded-backend.ts'
import { createMemoryBackend } from '../../src/storage/memory/backend.ts'
import { observeBackend } from '../../src/storage/observed-backend.ts'
import { createRetryingBackend } from '../../src/storage/retrying-backend.ts'
import type { StorageBackend } from '../../src/storage/storage-backend.ts'
import { storageBackendContract } from '../../src/testing.ts'
import { suite } from '../support/suite.ts'

const bucket = 'oicr.icgc'
const at = { bucket, key: 'data/x' }

type Call = Exclude<keyof StorageBackend, 'name' | 'listsAllParts'>

/** A store that fails before a call, or before the n-th item of a stream, as often as told. */
function createFlaky(inner: StorageBackend): {
  backend: StorageBackend
  fail(call: Call, error: Error, ...atItems: readonly number[]): void
  calls: Call[]
} {
  const faults: { readonly call: Call; readonly error: Error; readonly item: number }[] = []
  const calls: Call[] = []
  const take = (call: Call, item: number): void => {
    const index = faults.findIndex((fault) => fault.call === call && fault.item === item)
    if (index < 0) return
    const [fault] = faults.splice(index, 1)
    throw fault?.error
  }
  const single =
    <Args extends readonly unknown[], Result>(call: Call, work: (...args: Args) => Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      calls.push(call)
      take(call, 0)
      return work(...args)
    }
  const stream = <Args extends readonly unknown[], Item>(call: Call, work: (...args: Args) => AsyncIterable<Item>) =>
    async function* (...args: Args): AsyncIterable<Item> {
      calls.push(call)
      let item = 0
      for await (const one of work(...args)) {
        take(call, item++)
        yield one
      }
      take(call, item)
    }
  const backend: StorageBackend = {
    name: inner.name,
    head: single('head', inner.head),
    get: stream('get', inner.get),
    put: single('put', inner.put),
    delete: single('delete', inner.delete),
    list: stream('list', inner.list),
    listFolders: stream('listFolders', inner.listFolders),
    presign: single('presign', inner.presign),
    createMultipart: single('createMultipart', inner.createMultipart),
    listParts: stream('listParts', inner.listParts),
    completeMultipart: single('completeMultipart', inner.completeMultipart),
    abortMultipart: single('abortMultipart', inner.abortMultipart),
  }
  return {
    backend,
    calls,
    fail: (call, error, ...atItems) => void faults.push(...(atItems.length === 0 ? [0] : atItems).map((item) => ({ call, error, item }))),
  }
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = []
  for await (const item of items) found.push(item)
  return found
}

const down = (): ScoreError => new ScoreError('unavailable', 'the store is down', { retryAfterSeconds: 3 })

suite('storage/retrying backend', (test) => {
  const prepare = async () => {
    const memory = createMemoryBackend()
    const flaky = createFlaky(memory)
    const waits: number[] = []
    const backend = createRetryingBackend(flaky.backend, {
      random: () => 0,
      sleep: async (ms) => {
        waits.push(ms)
      },
    })
    await memory.put(at, Buffer.from('hello'))
    const multipart = await memory.createMultipart({ bucket, key: 'data/y' })
    const etags: string[] = []
    for (let partNumber = 1; partNumber <= 6; partNumber++) {
      const { url } = await memory.presign({ action: 'put-part', multipart, partNumber, expiresInSeconds: 60 })
      etags.push((await memory.send(url, { method: 'PUT', body: `part ${partNumber}` })).headers.get('etag') ?? '')
    }
    return { memory, flaky, backend, waits, multipart }
  }

  test('every wrapper says of a store what the store says of itself', () => {
    const { backend } = createFlaky(createMemoryBackend())
    const wrappers = [createRetryingBackend, guardBackend, (inner: StorageBackend) => observeBackend(inner, () => {})]
    for (const wrap of wrappers) {
      assert.is(wrap({ ...backend, listsAllParts: true }).listsAllParts, true)
      assert.is(wrap(backend).listsAllParts, undefined)
    }
  })

  const singles: readonly (readonly [
    Call,
    (backend: StorageBackend, multipart: Awaited<ReturnType<StorageBackend['createMultipart']>>) => Promise<unknown>,
  ])[] = [
    ['head', (backend) => backend.head(at)],
    ['put', (backend) => backend.put(at, Buffer.from('x'))],
    ['delete', (backend) => backend.delete(at)],
    ['presign', (backend) => backend.presign({ action: 'get', address: at, expiresInSeconds: 60 })],
    ['createMultipart', (backend) => backend.createMultipart(at)],
    ['completeMultipart', async (backend, multipart) => backend.completeMultipart(multipart, await all(backend.listParts(multipart)))],
    ['abortMultipart', (backend, multipart) => backend.abortMultipart(multipart)],
  ]
  for (const [call, work] of singles) {
    test(`${call} is repeated while the store is down, after what it asks to wait`, async () => {
      const { flaky, backend, waits, multipart } = await prepare()
      flaky.fail(call, down())
      flaky.fail(call, down())
      await work(backend, multipart)
      assert.is(flaky.calls.filter((one) => one === call).length, 3)
      assert.equal(waits, [3000, 3000])
    })

    test(`${call} is not repeated when it was refused`, async () => {
      const { flaky, backend, waits, multipart } = await prepare()
      flaky.fail(call, new ScoreError('access-denied', 'no'))
      const error = await work(backend, multipart).catch((thrown: unknown) => thrown)
      assert.ok(isScoreError(error, 'access-denied'))
      assert.equal(waits, [])
    })
  }

  test('a reader that has seen a piece hears of the failure, one that has not does not', async () => {
    const { flaky, backend } = await prepare()
    flaky.fail('get', down(), 0)
    assert.is(Buffer.concat(await all(backend.get(at))).toString(), 'hello')
    assert.equal(flaky.calls, ['get', 'get'])
    flaky.fail('get', down(), 1)
    const error = await all(backend.get(at)).catch((thrown: unknown) => thrown)
    assert.ok(isScoreError(error, 'unavailable'))
    assert.is(flaky.calls.length, 3)
  })

  test('listings go on where they broke', async () => {
    const { memory, flaky, backend, multipart } = await prepare()
    const names = Array.from({ length: 9 }, (_, index) => `many/${index}/object`)
    for (const key of names) await memory.put({ bucket, key }, Buffer.from('x'))
    for (const item of [0, 4, 9]) flaky.fail('list', down(), item)
    const keys = (await all(backend.list({ bucket, key: 'many/' }))).map(({ key }) => key)
    assert.equal(keys, names)
    for (const item of [0, 4, 9]) flaky.fail('listFolders', down(), item)
    assert.equal(
      await all(backend.listFolders({ bucket, key: 'many/' })),
      names.map((key) => key.slice(0, -'object'.length)),
    )
    for (const item of [0, 2]) flaky.fail('listParts', down(), item)
    assert.equal(
      (await all(backend.listParts(multipart, { after: 1, limit: 4 }))).map(({ number }) => number),
      [2, 3, 4, 5],
    )
    assert.is(flaky.calls.filter((call) => call === 'listParts').length, 3)
  })

  test('a listing that is left early leaves the store alone', async () => {
    const { flaky, backend } = await prepare()
    for await (const _object of backend.list({ bucket, key: '' })) break
    assert.equal(flaky.calls, ['list'])
  })

  test('an abort ends the waiting', async () => {
    const { flaky, backend } = await prepare()
    flaky.fail('head', down())
    const controller = new AbortController()
    const patient = createRetryingBackend(flaky.backend, { onRetry: () => controller.abort(new Error('told to stop')) })
    const error = await patient.head(at, { signal: controller.signal }).catch((thrown: unknown) => thrown)
    assert.match(String(error), 'told to stop')
    assert.ok(await backend.head(at))
  })

  for (const { name, run } of storageBackendContract('memory, repeated', async () => {
    let ahead = 0
    const memory = createMemoryBackend({ now: () => Date.now() + ahead })
    return {
      backend: createRetryingBackend(memory),
      bucket,
      send: memory.send,
      advance: (ms) => {
        ahead += ms
      },
    }
  }))
    test(name, run)
})
