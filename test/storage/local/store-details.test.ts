import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { chmod, mkdir, mkdtemp, open, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { isScoreError, type ProblemCode } from '../../../src/core/errors.ts'
import { compareKeys } from '../../../src/storage/key-order.ts'
import { createLocalBackend, type LocalBackend } from '../../../src/storage/local/backend.ts'
import { bucketFolders, decodeSegment, encodeSegment, keyPath } from '../../../src/storage/local/key-path.ts'
import { loadOrCreateSigningKey } from '../../../src/storage/local/signed-url.ts'
import type { MultipartRef, StoredPart } from '../../../src/storage/storage-backend.ts'
import { suite } from '../../support/suite.ts'

const bucket = 'store'
const at = (key: string): { bucket: string; key: string } => ({ bucket, key })

function storeIn(folder: string, now?: () => number): LocalBackend {
  return createLocalBackend({ folder, publicUrl: 'http://store', signingKey: randomBytes(32), durable: false, ...(now ? { now } : {}) })
}

async function* once(body: Uint8Array): AsyncGenerator<Uint8Array> {
  yield body
}

async function send(backend: LocalBackend, multipart: MultipartRef, number: number, text: string): Promise<StoredPart> {
  const body = Buffer.from(text)
  return backend.writePart(multipart, { number, size: body.length, bytes: once(body) })
}

async function read(backend: LocalBackend, key: string): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of backend.get(at(key))) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

async function assemble(backend: LocalBackend, key: string, ...bodies: readonly string[]): Promise<void> {
  const multipart = await backend.createMultipart(at(key))
  const parts: StoredPart[] = []
  for (const [index, body] of bodies.entries()) parts.push(await send(backend, multipart, index + 1, body))
  await backend.completeMultipart(multipart, parts)
}

async function failure(work: Promise<unknown>, code: ProblemCode, ...says: readonly string[]): Promise<void> {
  const error = await work.then(
    () => assert.unreachable(`no ${code}`),
    (reason: unknown) => reason,
  )
  assert.ok(isScoreError(error, code), String(error))
  for (const part of says) assert.ok(error.message.includes(part), error.message)
}

/** Key, and its path below the bucket. */
const paths = [
  ['data/5be58fbb-775b-5259-bbbd-555e07fbdf24.meta', 'data/5be58fbb-775b-5259-bbbd-555e07fbdf24.meta'],
  ['part-00000001|{"a":1,"b"}', 'part-00000001%7C%7B%22a%22%3A1%2C%22b%22%7D'],
  ['../../etc/passwd', '%2E./%2E./etc/passwd'],
  ['.score/uploads', '%2Escore/uploads'],
  ['a//b/', 'a/%folder/b/%empty'],
  ['x%parts', 'x%25parts'],
  ['ü', '%C3%BC'],
  ['a\0b\n', 'a%00b%0A'],
] as const

