import * as assert from 'uvu/assert'
import { createReadWindow, type ReadPlan } from '../../src/bytes/read-window.ts'
import { suite } from '../support/suite.ts'

const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB

function windowOf(size = 10 * GiB, most = 32 * MiB, headBytes = 0): { read: (start: number, length: number) => ReadPlan } {
  const window = createReadWindow(size, { maximumAheadBytes: () => most, requestBytes: 4 * MiB, longRunBytes: 32 * MiB, headBytes })
  return { read: (start, length) => window.next({ start, end: start + length }) }
}

function aheadBytes(plan: ReadPlan): number {
  return plan.ahead.reduce((sum, { start, end }) => sum + end - start, 0)
}

suite('read window', (test) => {
  test('in order from the start: a window that doubles to its limit, in requests of up to 4 MiB, without a gap', () => {
    const { read } = windowOf()
    let fetched = 0
    let widest = 0
    for (let at = 0; at < 200 * MiB; at += 128 * KiB) {
      const plan = read(at, 128 * KiB)
      assert.not(plan.jumped)
      for (const { start, end } of plan.ahead) {
        if (fetched > 0) assert.is(start, fetched)
        assert.ok(end - start <= 4 * MiB)
        fetched = end
      }
      widest = Math.max(widest, fetched - at)
      if (at === 0) assert.is(fetched, 128 * KiB + MiB)
      assert.ok(fetched >= at + 128 * KiB, 'ahead of the reader')
    }
    assert.ok(widest > 28 * MiB && widest <= 33 * MiB, `${widest}`)
  })

  test('the kernel asks a little out of order: still the same run', () => {
    const { read } = windowOf()
    read(0, 128 * KiB)
    for (const at of [256, 128, 512, 384, 768, 640]) assert.not(read(at * KiB, 128 * KiB).jumped)
    assert.not(read(5 * MiB - 128 * KiB - 4 * MiB, 4 * KiB).jumped)
  })

  test('jumps fetch nothing ahead, and as much at once as the runs before were long', () => {
    const { read } = windowOf()
    const first = read(GiB, 4 * KiB)
    assert.equal([first.jumped, aheadBytes(first), first.fetchEnd - GiB], [true, 0, 256 * KiB])
    const sizes = [2, 3, 4, 5].map((place) => read(place * GiB, 4 * KiB).fetchEnd - place * GiB)
    assert.equal(sizes, [128 * KiB, 64 * KiB, 64 * KiB, 64 * KiB])
  })

  test('who reads runs of 700 KiB gets that much at the next jump', () => {
    const { read } = windowOf()
    for (let at = 0; at < 700; at += 100) read(GiB + at * KiB, 100 * KiB)
    assert.is(read(3 * GiB, 4 * KiB).fetchEnd - 3 * GiB, 700 * KiB)
  })

  test('a run that goes on after a jump is read ahead of', () => {
    const { read } = windowOf()
    assert.is(aheadBytes(read(GiB, 128 * KiB)), 0)
    assert.is(aheadBytes(read(GiB + 128 * KiB, 128 * KiB)), 0)
    assert.is(aheadBytes(read(GiB + 256 * KiB, 128 * KiB)), MiB)
  })

  test('nothing behind the end, and the last bit of a file too', () => {
    const { read } = windowOf(MiB + 5)
    const plan = read(0, 64 * KiB)
    assert.is(plan.ahead.at(-1)?.end, MiB + 5)
    assert.equal(read(MiB, 5).ahead, [])
    assert.is(read(MiB, 5).fetchEnd, MiB + 5)
  })

  test('a long run passes what lies 8 MiB behind it, each byte once, and keeps what it read before it was long', () => {
    const { read } = windowOf()
    const passed: { start: number; end: number }[] = []
    for (let at = 0; at < 50 * MiB; at += 128 * KiB) passed.push(...[read(at, 128 * KiB).passed ?? []].flat())
    assert.equal([passed[0]?.start, passed.at(-1)?.end], [24 * MiB, 42 * MiB])
    for (const [index, { start }] of passed.entries()) if (index > 0) assert.is(start, passed[index - 1]?.end)
    assert.is(read(GiB, 128 * KiB).passed, undefined)
    for (let at = GiB; at < GiB + 32 * MiB; at += 128 * KiB) assert.is(read(at, 128 * KiB).passed, undefined)
  })

  test('a look at the head, and one at the end, fetch nothing ahead and tell nothing of the runs to come', () => {
    const { read } = windowOf(10 * GiB, 32 * MiB, 256 * KiB)
    assert.equal(read(0, 64 * KiB).ahead, [])
    assert.equal(read(10 * GiB - 4 * KiB, 4 * KiB).ahead, [])
    assert.is(read(GiB, 4 * KiB).fetchEnd - GiB, 256 * KiB)
    assert.is(read(2 * GiB, 4 * KiB).fetchEnd - 2 * GiB, 128 * KiB)
    const other = windowOf(10 * GiB, 32 * MiB, 256 * KiB)
    other.read(0, 64 * KiB)
    assert.is(aheadBytes(other.read(64 * KiB, 128 * KiB)), MiB)
  })

  test('the limit holds from the first read on', () => {
    const { read } = windowOf(GiB, 512 * KiB)
    let end = 0
    for (let at = 0; at < 20 * MiB; at += 64 * KiB) {
      for (const piece of read(at, 64 * KiB).ahead) end = piece.end
      assert.ok(end - (at + 64 * KiB) <= 512 * KiB)
    }
  })
})
