import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type DiskCache, type DiskCacheOptions, openDiskCache } from '../../src/bytes/disk-cache.ts'
import { createMemorySource } from '../../src/bytes/memory-source.ts'
import type { ObjectSource, ObjectVersion } from '../../src/bytes/object-source.ts'
import type { ByteRange } from '../../src/core/byte-range.ts'
import { createRandom } from '../formats/bam-fixture.ts'
import { suite } from '../support/suite.ts'

const KiB = 1024
const MiB = 1024 * KiB
const objectId = '00000000-0000-4000-8000-000000000001'

function bytesOf(size: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; at += 1) bytes[at] = (at * 7 + (at >> 8) * 13 + seed) & 0xff
  return bytes
}

interface Store extends ObjectSource {
  readonly asked: ByteRange[]
}

function storeOf(bytes: Buffer, version: Partial<ObjectVersion> = { etag: '"one"' }): Store {
  const memory = createMemorySource(bytes)
  const asked: ByteRange[] = []
  return {
    ...memory,
    asked,
    stream(range, call) {
      asked.push(range)
      return memory.stream(range, call)
    },
    version: async () => ({ size: bytes.length, ...version }),
    takeHead: () => undefined,
  }
}

async function poured(source: ObjectSource, range: ByteRange): Promise<Buffer> {
  const pieces: Buffer[] = []
  await source.pour?.(range, (piece) => void pieces.push(Buffer.from(piece)))
  return Buffer.concat(pieces)
}

