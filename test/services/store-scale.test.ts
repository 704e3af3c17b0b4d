import { mkdir, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as assert from 'uvu/assert'
import { md5Hex, multipartEtag } from '../../src/core/checksum.ts'
import type { StoredPart } from '../../src/storage/storage-backend.ts'
import { suite } from '../support/suite.ts'
import { type S3TestStore, s3Stores, startCeph } from './support/s3-stores.ts'
import { howToGet, isThere } from './support/store-program.ts'

/** Works on many items, so many at once. */
async function inParallel(count: number, workers: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  const worker = async (): Promise<void> => {
    for (let index = next++; index < count; index = next++) await work(index)
  }
  await Promise.all(Array.from({ length: workers }, worker))
}

suite('services/store scale: many parts', (test) => {
  const there = isThere(s3Stores.ceph.program)
  const name = 'an object of 10,000 parts on Ceph, signed, sent, listed from anywhere and joined'
  let store: S3TestStore | undefined
  test.before(async () => {
    // Parts of 5 MiB would make 49 GiB.
    if (there) store = await startCeph({ minimumPartBytes: 1 })
  })
  test.after(() => store?.stop())

  const run = async (): Promise<void> => {
    if (store === undefined) throw new Error('the store does not run')
    const { backend, bucket } = store
    const count = 10_000
    const multipart = await backend.createMultipart({ bucket, key: 'scale/many' })
    const agent = new Agent({ keepAlive: true, maxSockets: 16 })
    const bodyOf = (index: number): Buffer => Buffer.from(`part ${index + 1}\n`)
    const put = (url: string, body: Buffer): Promise<number> =>
      new Promise((resolve, reject) => {
        const sent = request(url, { method: 'PUT', agent, headers: { 'content-length': body.length } }, (answer) => {
          answer.resume().on('end', () => resolve(answer.statusCode ?? 0))
        })
        sent.on('error', reject).end(body)
      })
    await inParallel(count, 16, async (index) => {
      const { url } = await backend.presign({ action: 'put-part', multipart, partNumber: index + 1, expiresInSeconds: 3600 })
      assert.is(await put(url, bodyOf(index)), 200)
    })
    agent.destroy()
    const parts: StoredPart[] = Array.from({ length: count }, (_, index) => ({ number: index + 1, etag: md5Hex(bodyOf(index)) }))
    const listed = async (after: number, limit?: number): Promise<StoredPart[]> => {
      const found: StoredPart[] = []
      for await (const { number, etag } of backend.listParts(multipart, limit === undefined ? { after } : { after, limit }))
        found.push({ number, etag })
      return found
    }
    assert.equal(await listed(0), parts)
    assert.equal(await listed(9_998), parts.slice(9_998))
    assert.equal(await listed(4_999, 2), parts.slice(4_999, 5_001))
    await backend.completeMultipart(multipart, parts)
    const whole = Buffer.concat(parts.map((_, index) => bodyOf(index)))
    const stat = await backend.head(multipart)
    assert.equal([stat?.size, stat?.etag], [whole.length, multipartEtag(parts.map((part) => part.etag))])
    const pieces: Uint8Array[] = []
    for await (const piece of backend.get(multipart)) pieces.push(piece)
    assert.ok(Buffer.concat(pieces).equals(whole))
  }
  if (there) test(name, run)
  else test.skip(name, howToGet(s3Stores.ceph.program))
})

suite('services/store scale: many objects', (test) => {
  const there = isThere(s3Stores.versitygw.program)
  const name = '100,000 objects are listed in memory that does not grow with them'
  let store: S3TestStore | undefined
  test.before(async () => {
    if (there) store = await s3Stores.versitygw.start()
  })
  test.after(() => store?.stop())

  const run = async (): Promise<void> => {
    if (store === undefined) throw new Error('the store does not run')
    const { backend, bucket, folder } = store
    const count = 100_000
    // This store keeps an object as a file, so that many are soon there.
    const place = join(folder, bucket, 'many')
    await mkdir(place)
    const nameOf = (index: number): string => `object-${String(index).padStart(6, '0')}`
    await inParallel(count, 32, (index) => writeFile(join(place, nameOf(index)), ''))
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    let [seen, most, first] = [0, 0, 0]
    for await (const { key } of backend.list({ bucket, key: 'many/' })) {
      assert.is(key, `many/${nameOf(seen)}`)
      seen++
      if (seen % 10_000 !== 0) continue
      collect()
      const { heapUsed } = process.memoryUsage()
      if (seen === 10_000) first = heapUsed
      most = Math.max(most, heapUsed)
    }
    assert.is(seen, count)
    // Ninety more pages: kept, they would be 20 MiB.
    assert.ok(most - first < 4 * 1024 ** 2, `grew by ${most - first} bytes`)
  }
  if (there) test(name, run)
  else test.skip(name, howToGet(s3Stores.versitygw.program))
})
