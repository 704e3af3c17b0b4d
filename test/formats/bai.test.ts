import * as assert from 'uvu/assert'
import { createMemorySource } from '../../src/bytes/memory-source.ts'
import { isScoreError } from '../../src/core/errors.ts'
import { encodeBai, parseBai } from '../../src/formats/bai.ts'
import { createBamReader } from '../../src/formats/bam-reader.ts'
import { readRecordCore } from '../../src/formats/bam-record-codec.ts'
import { type BinningIndex, chunksOverlapping, unplacedStart } from '../../src/formats/binning-index.ts'
import { compareVirtualOffsets, type VirtualOffset } from '../../src/formats/virtual-offset.ts'
import { suite } from '../support/suite.ts'
import { createRandom, fixtureHeader, makeBam, sortedRecords } from './bam-fixture.ts'

const random = createRandom(5)
const made = await makeBam(sortedRecords(random, 8_000), fixtureHeader, 1)

interface Seen {
  readonly referenceId: number
  readonly position: number
  readonly end: number
  readonly at: string
}

/** Every record of the file with its place, by reading all of it. */
async function scan(span = {}): Promise<Seen[]> {
  const seen: Seen[] = []
  for await (const { start, bytes } of createBamReader(createMemorySource(made.bam)).records(span)) {
    const core = readRecordCore(new DataView(bytes.buffer, bytes.byteOffset, bytes.length))
    seen.push({ referenceId: core.referenceId, position: core.position, end: core.end, at: `${start.block}:${start.within}` })
  }
  return seen
}

const all = await scan()

async function query(
  index: BinningIndex,
  referenceId: number,
  start: number,
  end: number,
  gapBytes?: number,
): Promise<{ readonly found: string[]; readonly read: number }> {
  const found: string[] = []
  let read = 0
  for (const chunk of chunksOverlapping(index, referenceId, start, end, gapBytes)) {
    for (const record of await scan(chunk)) {
      read += 1
      if (record.referenceId === referenceId && record.position < end && record.end > start) found.push(record.at)
    }
  }
  return { found, read }
}

function naive(referenceId: number, start: number, end: number): string[] {
  return all.filter((record) => record.referenceId === referenceId && record.position < end && record.end > start).map(({ at }) => at)
}

function refused(bytes: Uint8Array, says: RegExp): void {
  assert.throws(
    () => parseBai(bytes, 'x.bai'),
    (error: unknown) => isScoreError(error, 'invalid-format') && says.test(error.message) && error.message.startsWith('x.bai: '),
  )
}

