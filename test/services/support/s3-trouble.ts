import * as assert from 'uvu/assert'
import { md5Hex } from '../../../src/core/checksum.ts'
import { isScoreError, type ProblemCode } from '../../../src/core/errors.ts'
import { runPool } from '../../../src/core/pool.ts'
import { createS3Backend } from '../../../src/s3.ts'
import { createRetryingBackend } from '../../../src/storage/retrying-backend.ts'
import type { StorageBackend, StoredPart } from '../../../src/storage/storage-backend.ts'
import { startFaultProxy } from './fault-proxy.ts'
import type { S3TestStore } from './s3-stores.ts'

/** Trouble that is S3's own, on a store that runs. */
export interface TroubleCase {
  readonly name: string
  check(store: S3TestStore): Promise<void>
}

const x = Buffer.from('x')

async function first<Item>(items: AsyncIterable<Item>): Promise<Item | undefined> {
  for await (const item of items) return item
  return undefined
}

async function codeOf(work: Promise<unknown>): Promise<ProblemCode | undefined> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error !== undefined && !isScoreError(error)) throw error
  return error?.code
}

async function sendPart(
  backend: StorageBackend,
  multipart: Parameters<StorageBackend['abortMultipart']>[0],
  number: number,
  body: Buffer,
): Promise<StoredPart> {
  const { url } = await backend.presign({ action: 'put-part', multipart, partNumber: number, expiresInSeconds: 600 })
  const answer = await fetch(url, { method: 'PUT', body: Uint8Array.from(body) })
  await answer.arrayBuffer()
  assert.is(answer.status, 200)
  return { number, etag: md5Hex(body) }
}

/** Every call that reaches the store, at one address. */
function everyCall(backend: StorageBackend, bucket: string): Readonly<Record<string, () => Promise<unknown>>> {
  const at = { bucket, key: 'trouble/x' }
  const multipart = { ...at, uploadId: 'none' }
  return {
    head: () => backend.head(at),
    get: () => first(backend.get(at)),
    put: () => backend.put(at, x),
    delete: () => backend.delete(at),
    list: () => first(backend.list(at)),
    listFolders: () => first(backend.listFolders(at)),
    createMultipart: () => backend.createMultipart(at),
    listParts: () => first(backend.listParts(multipart)),
    completeMultipart: () => backend.completeMultipart(multipart, [{ number: 1, etag: md5Hex('x') }]),
    abortMultipart: () => backend.abortMultipart(multipart),
    deleteMany: async () => backend.deleteMany?.([at]),
  }
}

