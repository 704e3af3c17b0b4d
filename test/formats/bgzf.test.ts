import { gunzipSync } from 'node:zlib'
import * as assert from 'uvu/assert'
import { createMemorySource } from '../../src/bytes/memory-source.ts'
import { isScoreError } from '../../src/core/errors.ts'
import { type BgzfBlock, blockPayloadBytes, eofMarker } from '../../src/formats/bgzf-block.ts'
import { createBgzfReader } from '../../src/formats/bgzf-reader.ts'
import { type BgzfWriterOptions, createBgzfWriter, type WritePosition } from '../../src/formats/bgzf-writer.ts'
import { suite } from '../support/suite.ts'
import { createRandom } from './bam-fixture.ts'

const random = createRandom(7)

/** Bytes that compress somewhat. */
function someBytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, () => random.below(40))
}

async function compress(
  pieces: readonly Uint8Array[],
  options: BgzfWriterOptions & { readonly reserve?: boolean } = {},
): Promise<{ readonly file: Uint8Array; readonly places: { readonly block: number; readonly within: number }[] }> {
  const written: Uint8Array[] = []
  const writer = createBgzfWriter((bytes) => void written.push(bytes), options)
  const positions: WritePosition[] = []
  for (const piece of pieces) {
    if (options.reserve) writer.reserve(piece.length)
    positions.push(writer.position())
    await writer.write(piece)
  }
  const size = await writer.finish()
  const file = Buffer.concat(written)
  assert.is(size, file.length)
  return { file, places: positions.map(writer.resolve) }
}

async function readBlocks(file: Uint8Array, range?: { readonly start?: number; readonly end?: number }): Promise<BgzfBlock[]> {
  const blocks: BgzfBlock[] = []
  for await (const block of createBgzfReader(createMemorySource(file), { name: 'x.bam' }).blocks(range)) blocks.push(block)
  return blocks
}

async function readInflated(file: Uint8Array, span = {}): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const { data } of createBgzfReader(createMemorySource(file), { name: 'x.bam' }).read(span)) pieces.push(data)
  return Buffer.concat(pieces)
}

async function failure(work: Promise<unknown>): Promise<Error> {
  try {
    await work
  } catch (error) {
    return error as Error
  }
  throw new Error('it was to fail and did not')
}

async function failsAt(file: Uint8Array, offset: number, says: RegExp): Promise<void> {
  const error = await failure(readInflated(file))
  assert.ok(isScoreError(error, 'invalid-format'), String(error))
  assert.match(error.message, `x.bam: BGZF block at byte ${offset}: `)
  assert.match(error.message, says)
}

function changed(file: Uint8Array, at: number, value = (file[at] as number) ^ 0x55): Uint8Array {
  const copy = Uint8Array.from(file)
  copy[at] = value
  return copy
}

const content = Array.from({ length: 60 }, () => someBytes(random.below(9_000)))
const plain = Buffer.concat(content)
const made = await compress(content)
const offsets = (await readBlocks(made.file)).map(({ offset }) => offset)
const second = offsets[1] as number

