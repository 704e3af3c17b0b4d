import * as assert from 'uvu/assert'
import { ScoreError } from '../../src/core/errors.ts'
import type { PartReceipt } from '../../src/core/object-spec.ts'
import { createUploadJournal } from '../../src/objects/upload-journal.ts'
import { createMemoryBackend } from '../../src/storage/memory/backend.ts'
import { createObjectLayout } from '../../src/storage/object-layout.ts'
import { partStateName } from '../../src/storage/part-state.ts'
import type { StorageBackend } from '../../src/storage/storage-backend.ts'
import { suite } from '../support/suite.ts'

const layout = createObjectLayout({ objectBucket: 'score.data', stateBucket: 'score.state' })
const upload = { objectId: '00000000-0000-4000-8000-000000000001', uploadId: 'u1' }
const md5 = '0123456789abcdef0123456789abcdef'
const receipts: readonly PartReceipt[] = [1, 2, 3, 4].map((number) => ({ number, md5, etag: `${md5}${number}` }))
const nothing = new Uint8Array(0)

/** A store that deletes many at once, and what it was asked to remove or list. */
async function openStore() {
  const memory = createMemoryBackend()
  const calls: string[] = []
  let breakAfter = Number.POSITIVE_INFINITY
  const nameOf = (key: string): string => key.slice(layout.upload(upload).key.length)
  const backend: StorageBackend = {
    ...memory,
    delete(address, options) {
      calls.push(`delete ${nameOf(address.key)}`)
      return memory.delete(address, options)
    },
    async deleteMany(addresses, options) {
      calls.push(`deleteMany ${addresses.map(({ key }) => nameOf(key)).join(' ')}`)
      for (const address of addresses.slice(0, breakAfter)) await memory.delete(address, options)
      if (breakAfter < addresses.length) throw new ScoreError('unavailable', 'the store broke down in the middle')
    },
    list(prefix, options) {
      calls.push('list')
      return memory.list(prefix, options)
    },
  }
  const journal = createUploadJournal({ backend, layout })
  for (const name of ['.meta', '.fresh']) await memory.put(layout.upload(upload, name), nothing)
  for (const receipt of receipts) await journal.record(upload, receipt)
  const names = async (): Promise<readonly string[]> => {
    const all: string[] = []
    for await (const { key } of memory.list(layout.upload(upload))) all.push(nameOf(key))
    return all
  }
  return {
    journal,
    calls,
    memory,
    names,
    breakAfter(count: number) {
      breakAfter = count
    },
  }
}

const stateNames = receipts.map(partStateName)

suite('objects/upload-journal on a store that deletes many at once', (test) => {
  test('the spec goes first, and what is left in one request', async () => {
    const { journal, calls, names } = await openStore()
    await journal.close(upload)
    assert.equal(calls, ['delete .meta', 'list', `deleteMany .fresh ${stateNames.join(' ')}`])
    assert.equal(await names(), [])
  })

  test('what is spelled otherwise goes as well', async () => {
    const { journal, memory, names } = await openStore()
    const spelled = `part-00000001|{"md5":"${md5}","partNumber":1,"etag":"${md5}1"}`
    await memory.put(layout.upload(upload, spelled), nothing)
    await journal.close(upload)
    assert.equal(await names(), [])
  })

  test('of an upload that has ended nothing asks for many', async () => {
    const { journal, calls } = await openStore()
    await journal.close(upload)
    calls.length = 0
    await journal.close(upload)
    assert.equal(calls, ['delete .meta', 'list'])
  })

  for (const count of [0, 1, 3])
    test(`broken off after ${count} keys, it is ended for everyone, and closing again removes the rest`, async () => {
      const { journal, names, breakAfter } = await openStore()
      breakAfter(count)
      const error = await journal.close(upload).catch((thrown: unknown) => thrown)
      assert.instance(error, ScoreError)
      assert.is(await journal.isOpen(upload), false)
      assert.is((await names()).length, receipts.length + 1 - count)
      breakAfter(Number.POSITIVE_INFINITY)
      await journal.close(upload)
      assert.equal(await names(), [])
    })

  test('receipts of one part, and only those, are forgotten', async () => {
    const { journal, names } = await openStore()
    await journal.forget(upload, 2)
    await journal.drop(upload, receipts.slice(2))
    assert.equal(await names(), ['.fresh', '.meta', partStateName(receipts[0] as PartReceipt)])
  })
})