suite<{ folder: string; backend: LocalBackend }>('storage/local details', (test) => {
  test.beforeEach(async (context) => {
    context.folder = await mkdtemp(join(tmpdir(), 'score-details-'))
    context.backend = storeIn(context.folder)
  })
  test.afterEach(async ({ folder }) => rm(folder, { recursive: true, force: true }))

  test('keys become paths that stay in their bucket, one path per key', () => {
    const folders = bucketFolders('/store', bucket)
    for (const [key, path] of paths) {
      assert.is(keyPath(folders, key), `/store/${bucket}/${path}`)
      const back = path.split('/').map((name, index, all) => decodeSegment(name, index === all.length - 1 ? 'object' : 'folder'))
      assert.is(back.join('/'), key)
    }
    for (const name of ['.DS_Store', '.tmp-0', 'lost+found', '%2e', '%zz', 'a%41', '%C3', '%parts', ''])
      assert.is(decodeSegment(name), undefined, name)
    assert.is(encodeSegment('', 'folder'), '%folder')
  })

  test('keys and buckets that no file can stand for are refused in words', async ({ backend }) => {
    await failure(backend.put(at(''), Buffer.alloc(0)), 'invalid-request', 'empty')
    await failure(backend.put(at('x'.repeat(250)), Buffer.alloc(0)), 'invalid-request', '250', '249')
    await failure(backend.put(at('a/'.repeat(600)), Buffer.alloc(0)), 'invalid-request', '1024')
    await failure(backend.put(at('\ud800'), Buffer.alloc(0)), 'invalid-request', 'Unicode')
    for (const name of ['..', '.score', 'a', 'a/b', 'ä'.repeat(4), 'x'.repeat(64)])
      await failure(backend.head({ bucket: name, key: 'a' }), 'invalid-configuration', name)
    await backend.put(at('a'), Buffer.from('object'))
    await failure(backend.put(at('a/b'), Buffer.alloc(0)), 'invalid-request', 'a/b', 'folder of the other')
    await failure(assemble(backend, 'a/b', 'x'), 'invalid-request', 'a/b')
    await backend.put(at('c/d'), Buffer.alloc(0))
    await failure(backend.put(at('c'), Buffer.alloc(0)), 'invalid-request', `${bucket}/c`)
    assert.is(await read(backend, 'a'), 'object')
  })

  test('key order is that of UTF-8 bytes', () => {
    const keys = ['', 'a', 'a/', 'a-', 'ab', 'é', '\ud7ff', '\ue000', '\uffff', '😀', '😀a', '\u{10ffff}']
    const byBytes = [...keys].sort((left, right) => Buffer.compare(Buffer.from(left), Buffer.from(right)))
    assert.equal([...keys].sort(compareKeys), byBytes)
  })

  test('ten thousand parts: completed, listed and read in time that is not theirs', async ({ folder, backend }) => {
    const multipart = await backend.createMultipart(at('data/big'))
    const upload = join(folder, bucket, '.score', 'uploads', multipart.uploadId)
    const parts: StoredPart[] = []
    for (let number = 1; number <= 10_000; number++) {
      const group = join(upload, String(Math.floor(number / 100)).padStart(3, '0'))
      if (number === 1 || number % 100 === 0) fs.mkdirSync(group)
      const etag = number.toString(16).padStart(32, '0')
      fs.writeFileSync(join(group, `${String(number).padStart(5, '0')}.1.${etag}.3`), String(number % 1000).padStart(3, '0'))
      parts.push({ number, etag })
    }
    const began = performance.now()
    await backend.completeMultipart(multipart, parts)
    assert.ok(performance.now() - began < 10_000, `completion took ${performance.now() - began} ms`)
    const chunks: Uint8Array[] = []
    for await (const chunk of backend.get(at('data/big'), { range: { start: 29_995, end: 30_000 } })) chunks.push(chunk)
    assert.is(Buffer.concat(chunks).toString(), '99000')
    for await (const object of backend.list(at(''))) assert.equal([object.key, object.size], ['data/big', 30_000])
  })

  test('of many that complete uploads of one key if absent, one wins', async ({ folder }) => {
    const backends = Array.from({ length: 6 }, () => storeIn(folder))
    const uploads = await Promise.all(
      backends.map(async (backend, index) => {
        const multipart = await backend.createMultipart(at('a'))
        return { multipart, parts: [await send(backend, multipart, 1, `body ${index}`)] }
      }),
    )
    const results = await Promise.allSettled(
      backends.map((backend, index) => {
        const { multipart, parts } = uploads[index] as (typeof uploads)[number]
        return backend.completeMultipart(multipart, parts, { ifAbsent: true })
      }),
    )
    const winners = results.flatMap((result, index) => (result.status === 'fulfilled' ? [index] : []))
    assert.is(winners.length, 1)
    for (const result of results)
      if (result.status === 'rejected') assert.ok(isScoreError(result.reason, 'object-exists'), String(result.reason))
    assert.is(await read(storeIn(folder), 'a'), `body ${winners[0]}`)
  })

  test('of two that complete one upload, one wins', async ({ folder }) => {
    const [left, right] = [storeIn(folder), storeIn(folder)]
    const multipart = await left.createMultipart(at('a'))
    const parts = [await send(left, multipart, 1, 'body')]
    const results = await Promise.allSettled([left, right].map((backend) => backend.completeMultipart(multipart, parts)))
    assert.equal(results.map((result) => result.status).sort(), ['fulfilled', 'rejected'])
    for (const result of results)
      if (result.status === 'rejected') assert.ok(isScoreError(result.reason, 'upload-not-found'), String(result.reason))
    assert.is(await read(left, 'a'), 'body')
  })

  test('readers meet one version or the other while the object changes its kind again and again', async ({ folder }) => {
    const [writer, other, reader] = [storeIn(folder), storeIn(folder), storeIn(folder)]
    const texts = ['x'.repeat(3000), 'y'.repeat(3000)] as const
    await writer.put(at('a'), Buffer.from(texts[0]))
    let writing = true
    const change = async (backend: LocalBackend): Promise<void> => {
      for (let round = 0; round < 25; round++) {
        if (round % 2 === 0) await assemble(backend, 'a', texts[1].slice(0, 1000), texts[1].slice(1000))
        else await backend.put(at('a'), Buffer.from(texts[0]))
      }
    }
    const changes = Promise.all([change(writer), change(other)]).finally(() => {
      writing = false
    })
    let reads = 0
    while (writing) {
      const text = await read(reader, 'a').catch((error: unknown) => {
        assert.ok(isScoreError(error, 'object-changed'), String(error))
      })
      assert.ok(text === undefined || texts.includes(text as never), `a mixture of ${text?.length} bytes`)
      assert.is((await reader.head(at('a')))?.size, 3000)
      reads++
    }
    await changes
    assert.ok(reads > 20, `${reads} reads`)
  })

  test('an object that becomes a multipart one between two looks is still found', async ({ backend }) => {
    const { open: realOpen } = fs.promises
    for (const look of [() => read(backend, 'a'), async () => ((await backend.head(at('a')))?.size === 5 ? 'parts' : 'none')]) {
      await backend.put(at('a'), Buffer.from('plain'))
      let isChanged = false
      Object.assign(fs.promises, {
        open: async (...args: Parameters<typeof realOpen>) => {
          const attempt = await Promise.allSettled([realOpen(...args)])
          if (!isChanged && String(args[0]).endsWith('/a%parts')) {
            isChanged = true
            await assemble(backend, 'a', 'pa', 'rts')
          }
          if (attempt[0].status === 'rejected') throw attempt[0].reason
          return attempt[0].value
        },
      })
      syncBuiltinESMExports()
      try {
        assert.is(await look(), 'parts')
        assert.ok(isChanged)
      } finally {
        Object.assign(fs.promises, { open: realOpen })
        syncBuiltinESMExports()
      }
    }
  })

  test('a read that has begun ends with the version it began with', async ({ backend }) => {
    const old = 'o'.repeat(1_000_000)
    await assemble(backend, 'a', old)
    const stream = backend.get(at('a'))[Symbol.asyncIterator]()
    let text = Buffer.from((await stream.next()).value as Uint8Array).toString()
    await backend.put(at('a'), Buffer.from('new'))
    for (let next = await stream.next(); !next.done; next = await stream.next()) text += Buffer.from(next.value).toString()
    assert.is(text, old)
  })

  test('a part that vanished from a whole object is damage, not another version', async ({ folder, backend }) => {
    await assemble(backend, 'a', 'one', 'two')
    const segments = join(folder, bucket, '.score', 'segments')
    const [id = ''] = await readdir(segments)
    const [, second = ''] = await readdir(join(segments, id, '000'))
    await rm(join(segments, id, '000', second))
    await failure(read(backend, 'a'), 'internal', 'damaged', 'part 2')
  })

  test("a sweep takes what is old and in nobody's use, and nothing else", async ({ folder, backend }) => {
    await assemble(backend, 'kept', 'one', 'two')
    const multipart = await backend.createMultipart(at('going/on'))
    const part = await send(backend, multipart, 1, 'body')
    const side = join(folder, bucket, '.score')
    await mkdir(join(side, 'segments', 'orphan', '000'), { recursive: true })
    await writeFile(join(side, 'segments', 'orphan', 'object.json'), '{"key":"kept"}')
    await writeFile(join(side, 'temporary', '.tmp-0123456789abcdef01234567'), 'left over')
    assert.equal(await backend.sweep(), { temporary: 0, segments: 0, locks: 0 })
    const tomorrow = storeIn(folder, () => Date.now() + 25 * 60 * 60 * 1000)
    assert.equal(await tomorrow.sweep(), { temporary: 1, segments: 1, locks: 0 })
    assert.is(await read(backend, 'kept'), 'onetwo')
    await backend.completeMultipart(multipart, [part])
    assert.is(await read(backend, 'going/on'), 'body')
  })

  test('times are those of the last change', async ({ folder, backend }) => {
    await backend.put(at('a'), Buffer.from('x'))
    await utimes(join(folder, bucket, 'a'), 1_000_000, 1_000_000)
    assert.is((await backend.head(at('a')))?.lastModified.getTime(), 1_000_000_000)
    for await (const object of backend.list(at('a'))) assert.is(object.lastModified.getTime(), 1_000_000_000)
  })

  test('a folder that cannot be written says which and why', async ({ folder }) => {
    await writeFile(join(folder, 'file'), '')
    await failure(storeIn(join(folder, 'file')).put(at('a'), Buffer.alloc(0)), 'local-storage', join(folder, 'file'), 'not a folder')
    if (process.getuid?.() === 0) return
    await chmod(folder, 0o500)
    await failure(storeIn(folder).put(at('a'), Buffer.alloc(0)), 'local-storage', folder, 'permission')
    await chmod(folder, 0o700)
  })

  test('a disk that fills up in the middle of a part leaves the upload as it was', async ({ folder, backend }) => {
    const multipart = await backend.createMultipart(at('a'))
    const before = await send(backend, multipart, 1, 'first try')
    const probe = await open(join(folder, 'probe'), 'w')
    const prototype = Object.getPrototypeOf(probe) as { writev: unknown }
    await probe.close()
    const { writev } = prototype
    for (const [errno, says] of [
      ['ENOSPC', 'no space left'],
      ['EDQUOT', 'quota'],
      ['EIO', 'check the disk'],
    ] as const) {
      prototype.writev = async () => {
        throw Object.assign(new Error(errno), { code: errno, syscall: 'writev' })
      }
      await failure(send(backend, multipart, 1, 'second try'), 'local-storage', says).finally(() => {
        prototype.writev = writev
      })
      assert.equal(await readdir(join(folder, bucket, '.score', 'temporary')), [])
    }
    await backend.completeMultipart(multipart, [before])
    assert.is(await read(backend, 'a'), 'first try')
  })

  test('the signing key is made once, for its owner alone', async ({ folder }) => {
    const path = join(folder, 'key')
    const keys = await Promise.all(Array.from({ length: 8 }, () => loadOrCreateSigningKey(path)))
    for (const key of keys) assert.equal(key, keys[0])
    assert.is(keys[0]?.length, 32)
    assert.is((await stat(path)).mode & 0o777, 0o600)
    assert.match(await readFile(path, 'utf8'), /^[0-9a-f]{64}\n$/)
    await writeFile(path, 'something else')
    await failure(loadOrCreateSigningKey(path), 'invalid-configuration', path)
  })
})
