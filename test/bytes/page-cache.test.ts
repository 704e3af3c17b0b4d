import * as assert from 'uvu/assert'
import type { ByteSource } from '../../src/bytes/byte-source.ts'
import { createMemorySource } from '../../src/bytes/memory-source.ts'
import { createPageCache, type ObjectReader } from '../../src/bytes/page-cache.ts'
import type { ByteRange } from '../../src/core/byte-range.ts'
import { isScoreError, ScoreError } from '../../src/core/errors.ts'
import { createRandom } from '../formats/bam-fixture.ts'
import { suite } from '../support/suite.ts'

const KiB = 1024
const MiB = 1024 * KiB

function bytesOf(size: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; at += 1) bytes[at] = (at * 7 + (at >> 8) * 13 + seed) & 0xff
  return bytes
}

interface Watched extends ByteSource {
  readonly asked: ByteRange[]
  aborted: number
  /** Reads wait for it. */
  gate: Promise<void>
  fail: boolean
}

function watched(bytes: Buffer, piece = 10_000): Watched {
  const source: Watched = {
    asked: [],
    aborted: 0,
    gate: Promise.resolve(),
    fail: false,
    size: async () => bytes.length,
    async *stream(range, call) {
      source.asked.push(range)
      call?.signal?.addEventListener('abort', () => {
        source.aborted += 1
      })
      await source.gate
      if (source.fail) throw new ScoreError('unavailable', 'the wire broke')
      const own = Buffer.alloc(piece)
      for (let at = range.start; at < range.end; at += piece) {
        const end = Math.min(range.end, at + piece)
        own.set(bytes.subarray(at, end))
        yield own.subarray(0, end - at)
        own.fill(0xee)
      }
    },
    close: async () => undefined,
  }
  return source
}

const never: ByteSource = {
  size: async () => MiB,
  stream: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) }),
  close: async () => undefined,
}

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => 'nothing',
    (thrown: unknown) => thrown,
  )
  return isScoreError(error) ? error.code : String(error)
}

