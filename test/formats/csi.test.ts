import * as assert from 'uvu/assert'
import { createMemorySource } from '../../src/bytes/memory-source.ts'
import { isScoreError } from '../../src/core/errors.ts'
import type { BamHeader } from '../../src/formats/bam-header.ts'
import { createBamReader } from '../../src/formats/bam-reader.ts'
import { readRecordCore } from '../../src/formats/bam-record-codec.ts'
import { createBgzfWriter } from '../../src/formats/bgzf-writer.ts'
import { type BinningScheme, baiScheme, firstBinOfLevel } from '../../src/formats/binning.ts'
import { type BinningIndex, chunksOverlapping, unplacedStart } from '../../src/formats/binning-index.ts'
import { csiSchemeFor, encodeCsi, parseCsi } from '../../src/formats/csi.ts'
import { parseIndex } from '../../src/formats/parse-index.ts'
import { suite } from '../support/suite.ts'
import { createRandom, type MadeBam, makeBam, sortedRecords } from './bam-fixture.ts'

const random = createRandom(13)
/** Longer than BAI can address. */
const longHeader: BamHeader = {
  text: '',
  references: [
    { name: 'far', length: 2_000_000_000 },
    { name: 'empty', length: 10 },
    { name: 'near', length: 300_000 },
  ],
}
const schemes: readonly BinningScheme[] = [csiSchemeFor(2_000_000_000), csiSchemeFor(2_000_000_000, 12), { minShift: 16, depth: 6 }]
const records = sortedRecords(random, 4_000, longHeader.references)

interface Seen {
  readonly referenceId: number
  readonly position: number
  readonly end: number
  readonly at: string
}

async function scan({ bam }: MadeBam, span = {}): Promise<Seen[]> {
  const seen: Seen[] = []
  for await (const { start, bytes } of createBamReader(createMemorySource(bam)).records(span)) {
    const { referenceId, position, end } = readRecordCore(new DataView(bytes.buffer, bytes.byteOffset, bytes.length))
    seen.push({ referenceId, position, end, at: `${start.block}:${start.within}` })
  }
  return seen
}

async function query(made: MadeBam, index: BinningIndex, referenceId: number, start: number, end: number): Promise<string[]> {
  const found: string[] = []
  for (const chunk of chunksOverlapping(index, referenceId, start, end)) {
    for (const record of await scan(made, chunk))
      if (record.referenceId === referenceId && record.position < end && record.end > start) found.push(record.at)
  }
  return found
}

async function compressed(bytes: Uint8Array): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  const writer = createBgzfWriter((piece) => void pieces.push(piece))
  await writer.write(bytes)
  await writer.finish()
  return Buffer.concat(pieces)
}

const madeForBai = await makeBam(sortedRecords(random, 500))