suite('BGZF', (test) => {
  test('round trip at every level; any gzip reads it; blocks stay within 64 KiB', async () => {
    for (const options of [{ level: 0 }, { level: 1 }, {}, { level: 9 }, { strategy: 'huffman-only' }] as const) {
      const { file } = await compress(content, options)
      assert.is(Buffer.compare(await readInflated(file), plain), 0, JSON.stringify(options))
      assert.is(Buffer.compare(gunzipSync(file), plain), 0)
      const blocks = await readBlocks(file)
      assert.ok(blocks.every(({ size, data }) => size <= 65_536 && data.length <= blockPayloadBytes))
      assert.is(Buffer.compare(file.subarray(-28), eofMarker), 0)
    }
  })

  test('bytes that do not compress are stored and still fit', async () => {
    const noise = Uint8Array.from({ length: 200_000 }, () => random.below(256))
    const { file } = await compress([noise], { level: 9 })
    assert.is(Buffer.compare(await readInflated(file), noise), 0)
    assert.ok((await readBlocks(file)).every(({ size }) => size <= 65_536))
  })

  test('the same bytes every time, however many blocks are deflated at once', async () => {
    const one = await compress(content, { concurrency: 1 })
    const many = await compress(content, { concurrency: 8 })
    assert.is(Buffer.compare(one.file, many.file), 0)
    assert.equal(one.places, many.places)
  })

  test('virtual offsets of what was written read back from there', async () => {
    for (const reserve of [false, true]) {
      const { file, places } = await compress(content, { reserve })
      for (const [index, piece] of content.entries()) {
        const start = places[index] as { readonly block: number; readonly within: number }
        const rest = await readInflated(file, { start })
        assert.is(Buffer.compare(rest.subarray(0, piece.length), piece), 0, `piece ${index}`)
        assert.is(rest.length, plain.length - content.slice(0, index).reduce((sum, { length }) => sum + length, 0))
        const end = places[index + 1]
        if (end) assert.is(Buffer.compare(await readInflated(file, { start, end }), piece), 0)
      }
    }
  })

  test('reserve keeps small pieces inside one block', async () => {
    const { file, places } = await compress(content, { reserve: true })
    const lengths = new Map((await readBlocks(file)).map(({ offset, data }) => [offset, data.length]))
    for (const [index, { block, within }] of places.entries())
      assert.ok(within + (content[index] as Uint8Array).length <= (lengths.get(block) as number), `piece ${index}`)
  })

  test('an empty stream is the EOF marker alone', async () => {
    const { file } = await compress([])
    assert.is(Buffer.compare(file, eofMarker), 0)
    assert.is((await readInflated(file)).length, 0)
  })

  test('blocks of a range are those that begin in it', async () => {
    assert.equal(
      (await readBlocks(made.file, { start: second, end: second + 1 })).map(({ offset }) => offset),
      [second],
    )
    assert.equal((await readBlocks(made.file, { start: second, end: second })).length, 0)
    assert.equal(
      (await readBlocks(made.file, { start: offsets[2] as number })).map(({ offset }) => offset),
      offsets.slice(2),
    )
  })

  test('pieces of any size come together; empty blocks in the middle are passed over', async () => {
    const doubled = Buffer.concat([made.file, made.file])
    const source = createMemorySource(doubled)
    const crumbs = {
      ...source,
      async *stream(range: { readonly start: number; readonly end: number }) {
        const reused = new Uint8Array(1_000)
        for (let at = range.start; at < range.end; ) {
          const piece = doubled.subarray(at, Math.min(range.end, at + 1 + random.below(1_000)))
          reused.set(piece)
          at += piece.length
          yield reused.subarray(0, piece.length)
        }
      },
    }
    const pieces: Uint8Array[] = []
    for await (const { data } of createBgzfReader(crumbs).read()) pieces.push(data)
    assert.is(Buffer.compare(Buffer.concat(pieces), Buffer.concat([plain, plain])), 0)
  })

  test('other subfields beside BC are stepped over', async () => {
    const [first] = await readBlocks(made.file)
    const frame = Buffer.from(made.file.subarray(0, first?.size))
    const extra = Buffer.from([0x58, 0x59, 3, 0, 1, 2, 3])
    const widened = Buffer.concat([frame.subarray(0, 12), extra, frame.subarray(12)])
    widened.writeUInt16LE(6 + extra.length, 10)
    widened.writeUInt16LE(widened.length - 1, 16 + extra.length)
    assert.is(Buffer.compare(await readInflated(widened), first?.data as Uint8Array), 0)
  })

  const size = (offsets[2] as number) - second
  const damages: readonly (readonly [what: string, file: Uint8Array, says: RegExp])[] = [
    ['a flipped byte of the data', changed(made.file, second + 200), /inflate|CRC-32|footer/],
    ['a wrong CRC', changed(made.file, second + size - 8), /CRC-32 does not match/],
    ['a wrong inflated size', changed(made.file, second + size - 4), /footer says/],
    ['an impossible inflated size', changed(made.file, second + size - 1, 0x7f), /at most 65536/],
    ['a wrong magic byte', changed(made.file, second), /wrong magic/],
    ['no extra field', changed(made.file, second + 3, 0), /wrong magic/],
    ['no BC subfield', changed(made.file, second + 12), /no valid BC field/],
    ['cut off inside the block', made.file.subarray(0, second + size - 1), /cut off/],
    ['cut off inside its header', made.file.subarray(0, second + 5), /cut off/],
  ]
  for (const [what, file, says] of damages) test(`${what} is found and its place told`, async () => await failsAt(file, second, says))

  test('a block size that is too small is found at the block or behind it', async () => {
    const error = await failure(readInflated(changed(made.file, second + 16, 1)))
    assert.ok(isScoreError(error, 'invalid-format'))
  })

  test('bytes hidden between the end of a block and its stated end are found', async () => {
    const [first] = await readBlocks(made.file)
    const block = Buffer.from(made.file.subarray(0, first?.size))
    // zlib takes the block for whole and stops at the junk; only the sizes tell.
    const junk = Buffer.from('0000000000000000e8030000', 'hex')
    const padded = Buffer.concat([block, junk])
    padded.writeUInt16LE(padded.length - 1, 16)
    await failsAt(Buffer.concat([padded, made.file.subarray(first?.size)]), 0, /its footer says 1000/)
  })

  test('plain gzip, text and a wrong start are refused', async () => {
    await failsAt(Buffer.from('@HD\tVN:1.6\n'.repeat(10)), 0, /no block begins here/)
    const error = await failure(readInflated(made.file, { start: { block: second + 3, within: 0 } }))
    assert.match(error.message, `byte ${second + 3}`)
    assert.match((await failure(readInflated(made.file, { start: { block: made.file.length + 1, within: 0 } }))).message, /of another file/)
    assert.match((await failure(readInflated(made.file, { start: { block: second, within: 65_400 } }))).message, /points behind/)
  })

  test('the EOF marker is checked', async () => {
    await createBgzfReader(createMemorySource(made.file)).checkEofMarker()
    for (const file of [made.file.subarray(0, -28), made.file.subarray(0, -1), new Uint8Array(0)]) {
      const error = await failure(createBgzfReader(createMemorySource(file), { name: 'x.bam' }).checkEofMarker())
      assert.ok(isScoreError(error, 'invalid-format'))
      assert.match(error.message, /^x\.bam: the EOF marker is missing/)
    }
  })

  test('what the sink throws comes out of write or finish, once and as it was', async () => {
    const full = new Error('disk full')
    let calls = 0
    const writer = createBgzfWriter(
      () => {
        calls += 1
        if (calls === 3) throw full
      },
      { level: 1 },
    )
    const work = (async () => {
      for (let left = 200; left > 0; left -= 1) await writer.write(someBytes(30_000))
      await writer.finish()
    })()
    assert.is(await failure(work), full)
    assert.is(calls, 3)
  })

  test('an aborted writer stops and writes no EOF marker', async () => {
    const stop = new AbortController()
    const written: Uint8Array[] = []
    const writer = createBgzfWriter((bytes) => void written.push(bytes), { signal: stop.signal })
    await writer.write(plain)
    stop.abort(new Error('enough'))
    assert.is((await failure(writer.finish())).message, 'enough')
    assert.ok(written.every((bytes) => bytes.length !== 28))
  })

  test('a slow sink holds the writer back', async () => {
    let release: (() => void) | undefined
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    const writer = createBgzfWriter(() => gate, { level: 0, concurrency: 1 })
    let held: Promise<void> | undefined
    let blocks = 0
    for (; held === undefined && blocks < 100; blocks += 1) held = writer.write(new Uint8Array(blockPayloadBytes))
    assert.ok(blocks <= 6, `${blocks} blocks were taken`)
    release?.()
    await held
    await writer.finish()
  })
})
