import { copyFile, mkdtemp, readdir, rm, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { createLocalBackend, type LocalBackend } from '../../../src/index.ts'
import { recordSuffix } from '../../../src/storage/local/key-path.ts'
import { suite } from '../../support/suite.ts'

const address = { bucket: 'state', key: 'data/object.meta' }
const signingKey = new Uint8Array(32)

async function readText(backend: LocalBackend): Promise<string> {
  const pieces: Uint8Array[] = []
  for await (const piece of backend.get(address)) pieces.push(piece)
  const text = Buffer.concat(pieces).toString()
  assert.is(Buffer.from((await backend.readDocument?.(address)) ?? 'none').toString(), text)
  return text
}

/** Makes every file of a folder look as if it had been written long ago. */
async function age(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) await utimes(join(entry.parentPath, entry.name), 1000, 1000)
}

suite('local store, small files that are remembered', (test) => {
  let folder: string
  let backend: LocalBackend
  test.beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'score-small-'))
    backend = createLocalBackend({ folder, publicUrl: 'http://h', signingKey, durable: false })
  })
  test.afterEach(async () => rm(folder, { recursive: true }))

  const put = async (text: string): Promise<void> => {
    await backend.put(address, Buffer.from(text))
    await age(folder)
  }

  test('a new version is seen at once, also one of the same size and time, and one that another process wrote', async () => {
    await put('first')
    for (let times = 0; times < 3; times++) assert.is(await readText(backend), 'first')
    await put('other')
    for (let times = 0; times < 3; times++) assert.is(await readText(backend), 'other')
    const stranger = createLocalBackend({ folder, publicUrl: 'http://h', signingKey, durable: false })
    await stranger.put(address, Buffer.from('third'))
    assert.is(await readText(backend), 'third')
    await stranger.delete(address)
    assert.is(await backend.head(address), undefined)
  })

  async function putInParts(to: typeof address, text: string): Promise<void> {
    const stranger = createLocalBackend({ folder, publicUrl: 'http://h', signingKey, durable: false })
    const multipart = await stranger.createMultipart(to)
    const bytes = (async function* () {
      yield new Uint8Array(Buffer.from(text))
    })()
    const part = await stranger.writePart(multipart, { number: 1, size: text.length, bytes })
    await stranger.completeMultipart(multipart, [part])
  }

  test('a multipart object that takes its place is seen at once, though the small file is remembered', async () => {
    await put('plain')
    for (let times = 0; times < 2; times++) assert.is(await readText(backend), 'plain')
    await putInParts(address, 'in parts')
    assert.is(await readText(backend), 'in parts')
    await backend.delete(address)
    await put('again')
    assert.is(await readText(backend), 'again')
  })

  test('so is one whose maker died before it removed the small file', async () => {
    await put('plain')
    for (let times = 0; times < 2; times++) assert.is(await readText(backend), 'plain')
    await putInParts({ ...address, key: 'data/other.meta' }, 'in parts')
    const data = join(folder, 'state', 'data')
    await copyFile(join(data, `other.meta${recordSuffix}`), join(data, `object.meta${recordSuffix}`))
    assert.is(await readText(backend), 'in parts')
  })

  test('ETag, size and ranges are those of the file, and a reader cannot change what is remembered', async () => {
    await put('0123456789')
    const first = await backend.head(address)
    assert.is(first?.etag, '781e5e245d69b566979b86e28d23f2c7')
    for (let times = 0; times < 3; times++) {
      for await (const piece of backend.get(address, { range: { start: 2, end: 5 } })) {
        assert.is(Buffer.from(piece).toString(), '234')
        piece.fill(0)
      }
      assert.is(await readText(backend), '0123456789')
      assert.equal(await backend.head(address), first)
    }
  })
})
