import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { constants, deflateRawSync } from 'node:zlib'
import * as assert from 'uvu/assert'
import { readsKernelSource } from '../../bench/reads-kernel-generator.ts'
import { createKernelInstance, outputSlackBytes } from '../../src/formats/kernel-instance.ts'
import { suite } from '../support/suite.ts'
import { createRandom, type Random } from './bam-fixture.ts'

const roomBytes = 256 * 1024
const kernel = createKernelInstance(2 * roomBytes)
const [from, out] = [kernel.free, kernel.free + roomBytes]

/** Where the kernel says that the output ends, from its begin; -1 when it refuses. */
function inflate(deflated: Uint8Array, expected: number): number {
  kernel.bytes.fill(0xa5, from, out + expected + outputSlackBytes + 8)
  kernel.bytes.set(deflated, from)
  const end = kernel.inflate(from, from + deflated.length, out, out + expected)
  return end === 0 ? -1 : end - out
}

/** Text of few or many letters, with repeats near and far. */
function randomBytes(random: Random, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  const letters = random.pick([1, 2, 4, 20, 256])
  const farthest = random.pick([2, 9, 300, 32_768])
  for (let at = 0; at < length; ) {
    if (random.below(8) > 0 || at === 0) bytes[at++] = random.below(letters)
    else {
      const back = 1 + random.below(Math.min(at, farthest))
      for (let left = 3 + random.below(300); left > 0 && at < length; left -= 1) bytes[at] = bytes[at++ - back] as number
    }
  }
  return bytes
}

const strategies = [constants.Z_DEFAULT_STRATEGY, constants.Z_FILTERED, constants.Z_HUFFMAN_ONLY, constants.Z_RLE, constants.Z_FIXED]

function randomDeflated(random: Random): { readonly bytes: Buffer; readonly deflated: Buffer } {
  const bytes = randomBytes(random, random.below(3) === 0 ? random.below(65_536) : random.below(600))
  const options = { level: random.below(10), strategy: random.pick(strategies), memLevel: 1 + random.below(9) }
  return { bytes, deflated: deflateRawSync(bytes, options) }
}

/** Bits as deflate packs them: low bits first. */
function packed(bits: string): Uint8Array {
  const text = bits.replaceAll(' ', '')
  return Uint8Array.from({ length: Math.ceil(text.length / 8) }, (_, at) =>
    Number.parseInt([...text.slice(at * 8, at * 8 + 8).padEnd(8, '0')].reverse().join(''), 2),
  )
}

suite('kernel of reads', (test) => {
  test('the kernel in the source is the one that its generator makes', async () => {
    assert.is(readFileSync(join(import.meta.dirname, '../../src/formats/reads-kernel.ts'), 'utf8'), await readsKernelSource())
  })

  test('500 streams of every level and strategy inflate to what they were made of', () => {
    const random = createRandom(7)
    for (let round = 0; round < 500; round += 1) {
      const { bytes, deflated } = randomDeflated(random)
      assert.is(inflate(deflated, bytes.length), bytes.length, `round ${round}`)
      assert.ok(kernel.bytes.subarray(out, out + bytes.length).equals(bytes), `round ${round}`)
      assert.ok(kernel.bytes[out + bytes.length + outputSlackBytes] === 0xa5, `round ${round}: wrote too far behind`)
    }
  })

  test('cut-off, longer, shorter and damaged streams: refused, and nothing is written outside of the room', () => {
    const random = createRandom(11)
    let refused = 0
    for (let round = 0; round < 500; round += 1) {
      const { bytes, deflated } = randomDeflated(random)
      if (bytes.length < 2) continue
      assert.is(inflate(deflated.subarray(0, -1), bytes.length), -1, `round ${round}: cut off`)
      assert.is(inflate(Buffer.concat([deflated, Buffer.of(0)]), bytes.length), -1, `round ${round}: longer`)
      assert.is(inflate(deflated, bytes.length - 1), -1, `round ${round}: more than there is room for`)
      const damaged = Buffer.from(deflated)
      const at = random.below(damaged.length)
      damaged[at] = (damaged[at] as number) ^ (1 << random.below(8))
      if (inflate(damaged, bytes.length) < 0) refused += 1
      assert.ok(kernel.bytes[out + bytes.length + outputSlackBytes] === 0xa5, `round ${round}: wrote too far behind`)
    }
    assert.ok(refused > 100, `${refused} were refused`)
  })

  for (const [what, bits] of [
    ['a block of the reserved type', '1 11'],
    ['a stored block whose lengths differ', '1 00 00000 0000000010000000 0000000010000000'],
    ['the symbol 286, which means nothing', '1 10 11000110 0000000'],
    ['the offset 30, which means nothing', '1 10 00110000 0000001 11110 0000000'],
    ['an offset before the first byte', '1 10 00110000 0000001 00001 0000000'],
    ['more than 286 literals and lengths', `1 01 11111 10000 0000 ${'0'.repeat(12)}`],
    ['lengths that are no prefix code', `1 01 00000 10000 1111 ${'100'.repeat(19)}`],
    ['nothing at all', ''],
  ] as const) {
    test(`refused: ${what}`, () => {
      assert.is(inflate(packed(bits), 3), -1)
    })
  }

  test('a block of fixed codes that is right, made by hand as those that are refused', () => {
    // 'a', then three bytes from one before.
    assert.is(inflate(packed('1 10 10010001 0000001 00000 0000000'), 4), 4)
    assert.is(kernel.bytes.toString('latin1', out, out + 4), 'aaaa')
  })
})
