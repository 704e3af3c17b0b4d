import * as assert from 'uvu/assert'
import { createMemorySource } from '../../src/bytes/memory-source.ts'
import { isScoreError } from '../../src/core/errors.ts'
import { encodeBamHeader } from '../../src/formats/bam-header.ts'
import { createBamReader } from '../../src/formats/bam-reader.ts'
import { encodeBamRecord } from '../../src/formats/bam-record-codec.ts'
import { createBgzfWriter } from '../../src/formats/bgzf-writer.ts'
import type { VirtualOffset } from '../../src/formats/virtual-offset.ts'
import { suite } from '../support/suite.ts'
import { createRandom, fixtureHeader, makeBam, randomRecord, readAll, sortedRecords } from './bam-fixture.ts'

const random = createRandom(3)
const records = sortedRecords(random, 1_500)
const made = await makeBam(records)

async function failure(work: Promise<unknown>): Promise<Error> {
  try {
    await work
  } catch (error) {
    return error as Error
  }
  throw new Error('it was to fail and did not')
}

/** The uncompressed stream in blocks that end anywhere, so that records and the header cross them. */
async function ragged(blockBytes: number, own = records): Promise<Uint8Array> {
  const stream = Buffer.concat([encodeBamHeader(fixtureHeader), ...own.map(encodeBamRecord)])
  const pieces: Uint8Array[] = []
  const writer = createBgzfWriter((bytes) => void pieces.push(bytes), { level: 1 })
  for (let at = 0; at < stream.length; at += blockBytes) {
    await writer.write(stream.subarray(at, at + blockBytes))
    writer.flush()
  }
  await writer.finish()
  return Buffer.concat(pieces)
}

suite('BAM files', (test) => {
  test('what is written is read: header, records, counts', async () => {
    const reader = createBamReader(createMemorySource(made.bam))
    assert.equal(await reader.header(), fixtureHeader)
    assert.equal(await readAll(made.bam), records)
    assert.is(made.records, records.length)
    assert.is(made.size, made.bam.length)
    await reader.checkEofMarker()
  })

  test('no record crosses a block, and the first begins one', async () => {
    const reader = createBamReader(createMemorySource(made.bam))
    assert.is((await reader.firstRecord()).within, 0)
    for await (const { start, bytes } of reader.records()) assert.ok(start.within + bytes.length <= 0xff00)
  })

  for (const { blockBytes, own } of [
    { blockBytes: 3, own: records.slice(0, 40) },
    { blockBytes: 50, own: records.slice(0, 200) },
    { blockBytes: 4_000, own: records },
    { blockBytes: 65_000, own: records },
  ]) {
    test(`blocks of ${blockBytes} bytes that cut header and records anywhere`, async () => {
      const bam = await ragged(blockBytes, own)
      assert.equal(await readAll(bam), own)
      const reader = createBamReader(createMemorySource(bam))
      const starts: VirtualOffset[] = []
      for await (const { start } of reader.records()) starts.push(start)
      for (const at of [0, 1, 37, starts.length - 1]) {
        const from = starts[at] as VirtualOffset
        const rest: string[] = []
        for await (const { start, bytes } of reader.records({ start: from })) {
          if (rest.length === 0) assert.equal(start, from)
          rest.push(Buffer.from(bytes).toString('hex'))
        }
        assert.equal(
          rest,
          own.slice(at).map((record) => Buffer.from(encodeBamRecord(record)).toString('hex')),
        )
      }
    })
  }

  test('a record of many blocks', async () => {
    const long = { ...randomRecord(random, { referenceId: 0, position: 1 }), cigar: [], sequence: 'ACGTN'.repeat(60_000) }
    const { qualities: _, ...record } = long
    const one = await makeBam([record, ...records.slice(-3)], fixtureHeader, 0)
    assert.equal(await readAll(one.bam), [record, ...records.slice(-3)])
  })

  test('a file without records', async () => {
    const none = await makeBam([])
    assert.equal(await readAll(none.bam), [])
    assert.is(none.records, 0)
    assert.equal(await createBamReader(createMemorySource(none.bam)).header(), fixtureHeader)
  })

  test('a cut-off file never ends quietly inside a block or record', async () => {
    for (const length of [10, 500, made.bam.length - 29, made.bam.length - 4_000]) {
      const error = await failure(readAll(made.bam.subarray(0, length), 'x.bam'))
      assert.ok(isScoreError(error, 'invalid-format'), `${length}: ${error}`)
      assert.match(error.message, /^x\.bam: .*(cut off|ends inside)/)
    }
    const bam = await ragged(4_000)
    const reader = createBamReader(createMemorySource(bam))
    const blocks = new Set<number>()
    for await (const { start } of reader.records()) blocks.add(start.block)
    const middle = [...blocks][50] as number
    const error = await failure(readAll(bam.subarray(0, middle), 'x.bam'))
    assert.match(error.message, /^x\.bam: the record at byte \d+, inflated byte \d+ of its block needs/)
  })

  test('a place where no record begins is refused', async () => {
    const reader = createBamReader(createMemorySource(made.bam), { name: 'x.bam' })
    const { block } = await reader.firstRecord()
    const records = reader.records({ start: { block, within: 12 } })[Symbol.asyncIterator]()
    const error = await failure(records.next().then(() => records.next()))
    assert.ok(isScoreError(error, 'invalid-format'), String(error))
  })

  test('a file that is no BAM', async () => {
    const pieces: Uint8Array[] = []
    const writer = createBgzfWriter((bytes) => void pieces.push(bytes))
    await writer.write(Buffer.from('##fileformat=VCFv4.2\n'))
    await writer.finish()
    const reader = createBamReader(createMemorySource(Buffer.concat(pieces)), { name: 'x.vcf.gz' })
    assert.match((await failure(reader.header())).message, /^x\.vcf\.gz: not a BAM file/)
    assert.match((await failure(reader.header())).message, /^x\.vcf\.gz: not a BAM file/)
  })

  test('records out of order are refused', async () => {
    const at = (referenceId: number, position: number) => randomRecord(random, { referenceId, position })
    const rows = [
      [at(0, 9), at(0, 8)],
      [at(2, 1), at(0, 8)],
      [at(-1, -1), at(0, 8)],
      [at(0, 1), at(2, 1), at(0, 8)],
    ]
    for (const row of rows) {
      const error = await failure(makeBam(row))
      assert.ok(isScoreError(error, 'invalid-request'), String(error))
      assert.match(error.message, /coordinate order/)
    }
    assert.match((await failure(makeBam([at(9, 1)]))).message, /names reference 9; the header has 3/)
    assert.match((await failure(makeBam([at(0, 2 ** 29)]))).message, /need CSI/)
  })
})