export const troubleCases: readonly TroubleCase[] = [
  {
    name: 'wrong keys are access-denied to every call',
    async check({ options, credentials, bucket }) {
      for (const wrong of [
        { ...credentials, secretAccessKey: 'another-secret' },
        { ...credentials, accessKeyId: 'nobody' },
      ]) {
        const calls = everyCall(createS3Backend({ ...options, credentials: wrong }), bucket)
        for (const [name, call] of Object.entries(calls)) {
          const code = await codeOf(call())
          // versitygw answers 404 for a key it does not know, which HEAD cannot explain: then the bucket seems to be missing.
          assert.ok(code === 'access-denied' || (name === 'head' && code === 'invalid-configuration'), `${name}: ${code}`)
        }
      }
    },
  },
  {
    name: 'a bucket that does not exist is invalid-configuration to every call',
    async check({ backend }) {
      for (const [name, call] of Object.entries(everyCall(backend, 'no-such-bucket')))
        assert.is(await codeOf(call()), 'invalid-configuration', name)
    },
  },
  {
    name: 'a URL of wrong keys, and one of the past, opens nothing',
    async check({ backend, options, credentials, bucket }) {
      const address = { bucket, key: 'trouble/closed' }
      await backend.put(address, x)
      const liar = createS3Backend({ ...options, credentials: { ...credentials, secretAccessKey: 'another-secret' } })
      const past = createS3Backend({ ...options, now: () => Date.now() - 7_200_000 })
      for (const signer of [liar, past]) {
        const { url } = await signer.presign({ action: 'get', address, expiresInSeconds: 3600 })
        const answer = await fetch(url)
        await answer.arrayBuffer()
        assert.is(answer.status, 403)
      }
    },
  },
  {
    name: 'a part below 5 MiB that is not the last is part-mismatch',
    async check({ backend, bucket }) {
      const multipart = await backend.createMultipart({ bucket, key: 'trouble/small' })
      const parts = [await sendPart(backend, multipart, 1, x), await sendPart(backend, multipart, 2, x)]
      assert.is(await codeOf(backend.completeMultipart(multipart, parts)), 'part-mismatch')
      await backend.abortMultipart(multipart)
    },
  },
  {
    name: 'an upload that is aborted while parts fly leaves nothing',
    async check({ backend, bucket }) {
      const multipart = await backend.createMultipart({ bucket, key: 'trouble/flying' })
      const part = Buffer.alloc(5 * 1024 ** 2, 'p')
      const urls = await Promise.all(
        [1, 2, 3, 4].map((partNumber) => backend.presign({ action: 'put-part', multipart, partNumber, expiresInSeconds: 600 })),
      )
      const flying = urls.map(async ({ url }) => {
        const answer = await fetch(url, { method: 'PUT', body: part })
        await answer.arrayBuffer()
      })
      // versitygw may answer 500 while parts arrive in the folder that it removes; the service repeats that, and so does this.
      const repeating = createRetryingBackend(backend)
      await repeating.abortMultipart(multipart)
      // Whether they arrive or break is the store's choice; what arrived after the abort goes with the next one.
      await Promise.allSettled(flying)
      await repeating.abortMultipart(multipart)
      assert.is(await codeOf(first(backend.listParts(multipart))), 'upload-not-found')
      assert.is(await codeOf(backend.completeMultipart(multipart, [{ number: 1, etag: md5Hex(part) }])), 'upload-not-found')
      assert.is(await backend.head(multipart), undefined)
    },
  },
  {
    name: 'parts beyond one page are listed, from anywhere',
    async check({ backend, bucket }) {
      const multipart = await backend.createMultipart({ bucket, key: 'trouble/many' })
      // Each number ends in 0 or 5: most markers are parts that are not there.
      const numbers = Array.from({ length: 1100 }, (_, index) => (index + 1) * 5)
      for (let at = 0; at < numbers.length; at += 16)
        await Promise.all(numbers.slice(at, at + 16).map((number) => sendPart(backend, multipart, number, x)))
      const listed = async (after?: number, limit?: number): Promise<number[]> => {
        const found: number[] = []
        const options = { ...(after === undefined ? {} : { after }), ...(limit === undefined ? {} : { limit }) }
        for await (const part of backend.listParts(multipart, options)) found.push(part.number)
        return found
      }
      assert.equal(await listed(), numbers)
      for (const after of [1, 4, 5, 6, 4999, 5000, 5001, 5499, 5500, 9000])
        assert.equal(
          await listed(after),
          numbers.filter((number) => number > after),
          `after ${after}`,
        )
      assert.equal(await listed(7, 1), [10])
      assert.equal(await listed(3, 1005), numbers.slice(0, 1005))
      await backend.abortMultipart(multipart)
    },
  },
  {
    name: 'more objects than one request may name are deleted in a few requests',
    async check({ options, endpoint, bucket }) {
      const proxy = await startFaultProxy(endpoint)
      try {
        // Stores cut connections that were idle; the driver itself never asks twice.
        const backend = createRetryingBackend(createS3Backend({ ...options, endpoint: proxy.url }))
        const at = (number: number) => ({ bucket, key: `trouble/state/part-${String(number).padStart(8, '0')}|{"etag":"<&>"}` })
        const numbers = Array.from({ length: 1030 }, (_, index) => index)
        await runPool(numbers, (number, call) => backend.put(at(number), x, call), { concurrency: 8 })
        await backend.deleteMany?.(numbers.slice(1).map(at))
        const left: string[] = []
        for await (const { key } of backend.list({ bucket, key: 'trouble/state/' })) left.push(key)
        assert.equal(left, [at(0).key])
        await backend.delete(at(0))
        const { DeleteObjects = 0, DeleteObject = 0 } = proxy.counts()
        assert.ok(
          DeleteObjects >= 2 && DeleteObjects < 10 && DeleteObject < 10,
          `${DeleteObjects} requests for many, ${DeleteObject} for one`,
        )
      } finally {
        await proxy.close()
      }
    },
  },
  {
    name: 'a store that is gone is unavailable',
    async check({ options, bucket }) {
      const nobody = createS3Backend({ ...options, endpoint: 'http://127.0.0.1:9' })
      for (const [name, call] of Object.entries(everyCall(nobody, bucket))) assert.is(await codeOf(call()), 'unavailable', name)
    },
  },
]
