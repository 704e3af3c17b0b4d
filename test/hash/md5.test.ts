import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { buildMd5Kernel, kernelSource } from '../../bench/md5-kernel-generator.ts'
import { createMd5Engine, type Md5Engine, slotBytes } from '../../src/hash/md5-engine.ts'
import { createMd5Lanes } from '../../src/hash/md5-lanes.ts'
import { suite } from '../support/suite.ts'

/** Bytes that look random and are the same in every run. */
function bytesOf(seed: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  let x = seed * 2654435761 + 1
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1103515245) + 12345) >>> 0
    bytes[i] = x >>> 16
  }
  return bytes
}

function expected(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex')
}

/** As the transport does it: two slots by turns. `steps`: the lengths of the updates; by default full slots. */
async function hashThrough(engine: Md5Engine, bytes: Buffer, steps?: (left: number) => number): Promise<string> {
  const pair = await engine.lease()
  const hash = engine.open()
  const busy: Promise<void>[] = []
  for (let at = 0, turn = 0; at < bytes.length; turn = 1 - turn) {
    await busy[turn]
    const slot = pair.slots[turn] as Buffer
    const length = steps?.(bytes.length - at) ?? Math.min(slotBytes, bytes.length - at)
    bytes.copy(slot, 0, at, at + length)
    busy[turn] = hash.update(slot, length)
    at += length
  }
  const md5 = await hash.digest()
  pair.release()
  return md5
}

const borders = [-65, -64, -63, -9, -8, -1, 0, 1, 8, 9, 55, 56, 63, 64, 65].map((offset) => slotBytes + offset)

suite('MD5 lanes', (test) => {
  test('the kernel in the source is the one that its generator makes', () => {
    assert.is(readFileSync(join(import.meta.dirname, '../../src/hash/md5-kernel.ts'), 'utf8'), kernelSource())
    assert.ok(WebAssembly.validate(Buffer.from(buildMd5Kernel())), 'this machine has no SIMD: the tests below would prove nothing')
  })

  test('every length from 0 to 300, in one to six streams at once', async () => {
    const lanes = createMd5Lanes({ streams: 6, dataBytes: 6 * 512 })
    assert.ok(lanes)
    for (let length = 0; length <= 300; length++) {
      const count = 1 + (length % 6)
      const results = Array.from({ length: count }, async (_, i) => {
        const bytes = bytesOf(length * 7 + i, length)
        const slot = Buffer.from(lanes.memory, lanes.dataStart + i * 512, 512)
        bytes.copy(slot)
        const stream = lanes.open()
        assert.ok(stream)
        await stream.update(slot, length)
        assert.is(await stream.digest(), expected(bytes), `${length} bytes, stream ${i} of ${count}`)
      })
      await Promise.all(results)
    }
  })

  for (const native of [false, true]) {
    test(`lengths across slot borders, ${native ? 'native' : 'lanes'}`, async () => {
      const engine = createMd5Engine({ pairs: 5, native })
      const inputs = borders.flatMap((length) => [length, length + slotBytes]).map((length) => bytesOf(length, length))
      const results = await Promise.all(inputs.map((bytes) => hashThrough(engine, bytes)))
      assert.equal(results, inputs.map(expected))
    })
  }

  test('streams of unequal lengths, in updates of any number of blocks', async () => {
    const engine = createMd5Engine({ pairs: 7 })
    let x = 42
    const random = (below: number): number => {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0
      return (x >>> 8) % below
    }
    const inputs = Array.from({ length: 40 }, (_, i) => bytesOf(i, random(700_000)))
    const step = (left: number): number => Math.min(left, 64 * (1 + random(4096)))
    const results = await Promise.all(inputs.map((bytes) => hashThrough(engine, bytes, step)))
    assert.equal(results, inputs.map(expected))
  })

  test('the length counts in bits beyond 32 of them', async () => {
    const engine = createMd5Engine({ pairs: 4 })
    const slots = await Promise.all([0, 1, 2, 3].map(() => engine.lease()))
    const streams = slots.map(() => engine.open())
    const rounds = 2 ** 29 / slotBytes + 1
    const reference = createHash('md5')
    for (const { slots: pair } of slots) pair[0].fill(7)
    for (let i = 0; i < rounds; i++) await Promise.all(streams.map((stream, k) => stream.update(slots[k]?.slots[0] as Buffer, slotBytes)))
    for (let i = 0; i < rounds; i++) reference.update(slots[0]?.slots[0] as Buffer)
    const digests = await Promise.all(streams.map((stream) => stream.digest()))
    assert.equal(digests, Array(4).fill(reference.digest('hex')))
  })

  test('a stream that is given up frees its lane and holds nobody up', async () => {
    const lanes = createMd5Lanes({ streams: 4, dataBytes: 512 })
    assert.ok(lanes)
    const slot = Buffer.from(lanes.memory, lanes.dataStart, 512)
    for (let round = 0; round < 10; round++) {
      const streams = [lanes.open(), lanes.open(), lanes.open(), lanes.open()]
      assert.is(lanes.open(), undefined)
      const updates = streams.slice(0, 3).map((stream) => stream?.update(slot, 512))
      for (const stream of streams) stream?.cancel()
      await Promise.all(updates)
    }
    const stream = lanes.open()
    await stream?.update(slot, 512)
    assert.is(await stream?.digest(), expected(slot))
  })

  test('slots go to those who wait, in order; who gives up waiting gets none', async () => {
    const engine = createMd5Engine({ pairs: 1 })
    const first = await engine.lease()
    const order: string[] = []
    const leave = new AbortController()
    const second = engine.lease().then((pair) => {
      order.push('second')
      return pair
    })
    const left = engine.lease(leave.signal).catch((reason: unknown) => reason)
    const third = engine.lease().then(() => order.push('third'))
    leave.abort('gone')
    first.release()
    first.release()
    ;(await second).release()
    await third
    assert.equal(order, ['second', 'third'])
    assert.is(await left, 'gone')
  })
})
