import * as assert from 'uvu/assert'
import { createMemoryBackend } from '../../src/storage/memory/backend.ts'
import { observeBackend, type StoreCall } from '../../src/storage/observed-backend.ts'
import type { StorageBackend } from '../../src/storage/storage-backend.ts'
import { suite } from '../support/suite.ts'

const at = { bucket: 'oicr.icgc', key: 'data/x' }

suite('storage/observed-backend', (test) => {
  test('says of each URL what it was signed for', async () => {
    const calls: StoreCall[] = []
    const store: StorageBackend = {
      ...createMemoryBackend(),
      presignObjectWrite: async () => ({ url: 'https://store.test/whole', expiresAt: new Date(0) }),
    }
    const backend = observeBackend(store, (call) => calls.push(call))
    const multipart = await backend.createMultipart(at)
    await backend.presign({ action: 'get', address: at, expiresInSeconds: 60 })
    await backend.presign({ action: 'put-part', multipart, partNumber: 1, expiresInSeconds: 60 })
    await backend.presignObjectWrite?.(at, { expiresInSeconds: 60 })
    assert.equal(
      calls.map(({ presigned }) => presigned),
      [undefined, 'get', 'put-part', 'put-object'],
    )
  })

  test('a stream lasts until its reader had enough, and a call that throws has failed', async () => {
    const calls: StoreCall[] = []
    let now = 0
    const inner = createMemoryBackend()
    await inner.put(at, Buffer.from('bytes'))
    const backend = observeBackend(
      inner,
      (call) => calls.push(call),
      () => now,
    )
    for await (const _ of backend.get(at)) {
      now = 5
      break
    }
    await backend
      .get({ ...at, key: 'data/none' })
      [Symbol.asyncIterator]()
      .next()
      .catch(() => undefined)
    assert.equal(calls, [
      { operation: 'get', durationMs: 5, failed: false },
      { operation: 'get', durationMs: 0, failed: true },
    ])
  })
})
