import * as assert from 'uvu/assert'
import { type ByteSource, readBytes } from '../../src/bytes/byte-source.ts'
import { createCachedSource } from '../../src/bytes/cached-source.ts'
import type { ByteRange } from '../../src/core/byte-range.ts'
import { isScoreError, ScoreError } from '../../src/core/errors.ts'
import { createRandom } from '../formats/bam-fixture.ts'
import { suite } from '../support/suite.ts'

const content = Buffer.from(Array.from({ length: 10_050 }, (_, at) => (at * 13 + (at >> 8)) % 256))

interface Watched extends ByteSource {
  readonly reads: ByteRange[]
  readonly aborted: number
  /** Reads wait until the gate opens. */
  gate: Promise<void>
  failNext: boolean
}

function watch(): Watched {
  let aborted = 0
  const watched: Watched = {
    reads: [],
    gate: Promise.resolve(),
    failNext: false,
    get aborted() {
      return aborted
    },
    size: async () => content.length,
    async *stream(range, call) {
      watched.reads.push(range)
      const fails = watched.failNext
      watched.failNext = false
      await Promise.race([
        watched.gate,
        new Promise((_, reject) =>
          call?.signal?.addEventListener('abort', () => {
            aborted += 1
            reject(call.signal?.reason)
          }),
        ),
      ])
      if (fails) throw new ScoreError('unavailable', 'the wire broke')
      for (let at = range.start; at < range.end; at += 37) yield content.subarray(at, Math.min(range.end, at + 37))
    },
    async close() {},
  }
  return watched
}

function gate(): { readonly closed: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined
  const closed = new Promise<void>((resolve) => {
    open = resolve
  })
  return { closed, open }
}

const settings = { blockBytes: 100, maximumBytes: 1000, blocksPerRead: 4, bypassBytes: 5000 }

suite('cached source', (test) => {
  test('any ranges, in any order and at once, give the source’s bytes', async () => {
    const random = createRandom(11)
    const source = createCachedSource(watch(), settings)
    for (let round = 0; round < 60; round += 1) {
      const ranges = Array.from({ length: 5 }, () => {
        const start = random.below(content.length + 1)
        return { start, end: start + random.below(Math.min(content.length - start, random.pick([10, 500, 9000])) + 1) }
      })
      const all = await Promise.all(ranges.map((range) => readBytes(source, range)))
      for (const [at, { start, end }] of ranges.entries())
        assert.ok(Buffer.from(all[at] as Uint8Array).equals(content.subarray(start, end)))
    }
  })

  test('neighbouring blocks are read together, and only what is missing', async () => {
    const inner = watch()
    const source = createCachedSource(inner, settings)
    await readBytes(source, { start: 250, end: 260 })
    await readBytes(source, { start: 50, end: 750 })
    await readBytes(source, { start: 0, end: 800 })
    assert.equal(inner.reads, [
      { start: 200, end: 300 },
      { start: 0, end: 200 },
      { start: 300, end: 700 },
      { start: 700, end: 800 },
    ])
  })

  test('the least recently used blocks go first, and no more than the bound are kept or read', async () => {
    const inner = watch()
    const source = createCachedSource(inner, settings)
    for (let block = 0; block < 10; block += 1) await readBytes(source, { start: block * 100, end: block * 100 + 1 })
    await readBytes(source, { start: 0, end: 1 })
    await readBytes(source, { start: 1000, end: 1001 })
    assert.is(inner.reads.length, 11)
    await readBytes(source, { start: 0, end: 1 })
    assert.is(inner.reads.length, 11)
    await readBytes(source, { start: 100, end: 101 })
    assert.is(inner.reads.length, 12)
    const { closed, open } = gate()
    inner.gate = closed
    const many = Array.from({ length: 20 }, (_, at) => readBytes(source, { start: 2000 + at * 400, end: 2000 + at * 400 + 400 }))
    await new Promise((resolve) => setImmediate(resolve))
    const underWay = inner.reads.slice(12).reduce((sum, { start, end }) => sum + end - start, 0)
    assert.ok(underWay <= 1000 && underWay > 500, `${underWay} bytes under way`)
    open()
    inner.gate = Promise.resolve()
    for (const [at, bytes] of (await Promise.all(many)).entries())
      assert.ok(Buffer.from(bytes).equals(content.subarray(2000 + at * 400, 2400 + at * 400)))
  })

  test('readers of one block share one read; who gives up fails alone', async () => {
    const inner = watch()
    const { closed, open } = gate()
    inner.gate = closed
    const source = createCachedSource(inner, settings)
    const stop = new AbortController()
    const first = readBytes(source, { start: 0, end: 100 }, { signal: stop.signal }).catch((error: unknown) => error)
    const second = readBytes(source, { start: 0, end: 100 })
    await new Promise((resolve) => setImmediate(resolve))
    stop.abort(new Error('mine'))
    assert.is(((await first) as Error).message, 'mine')
    open()
    assert.ok(Buffer.from(await second).equals(content.subarray(0, 100)))
    assert.is(inner.reads.length, 1)
    assert.is(inner.aborted, 0)
  })

  test('when all have given up the read ends, and the next reader begins anew', async () => {
    const inner = watch()
    inner.gate = gate().closed
    const source = createCachedSource(inner, settings)
    const stop = new AbortController()
    const first = readBytes(source, { start: 0, end: 100 }, { signal: stop.signal }).catch((error: unknown) => error)
    await new Promise((resolve) => setImmediate(resolve))
    stop.abort(new Error('mine'))
    inner.gate = Promise.resolve()
    assert.is(((await first) as Error).message, 'mine')
    assert.ok(Buffer.from(await readBytes(source, { start: 0, end: 100 })).equals(content.subarray(0, 100)))
    assert.is(inner.aborted, 1)
    assert.is(inner.reads.length, 2)
  })

  test('a failure is not kept', async () => {
    const inner = watch()
    inner.failNext = true
    const source = createCachedSource(inner, settings)
    await readBytes(source, { start: 0, end: 10 }).then(
      () => assert.unreachable(),
      (error: unknown) => assert.ok(isScoreError(error, 'unavailable')),
    )
    assert.ok(Buffer.from(await readBytes(source, { start: 0, end: 10 })).equals(content.subarray(0, 10)))
  })

  test('long reads go past it', async () => {
    const inner = watch()
    const source = createCachedSource(inner, settings)
    assert.ok(Buffer.from(await readBytes(source, { start: 1, end: 9000 })).equals(content.subarray(1, 9000)))
    assert.equal(inner.reads, [{ start: 1, end: 9000 }])
  })

  test('a range behind the end, and a cache without room, are refused', async () => {
    await readBytes(createCachedSource(watch()), { start: 0, end: 20_000 }).then(
      () => assert.unreachable(),
      (error: unknown) => assert.ok(isScoreError(error, 'invalid-range')),
    )
    assert.throws(
      () => createCachedSource(watch(), { blockBytes: 100, maximumBytes: 99 }),
      (error: unknown) => isScoreError(error, 'invalid-configuration'),
    )
  })
})