suite('CSI', (test) => {
  test('as many levels as the longest reference needs', () => {
    assert.equal(csiSchemeFor(2 ** 29 - 256), baiScheme)
    assert.equal(csiSchemeFor(2 ** 29 - 255), { minShift: 14, depth: 6 })
    assert.equal(csiSchemeFor(100), { minShift: 14, depth: 0 })
    assert.equal(csiSchemeFor(2 ** 31 - 1, 12), { minShift: 12, depth: 7 })
  })

  for (const scheme of schemes) {
    test(`round trip, and queries find what a scan finds (${scheme.minShift}, ${scheme.depth})`, async () => {
      const made = await makeBam(records, longHeader, 1, scheme)
      const content = encodeCsi(made.index)
      const index = await parseIndex(await compressed(content), 'x.csi')
      assert.equal(encodeCsi(index), content)
      assert.equal(index.unplaced, made.index.unplaced)
      const all = await scan(made)
      assert.is(all.length, records.length)
      for (let left = 40; left > 0; left -= 1) {
        const referenceId = random.below(3)
        const length = longHeader.references[referenceId]?.length as number
        const near = random.pick(all).position
        const start = Math.max(0, random.pick([0, random.below(length), near, near - 1, near + 1]))
        const end = start + random.pick([1, 5_000, 1_000_000, 2 ** 31])
        const expected = all.filter((record) => record.referenceId === referenceId && record.position < end && record.end > start)
        assert.equal(
          await query(made, index, referenceId, start, end),
          expected.map(({ at }) => at),
          `${referenceId}:${start}-${end}`,
        )
      }
      assert.equal(
        (await scan(made, { start: unplacedStart(index) })).map(({ at }) => at),
        all.filter(({ referenceId }) => referenceId < 0).map(({ at }) => at),
      )
    })
  }

  test('the lowest offset of the nearest bin to the left spares reading what lies before it', () => {
    const at = (block: number) => ({ block, within: 0 })
    const leaf = firstBinOfLevel(5)
    const bins = new Map([
      [0, [{ start: at(0), end: at(9_000) }]],
      [leaf + 10, [{ start: at(5_000), end: at(5_500) }]],
      [leaf + 20, [{ start: at(6_000), end: at(6_500) }]],
    ])
    const lowest = new Map([
      [0, at(100)],
      [leaf + 10, at(4_000)],
      [leaf + 20, at(5_800)],
    ])
    const index: BinningIndex = { scheme: baiScheme, references: [{ bins, linear: [], lowest }] }
    const rows: readonly (readonly [number, number])[] = [
      [0, 100],
      [9, 100],
      [10, 4_000],
      [15, 4_000],
      [20, 5_800],
      [23, 5_800],
      [24, 100],
    ]
    for (const [window, earliest] of rows) {
      const start = window * 16_384 + 3
      assert.equal(chunksOverlapping(index, 0, start, start + 1)[0]?.start, at(earliest), `window ${window}`)
    }
    assert.equal(chunksOverlapping(index, 0, 2 ** 29, 2 ** 29 + 5), [])
  })

  test('what is neither BAI nor CSI is refused, as is what is cut off or impossible', async () => {
    const made = await makeBam(records.slice(0, 300), longHeader, 1, schemes[0])
    const content = encodeCsi(made.index)
    const refused = async (bytes: Uint8Array, says: RegExp): Promise<void> => {
      const error: unknown = await parseIndex(bytes, 'x.csi').then(
        () => new Error('it was to be refused'),
        (thrown: unknown) => thrown,
      )
      assert.ok(isScoreError(error, 'invalid-format'), String(error))
      assert.match((error as Error).message, says)
      assert.ok((error as Error).message.startsWith('x.csi: '))
    }
    await refused(Buffer.from('CRAI'), /neither a BAI nor a CSI/)
    await refused(new Uint8Array(0), /neither a BAI nor a CSI/)
    await refused(made.bam, /not a CSI index/)
    await refused((await compressed(content)).subarray(0, -40), /cut off/)
    for (let length = 4; length < content.length - 8; length += 97)
      await refused(await compressed(content.subarray(0, length)), /cut off|more than its|bytes follow/)
    const patched = (at: number, value: number): Promise<Uint8Array> => {
      const bytes = Buffer.from(content)
      bytes.writeInt32LE(value, at)
      return compressed(bytes)
    }
    await refused(await patched(4, 60), /impossible scheme/)
    await refused(await patched(8, 11), /impossible scheme/)
    await refused(await patched(12, 2 ** 30), /length of extra data/)
    await refused(await patched(16, -1), /number of references/)
    await refused(await patched(20, 2 ** 29), /number of bins/)
    await refused(await patched(24, 2 ** 30), /is none of its bins/)
  })

  test('extra data, as tabix keeps, are passed over', () => {
    const content = encodeCsi({
      scheme: { minShift: 14, depth: 5 },
      references: [{ bins: new Map(), linear: [], lowest: new Map() }],
      unplaced: 3,
    })
    const extra = Buffer.concat([content.subarray(0, 12), Buffer.from([3, 0, 0, 0, 9, 9, 9]), content.subarray(16)])
    assert.equal(parseCsi(extra), parseCsi(content))
    assert.is(parseCsi(extra).unplaced, 3)
  })

  test('parseIndex reads BAI too; a BAI index is no CSI index', async () => {
    assert.equal((await parseIndex(madeForBai.bai)).references.length, 3)
    assert.throws(
      () => encodeCsi(madeForBai.index),
      (error: unknown) => isScoreError(error, 'invalid-request'),
    )
  })
})
