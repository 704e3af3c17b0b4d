import * as assert from 'uvu/assert'
import { sweepStaleUploadsOnce } from '../../src/objects/stale-uploads.ts'
import { createUploadJournal } from '../../src/objects/upload-journal.ts'
import { createS3Backend } from '../../src/s3.ts'
import { createObjectLayout } from '../../src/storage/object-layout.ts'
import { observeBackend, type StoreCall } from '../../src/storage/observed-backend.ts'
import { createRetryingBackend } from '../../src/storage/retrying-backend.ts'
import type { MultipartRef, StorageBackend } from '../../src/storage/storage-backend.ts'
import { suite } from '../support/suite.ts'
import { type S3TestStore, s3Stores } from './support/s3-stores.ts'
import { howToGet, isThere } from './support/store-program.ts'

const week = 7 * 86_400_000
/** More than a page of either listing has. */
const staleUploads = 1100
const layout = createObjectLayout({ objectBucket: 'score.data', stateBucket: 'score.state' })
const idOf = (number: number, kind = 0): string => `0000000${kind}-0000-4000-8000-${String(number).padStart(12, '0')}`

/** The store as it would be seen a week after these objects' uploads were written: nothing else differs. */
function aged(backend: StorageBackend, isOld: (key: string) => boolean): StorageBackend {
  const { listMultiparts } = backend
  if (listMultiparts === undefined) throw new Error('the store lists no uploads')
  const before = (key: string, time: Date): Date => (isOld(key) ? new Date(time.getTime() - week) : time)
  return {
    ...backend,
    async *list(prefix, call) {
      for await (const row of backend.list(prefix, call)) yield { ...row, lastModified: before(row.key, row.lastModified) }
    },
    async *listMultiparts(prefix, call) {
      for await (const row of listMultiparts(prefix, call)) yield { ...row, begunAt: before(row.key, row.begunAt) }
    },
  }
}

async function inTens<Item>(items: readonly Item[], work: (item: Item) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < items.length; at += 10) await Promise.all(items.slice(at, at + 10).map(work))
}

suite('services/clean-up', (test) => {
  const { program, start } = s3Stores.minio
  const title =
    'of three servers one cleans up: more uploads than a page holds, with state, without, and state alone; nothing else is touched'
  if (!isThere(program)) {
    test.skip(title, howToGet(program))
    return
  }
  let store: S3TestStore
  test.before(async () => {
    const started = await start()
    // The store cuts connections that were idle; the driver itself never asks twice.
    store = { ...started, backend: createRetryingBackend(started.backend) }
    for (const bucket of ['score.data', 'score.state']) await store.createBucket(bucket)
  })
  test.after(() => store?.stop())

  const keysIn = async (bucket: string): Promise<string[]> => {
    const keys: string[] = []
    for await (const { key } of store.backend.list({ bucket, key: '' })) keys.push(key)
    return keys
  }
  const openIn = async (bucket: string): Promise<string[]> => {
    const ids: string[] = []
    for await (const { uploadId } of store.backend.listMultiparts?.({ bucket, key: '' }) ?? noUploads()) ids.push(uploadId)
    return ids.sort()
  }

  test(title, async () => {
    const { backend } = store
    const journal = createUploadJournal({ backend, layout })
    const old = new Set<string>()
    const begin = async (objectId: string): Promise<MultipartRef> => backend.createMultipart(layout.data(objectId)[0])
    const withState = async (objectId: string): Promise<MultipartRef> => {
      const multipart = await begin(objectId)
      const part = { number: 1, range: { start: 0, end: 5 }, url: 'https://store.test/x' }
      const spec = { objectId, objectKey: multipart.key, uploadId: multipart.uploadId, size: 5, parts: [part] }
      await journal.open(spec, { fresh: true })
      return multipart
    }
    const numbers = Array.from({ length: staleUploads }, (_, index) => index)
    for (const number of numbers) for (const kind of [0, 1, 2]) old.add(idOf(number, kind))
    await inTens(numbers, (number) => withState(idOf(number, 0)))
    await inTens(numbers, (number) => begin(idOf(number, 1)))
    await inTens(numbers.slice(0, 50), (number) =>
      backend.put(
        layout.upload({ objectId: idOf(number, 2), uploadId: 'gone' }, 'part-00000001|{"partNumber":1,"md5":"x","etag":"x"}'),
        new Uint8Array(0),
      ),
    )
    const living = [await withState(idOf(1, 3)), await begin(idOf(2, 3))]
    const foreign = await backend.createMultipart({ bucket: 'score.data', key: 'reports/2026.pdf' })
    const strangers = ['upload/readme.txt', 'upload/not-an-id_x/part-00000001', `uploads/${idOf(1)}_x/.meta`, `data/${idOf(9, 4)}.meta`]
    for (const key of strangers) await backend.put({ bucket: 'score.state', key }, Buffer.from('x'))
    await backend.put({ bucket: 'score.data', key: `data/${idOf(9, 4)}` }, Buffer.from('object'))

    const objectIds = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g
    const isOld = (key: string): boolean => strangers.includes(key) || [...key.matchAll(objectIds)].some(([id]) => old.has(id))
    const calls: StoreCall[] = []
    const sweep = () => {
      const server = observeBackend(createRetryingBackend(createS3Backend(store.options)), (call) => calls.push(call))
      return sweepStaleUploadsOnce({ backend: aged(server, isOld), layout })
    }
    const sweeps = await Promise.all([sweep(), sweep(), sweep()])
    // All may have given way to each other, on a machine that is slow enough.
    if (sweeps.every((ended) => ended === undefined)) sweeps.push(await sweep())
    const ran = sweeps.filter((ended) => ended !== undefined)
    assert.is(ran.length, 1, `${ran.length} servers cleaned up`)
    assert.is(ran[0]?.length, 2 * staleUploads + 50)
    assert.is(calls.filter(({ operation }) => operation === 'abortMultipart').length, 2 * staleUploads + 50)

    const left = await keysIn('score.state')
    assert.is(left.filter((key) => key.startsWith('upload/.sweep/')).length, 1)
    const kept = [
      ...strangers,
      ...['.fresh', '.meta'].map(
        (name) => layout.upload({ objectId: idOf(1, 3), uploadId: (living[0] as MultipartRef).uploadId }, name).key,
      ),
    ]
    assert.equal(left.filter((key) => !key.startsWith('upload/.sweep/')).sort(), kept.sort())
    assert.equal(await keysIn('score.data'), [`data/${idOf(9, 4)}`])
    assert.equal(await openIn('score.data'), [...living, foreign].map(({ uploadId }) => uploadId).sort())
    assert.is(await sweepStaleUploadsOnce({ backend, layout }), undefined)
  })
})

async function* noUploads(): AsyncIterable<{ readonly uploadId: string }> {}