suite('BAI', (test) => {
  test('what is written is read', () => {
    assert.equal(parseBai(made.bai), {
      ...made.index,
      references: made.index.references.map((reference) => ({
        ...reference,
        bins: new Map([...reference.bins].sort(([a], [b]) => a - b)),
      })),
    })
    assert.equal(encodeBai(parseBai(made.bai)), made.bai)
  })

  test('queries find what a scan of the whole file finds, each record once', async () => {
    const index = parseBai(made.bai)
    for (let left = 150; left > 0; left -= 1) {
      const referenceId = random.below(3)
      const length = fixtureHeader.references[referenceId]?.length as number
      const start = random.pick([0, random.below(length), 16_384 * random.below(20), 16_384 * random.below(20) - 1])
      const end = start + random.pick([1, 100, 16_384, 300_000, 2 ** 29])
      const { found } = await query(index, referenceId, start, end, random.pick([0, 20_000]))
      assert.equal(found, naive(referenceId, start, end), `${referenceId}:${start}-${end}`)
    }
  })

  test('the linear index spares reading: a narrow query reads a small part', async () => {
    const { read } = await query(made.index, 0, 1_900_000, 1_900_100)
    assert.ok(read < all.length / 4, `${read} of ${all.length} records read`)
  })

  test('windows without an entry are bridged from the left', async () => {
    const index: BinningIndex = {
      ...made.index,
      references: made.index.references.map((reference) => ({
        ...reference,
        linear: reference.linear.map((offset, at) => (at % 3 === 0 ? offset : { block: 0, within: 0 })),
      })),
    }
    for (const start of [16_384 * 2, 16_384 * 4 + 5, 500_000]) {
      const { found } = await query(index, 0, start, start + 50_000)
      assert.equal(found, naive(0, start, start + 50_000))
      const window = Math.floor(start / 16_384)
      const nearest = made.index.references[0]?.linear[window - (window % 3)] as VirtualOffset
      assert.ok(chunksOverlapping(index, 0, start, start + 50_000).every((chunk) => compareVirtualOffsets(chunk.start, nearest) >= 0))
    }
  })

  test('statistics and the count of records without a place', () => {
    for (const [id, { statistics }] of made.index.references.entries()) {
      const own = all.filter(({ referenceId }) => referenceId === id)
      if (own.length === 0) assert.is(statistics, undefined)
      else {
        assert.is((statistics?.mapped ?? 0) + (statistics?.unmapped ?? 0), own.length)
        assert.is(`${statistics?.span.start.block}:${statistics?.span.start.within}`, own[0]?.at)
      }
    }
    assert.is(made.index.unplaced, all.filter(({ referenceId }) => referenceId < 0).length)
  })

  test('records without a place begin where the placed ones end', async () => {
    const start = unplacedStart(made.index)
    assert.equal(
      (await scan({ start })).map(({ at }) => at),
      all.filter(({ referenceId }) => referenceId < 0).map(({ at }) => at),
    )
    assert.is(unplacedStart({ ...made.index, references: [] }), undefined)
  })

  test('what is not indexed has no chunks', () => {
    assert.equal(chunksOverlapping(made.index, 1, 0, 5_000), [])
    assert.equal(chunksOverlapping(made.index, 99, 0, 5_000), [])
    assert.equal(chunksOverlapping(made.index, 0, 10, 10), [])
  })

  test('chunks of a bin are in order and do not overlap', () => {
    for (const { bins } of made.index.references) {
      for (const chunks of bins.values()) {
        for (const [at, { start, end }] of chunks.entries()) {
          assert.ok(compareVirtualOffsets(start, end) < 0)
          const next = chunks[at + 1]
          if (next) assert.ok(compareVirtualOffsets(end, next.start) <= 0)
        }
      }
    }
  })

  test('an index without the last count, as old writers made it', () => {
    assert.is(parseBai(made.bai.subarray(0, -8)).unplaced, undefined)
    const { unplaced: _, ...index } = made.index
    assert.equal(encodeBai(index), made.bai.subarray(0, -8))
  })

  test('every truncation is found', () => {
    for (let length = 0; length < made.bai.length; length += 1 + random.below(40)) {
      if (length !== made.bai.length - 8) refused(made.bai.subarray(0, length), /cut off|more than its|not a BAI|bytes follow/)
    }
  })

  test('other files and false counts are refused', () => {
    refused(Buffer.from('CSI\u0001 and more'), /not a BAI index/)
    refused(Buffer.concat([made.bai, Buffer.alloc(1)]), /9 bytes follow/)
    const patched = (at: number, value: number): Uint8Array => {
      const bytes = Buffer.from(made.bai)
      bytes.writeInt32LE(value, at)
      return bytes
    }
    refused(patched(4, -1), /-1 for its number of references/)
    refused(patched(4, 2 ** 30), /number of references/)
    refused(patched(8, 2 ** 30), /number of bins/)
    refused(patched(12, 40_000), /40000 is none of BAI's bins/)
    refused(patched(16, 2 ** 30), /number of chunks/)
  })

  test('another scheme than BAI is refused', () => {
    assert.throws(
      () => encodeBai({ ...made.index, scheme: { minShift: 12, depth: 6 } }),
      (error: unknown) => isScoreError(error, 'invalid-request'),
    )
  })
})