suite('disk cache', (test) => {
  let folder = ''
  let caches: DiskCache[] = []
  const opened = async (options: Partial<DiskCacheOptions> = {}): Promise<DiskCache> => {
    const cache = await openDiskCache({ folder, ...options })
    caches.push(cache)
    return cache
  }
  const files = (): string[] => readdirSync(join(folder, 'score-pages-1')).map((name) => join(folder, 'score-pages-1', name))
  const whole = (bytes: Buffer): ByteRange => ({ start: 0, end: bytes.length })
  /** Reads all of it once, and closes when it is written. */
  const filled = async (bytes: Buffer, options: Partial<DiskCacheOptions> = {}): Promise<void> => {
    const cache = await opened(options)
    assert.ok((await poured(cache.over(storeOf(bytes), objectId), whole(bytes))).equals(bytes))
    await cache.close()
  }
  test.beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'score-disk-'))
    caches = []
  })
  test.afterEach(async () => {
    for (const cache of caches) await cache.close()
    rmSync(folder, { recursive: true })
  })

  test('what was read once is not asked for again, also by the next process; nobody else can read it', async () => {
    const bytes = bytesOf(3 * MiB + 77)
    await filled(bytes)
    const cache = await opened()
    const store = storeOf(bytes)
    assert.ok((await poured(cache.over(store, objectId), whole(bytes))).equals(bytes))
    assert.ok((await poured(cache.over(store, objectId), { start: MiB, end: MiB + 100 })).equals(bytes.subarray(MiB, MiB + 100)))
    assert.equal(store.asked, [])
    assert.is(cache.statistics().hitBytes, bytes.length + 100)
    assert.is(statSync(join(folder, 'score-pages-1')).mode & 0o777, 0o700)
    for (const path of files()) assert.is(statSync(path).mode & 0o777, 0o600)
  })

  test('random reads agree with the bytes, however they lie; what is missing between is fetched', async () => {
    const random = createRandom(5)
    const bytes = bytesOf(20 * MiB + 1000)
    let hits = 0
    for (let step = 0, cache = await opened(); step < 200; step += 1) {
      if (step % 20 === 0) {
        // What was read is written by then.
        await cache.close()
        hits += cache.statistics().hitBytes
        cache = await opened()
      }
      const source = cache.over(storeOf(bytes), objectId)
      const start = random.below(4) === 0 ? random.below(bytes.length) : 64 * KiB * random.below(320)
      const end = Math.min(bytes.length, start + random.below(MiB))
      if (start < end) assert.ok((await poured(source, { start, end })).equals(bytes.subarray(start, end)), `${start} ${end}`)
    }
    assert.ok(hits > MiB, `${hits}`)
  })

  const damages: readonly (readonly [what: string, harm: (path: string) => void])[] = [
    [
      'a bit that flipped',
      (path) => {
        const bytes = readFileSync(path)
        bytes[bytes.length - 70_000] = (bytes[bytes.length - 70_000] as number) ^ 1
        writeFileSync(path, bytes)
      },
    ],
    ['a file that was cut', (path) => truncateSync(path, 500_000)],
    ['a file that was emptied', (path) => truncateSync(path, 0)],
    ['a file of something else', (path) => writeFileSync(path, 'not pages at all'.repeat(100_000))],
    [
      'a table of another file',
      (path) => {
        const bytes = readFileSync(path)
        bytes.copy(bytes, 4096 + 16, 4096, 4096 + 16)
        writeFileSync(path, bytes)
      },
    ],
  ]
  for (const [what, harm] of damages) {
    test(`${what} is noticed, dropped, and fetched again`, async () => {
      const bytes = bytesOf(2 * MiB)
      await filled(bytes)
      for (const path of files()) harm(path)
      const store = storeOf(bytes)
      const cache = await opened()
      assert.ok((await poured(cache.over(store, objectId), whole(bytes))).equals(bytes))
      assert.ok(store.asked.length > 0)
      await cache.close()
      // With a damaged page went its whole stretch.
      await filled(bytes)
      const again = storeOf(bytes)
      assert.ok((await poured((await opened()).over(again, objectId), whole(bytes))).equals(bytes))
      assert.equal(again.asked, [])
    })
  }

  test('another version of an object is another object; one without any version is not kept', async () => {
    const bytes = bytesOf(MiB)
    await filled(bytes)
    const other = bytesOf(MiB, 9)
    const cache = await opened()
    assert.ok((await poured(cache.over(storeOf(other, { etag: '"two"' }), objectId), whole(other))).equals(other))
    const none = storeOf(other, {})
    await poured(cache.over(none, objectId), whole(other))
    await poured(cache.over(none, objectId), whole(other))
    assert.is(none.asked.length, 2)
  })

  test('the bound holds: what was used longest ago goes', async () => {
    let clock = Date.now() - 1_000_000
    const cache = await opened({ maximumBytes: 64 * MiB, now: () => (clock += 1000) })
    const bytes = bytesOf(16 * MiB)
    const idOf = (index: number): string => `00000000-0000-4000-8000-00000000000${index}`
    let written = 0
    for (let index = 0; index < 6; index += 1) {
      const source = cache.over(storeOf(bytes), idOf(index))
      // What comes faster than the disk takes it is not kept.
      for (let start = 0; start < bytes.length; start += MiB) {
        await poured(source, { start, end: start + MiB })
        for (written += MiB; cache.statistics().writtenBytes < written; ) await new Promise(setImmediate)
      }
    }
    await cache.close()
    const stored = files().reduce((sum, path) => sum + statSync(path).blocks * 512, 0)
    assert.ok(stored <= 64 * MiB, `${stored}`)
    assert.ok(stored > 32 * MiB, `${stored}`)
    const [first, last] = [storeOf(bytes), storeOf(bytes)]
    const again = await opened()
    for (const [store, index] of [
      [first, 0],
      [last, 5],
    ] as const)
      await poured(again.over(store, idOf(index)), whole(bytes))
    assert.ok(first.asked.length > 0, 'the first object is still held')
    assert.equal(last.asked, [], 'the last object is not held')
  })

  test('the bound holds for many small objects, whose files take more than their bytes', async () => {
    const cache = await opened({ maximumBytes: 64 * MiB })
    const bytes = bytesOf(60_000)
    let most = 0
    for (let count = 1; count <= 1000; count += 1) {
      await poured(cache.over(storeOf(bytes), `00000000-0000-4000-8000-${String(count).padStart(12, '0')}`), whole(bytes))
      while (cache.statistics().writtenBytes < count * bytes.length) await new Promise(setImmediate)
      if (count < 900) continue
      most = Math.max(
        most,
        files().reduce((sum, path) => sum + statSync(path).blocks * 512, 0),
      )
    }
    await cache.close()
    assert.ok(most > 60 * MiB && most <= 64 * MiB, `${most}`)
  })

  test('a disk that refuses is no error for who reads, and is told', async () => {
    const told: unknown[] = []
    const cache = await opened({ onProblem: (error) => told.push(error) })
    rmSync(join(folder, 'score-pages-1'), { recursive: true })
    const bytes = bytesOf(2 * MiB)
    const source = cache.over(storeOf(bytes), objectId)
    for (let round = 0; round < 3; round += 1) assert.ok((await poured(source, whole(bytes))).equals(bytes))
    await cache.close()
    assert.is(told.length, 1)
    assert.match(String(told[0]), /cannot keep pages in/)
  })

  test('two at once in one folder', async () => {
    const bytes = bytesOf(5 * MiB)
    const [one, other] = [await opened(), await opened()]
    const sources = [one.over(storeOf(bytes), objectId), other.over(storeOf(bytes), objectId)]
    for (const got of await Promise.all(sources.map((source) => poured(source, whole(bytes))))) assert.ok(got.equals(bytes))
    await Promise.all([one.close(), other.close()])
    const store = storeOf(bytes)
    assert.ok((await poured((await opened()).over(store, objectId), whole(bytes))).equals(bytes))
    assert.equal(store.asked, [])
  })

  test('a folder that cannot be made, and a bound that is too small, are refused', async () => {
    writeFileSync(join(folder, 'file'), '')
    const refused = async (options: DiskCacheOptions): Promise<string> =>
      String(await openDiskCache(options).catch((error: unknown) => error))
    assert.match(await refused({ folder: join(folder, 'file', 'x') }), /cannot keep pages in/)
    assert.match(await refused({ folder, maximumBytes: MiB }), /at least 64 MiB/)
  })
})