/** What has been begun has run as far as it can. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate)
}

function gate(): { readonly closed: Promise<void>; open: () => void } {
  let open = (): void => undefined
  const closed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { closed, open }
}

suite('page cache', (test) => {
  for (const [budget, what] of [
    [MiB, 'a memory of 1 MiB'],
    [64 * MiB, 'memory for all'],
  ] as const) {
    test(`3,000 random reads of eight objects by many readers agree with their bytes: ${what}`, async () => {
      const random = createRandom(11)
      const contents = [0, 1, 65_536, 65_537, 300_000, 700_001, 2_000_000, 3_000_003].map((size, index) => bytesOf(size, index))
      const cache = createPageCache({ maximumBytes: budget, connections: 4 })
      const open = contents.map((bytes) => {
        const source = random.below(2) === 0 ? watched(bytes) : createMemorySource(bytes)
        return cache.open(source, { size: bytes.length, keptHeadBytes: 100_000 })
      })
      const readers: { reader: ObjectReader; bytes: Buffer; at: number }[] = []
      for (let step = 0; step < 3000; step += 1) {
        if (readers.length < 12 || random.below(20) === 0) {
          const which = random.below(contents.length)
          readers.push({ reader: (open[which] as (typeof open)[number]).reader(), bytes: contents[which] as Buffer, at: 0 })
        }
        const one = random.pick(readers)
        if (random.below(4) === 0) one.at = random.below(one.bytes.length + 1)
        const range = { start: one.at, end: Math.min(one.bytes.length, one.at + random.below(200_000)) }
        one.at = range.end
        let now: Buffer | undefined
        const had = one.reader.readNow(range, (pieces) => {
          now = Buffer.concat(pieces)
        })
        if (had) assert.ok(now?.equals(one.bytes.subarray(range.start, range.end)))
        const several = Array.from({ length: random.below(3) }, () => one.reader.read(range))
        for (const got of await Promise.all(several)) assert.ok(one.bytes.subarray(range.start, range.end).equals(got))
        assert.ok(cache.statistics().memoryBytes <= budget, 'the bound holds')
        if (readers.length > 30) readers.splice(random.below(readers.length), 1)[0]?.reader.close()
      }
      await settled()
      for (const object of open) object.close()
      const { memoryBytes, fetching, queued } = cache.statistics()
      assert.equal([memoryBytes, fetching, queued], [0, 0, 0])
    })
  }

  test('less than 1 MiB is refused', () => {
    assert.throws(() => createPageCache({ maximumBytes: MiB - 1 }), /at least 1 MiB/)
  })

  test('readers of the same bytes share one fetch of them', async () => {
    const source = watched(bytesOf(500_000))
    const object = createPageCache().open(source, { size: 500_000 })
    const { closed, open } = gate()
    source.gate = closed
    const reads = Array.from({ length: 8 }, () => object.reader().read({ start: 70_000, end: 80_000 }))
    await settled()
    open()
    await Promise.all(reads)
    assert.is(source.asked.filter(({ start, end }) => start <= 70_000 && end >= 80_000).length, 1)
  })

  test('the first bytes of a long fetch are given before its last', async () => {
    const bytes = bytesOf(2 * MiB)
    const rest = gate()
    const source: ByteSource = {
      ...createMemorySource(bytes),
      async *stream({ start, end }) {
        yield bytes.subarray(start, start + 64 * KiB)
        await rest.closed
        yield bytes.subarray(start + 64 * KiB, end)
      },
    }
    const reader = createPageCache().open(source, { size: bytes.length }).reader()
    assert.ok(bytes.subarray(0, 4096).equals(await reader.read({ start: 0, end: 4096 })))
    rest.open()
  })

  test('reading in order fetches each byte once, ahead of the reader', async () => {
    const bytes = bytesOf(12 * MiB)
    const source = watched(bytes, 100_000)
    const cache = createPageCache({ maximumBytes: 64 * MiB })
    const reader = cache.open(source, { size: bytes.length }).reader()
    for (let start = 0; start < bytes.length; start += 128 * KiB) {
      await reader.read({ start, end: start + 128 * KiB })
      await settled()
    }
    const { fetchedBytes, fetches } = cache.statistics()
    assert.is(fetchedBytes, bytes.length)
    assert.ok(fetches < 25, `${fetches} fetches`)
    assert.not(reader.readNow({ start: 0, end: 0 }, () => undefined) === false)
  })

  test('a seek back is served from memory; random reads fetch little', async () => {
    const bytes = bytesOf(40 * MiB)
    const source = watched(bytes, 100_000)
    const cache = createPageCache({ maximumBytes: 256 * MiB })
    const reader = cache.open(source, { size: bytes.length }).reader()
    for (const place of [8, 30, 16, 35, 22, 12]) await reader.read({ start: place * MiB, end: place * MiB + 4096 })
    await settled()
    const { fetchedBytes, fetches } = cache.statistics()
    assert.ok(fetchedBytes <= 640 * KiB, `${fetchedBytes}`)
    assert.is(fetches, 6)
    assert.ok(reader.readNow({ start: 30 * MiB, end: 30 * MiB + 4096 }, () => undefined))
    assert.is(cache.statistics().fetches, 6)
  })

  test('what was to be fetched ahead is dropped when its reader goes', async () => {
    const bytes = bytesOf(30 * MiB)
    const source = watched(bytes)
    const cache = createPageCache({ connections: 2 })
    const object = cache.open(source, { size: bytes.length })
    const reader = object.reader()
    source.gate = new Promise(() => undefined)
    const read = reader.read({ start: 0, end: 128 * KiB })
    await settled()
    assert.ok(cache.statistics().queued > 0)
    reader.close()
    await settled()
    assert.is(cache.statistics().queued, 0)
    object.close()
    assert.is(await codeOf(read), 'unavailable')
    assert.is(cache.statistics().memoryBytes, 0)
  })

  test('who gives up fails alone; when nobody waits the fetch ends', async () => {
    const bytes = bytesOf(500_000)
    const source = watched(bytes)
    const { closed, open } = gate()
    source.gate = closed
    const object = createPageCache().open(source, { size: bytes.length })
    const abort = new AbortController()
    const first = object.reader().read({ start: 100_000, end: 100_010 }, { signal: abort.signal })
    const second = object.reader().read({ start: 100_000, end: 100_010 })
    abort.abort(new ScoreError('unavailable', 'enough'))
    assert.match(String(await first.catch((error: unknown) => error)), /enough/)
    assert.is(source.aborted, 0)
    open()
    assert.ok(bytes.subarray(100_000, 100_010).equals(await second))
    const left = watched(bytes)
    left.gate = new Promise(() => undefined)
    const leave = new AbortController()
    const cache = createPageCache()
    const third = cache.open(left, { size: bytes.length }).reader().read({ start: 300_000, end: 300_010 }, { signal: leave.signal })
    await settled()
    leave.abort(new Error('gone'))
    await third.catch(() => undefined)
    assert.equal([left.asked.length, left.aborted, cache.statistics().fetching], [1, 1, 0])
  })

  test('a failure is told to all who wait, and the next read tries again', async () => {
    const bytes = bytesOf(300_000)
    const source = watched(bytes)
    source.fail = true
    const object = createPageCache().open(source, { size: bytes.length })
    const [one, other] = [object.reader(), object.reader()]
    const range = { start: 5, end: 10 }
    assert.equal(await Promise.all([codeOf(one.read(range)), codeOf(other.read(range))]), ['unavailable', 'unavailable'])
    source.fail = false
    assert.ok(bytes.subarray(5, 10).equals(await one.read(range)))
  })

  test('a source that gives more or less than it was asked for is an error', async () => {
    for (const change of [-1, 1]) {
      const source: ByteSource = {
        ...createMemorySource(bytesOf(200_000)),
        async *stream({ start, end }) {
          yield Buffer.alloc(end - start + change)
        },
      }
      const object = createPageCache().open(source, { size: 100_000 })
      assert.is(await codeOf(object.reader().read({ start: 99_990, end: 100_000 })), change < 0 ? 'unavailable' : 'nothing')
      assert.is(await codeOf(object.reader().read({ start: 0, end: 100_000 })), change < 0 ? 'unavailable' : 'nothing')
    }
  })

  test('a fetch that stands still frees its connection for others at once, and ends in the end, whatever its source does', async () => {
    let clock = 0
    // The cache's own timer keeps no process alive.
    const alive = setInterval(() => {
      clock += 100
    }, 5)
    const cache = createPageCache({ connections: 2, stallMs: 60_000, now: () => clock })
    const stuck = Array.from({ length: 8 }, () => codeOf(cache.open(never, { size: MiB }).reader().read({ start: 0, end: 10 })))
    await settled()
    const bytes = bytesOf(100_000)
    const healthy = cache.open(createMemorySource(bytes), { size: bytes.length }).reader()
    assert.ok(bytes.subarray(0, 10).equals(await healthy.read({ start: 0, end: 10 })))
    assert.equal(new Set(await Promise.all(stuck)), new Set(['unavailable']))
    clearInterval(alive)
  })

  test('an index is fetched whole at its first read and stays; a header stays too', async () => {
    const index = bytesOf(500_000, 3)
    const data = bytesOf(20 * MiB, 4)
    const cache = createPageCache({ maximumBytes: 4 * MiB })
    const [indexSource, dataSource] = [watched(index), watched(data, 100_000)]
    const indexObject = cache.open(indexSource, { size: index.length, whole: true })
    const dataObject = cache.open(dataSource, { size: data.length, keptHeadBytes: 200_000 })
    await indexObject.reader().read({ start: 5, end: 10 })
    await dataObject.reader().read({ start: 0, end: 100 })
    await settled()
    const reader = dataObject.reader()
    for (let at = 0; at < data.length; at += MiB / 2) await reader.read({ start: at, end: at + MiB / 2 })
    const asked = indexSource.asked.length
    assert.ok(indexObject.reader().readNow({ start: 0, end: index.length }, () => undefined))
    assert.ok(dataObject.reader().readNow({ start: 0, end: 190_000 }, () => undefined))
    assert.is(indexSource.asked.length, asked)
  })

  test('a long run in order gives back what it has passed, unless somebody else reads there; what others read stays', async () => {
    const [other, long] = [bytesOf(300_000, 5), bytesOf(40 * MiB)]
    const longSource = watched(long, 500_000)
    const cache = createPageCache({ maximumBytes: 64 * MiB })
    const otherReader = cache.open(createMemorySource(other), { size: other.length }).reader()
    await otherReader.read({ start: 0, end: other.length })
    const object = cache.open(longSource, { size: long.length })
    const readAll = async (): Promise<void> => {
      const reader = object.reader()
      for (let at = 0; at < long.length; at += 512 * KiB)
        assert.ok(long.subarray(at, at + 512 * KiB).equals(await reader.read({ start: at, end: at + 512 * KiB })))
      await settled()
      reader.close()
    }
    const here = (start: number): boolean => {
      const reader = object.reader()
      const had = reader.readNow({ start, end: start + KiB }, () => undefined)
      reader.close()
      return had
    }
    await readAll()
    assert.ok(cache.statistics().memoryBytes < 10 * MiB, `${cache.statistics().memoryBytes}`)
    assert.ok(otherReader.readNow({ start: 0, end: other.length }, () => undefined))
    assert.equal([0, 20 * MiB, 39 * MiB].map(here), [false, false, true])
    object.reader()
    await readAll()
    assert.equal([0, 20 * MiB, 39 * MiB].map(here), [true, true, true])
  })

  test('a source that pours into the memory it is shown is copied nowhere, and one that does not is copied', async () => {
    const bytes = bytesOf(1_000_000)
    const random = createRandom(5)
    let shown = 0
    const source: ByteSource = {
      ...createMemorySource(bytes),
      async pour({ start, end }, take, { space } = {}) {
        for (let at = start; at < end; ) {
          const room = random.below(3) > 0 ? space?.() : undefined
          const part = Buffer.from(bytes.subarray(at, Math.min(end, at + 1 + random.below(room?.length ?? 100_000))))
          at += part.length
          if (room === undefined) {
            take(part)
            part.fill(0xee)
            continue
          }
          shown += 1
          room.set(part)
          take(room.subarray(0, part.length))
        }
      },
    }
    const reader = createPageCache().open(source, { size: bytes.length }).reader()
    assert.ok(bytes.equals(await reader.read({ start: 0, end: bytes.length })))
    assert.ok(shown > 0)
  })

  test('a head that came with the version is not fetched again', async () => {
    const bytes = bytesOf(300_000)
    const source = watched(bytes)
    const object = createPageCache().open(source, { size: bytes.length, head: bytes.subarray(0, 150_000) })
    assert.ok(
      object.reader().readNow({ start: 0, end: 131_072 }, (pieces) => assert.ok(Buffer.concat(pieces).equals(bytes.subarray(0, 131_072)))),
    )
    assert.not(object.reader().readNow({ start: 131_072, end: 150_000 }, () => undefined))
  })

  test('a connection is left for what is waited for, however much is fetched ahead', async () => {
    const cache = createPageCache({ connections: 4 })
    const big = watched(bytesOf(30 * MiB))
    const { closed, open } = gate()
    big.gate = closed
    const read = cache
      .open(big, { size: 30 * MiB })
      .reader()
      .read({ start: 0, end: 10 })
    await settled()
    const bytes = bytesOf(100_000)
    const other = cache.open(createMemorySource(bytes), { size: bytes.length }).reader()
    assert.ok(bytes.subarray(0, 10).equals(await other.read({ start: 0, end: 10 })))
    assert.is(big.asked.length, 3)
    open()
    await read
  })
})
