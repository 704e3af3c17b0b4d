import * as assert from 'uvu/assert'
import { createMemorySource } from '../../src/bytes/memory-source.ts'
import { isScoreError } from '../../src/core/errors.ts'
import type { BamHeader } from '../../src/formats/bam-header.ts'
import { createBamReader } from '../../src/formats/bam-reader.ts'
import type { BamRecord } from '../../src/formats/bam-record.ts'
import { decodeBamRecord, encodeBamRecord } from '../../src/formats/bam-record-codec.ts'
import { eofMarker } from '../../src/formats/bgzf-block.ts'
import { retagRecord } from '../../src/formats/retag-record.ts'
import { formatSamRecord } from '../../src/formats/sam-text.ts'
import { type BamSlicer, createBamSlicer } from '../../src/slice/bam-slicer.ts'
import { mergeHeaders } from '../../src/slice/merge-headers.ts'
import { type MergeInput, mergeSlices } from '../../src/slice/merge-slices.ts'
import { createRandom, everyTag, fixtureHeader, randomRecord, sortedRecords } from '../formats/bam-fixture.ts'
import { suite } from '../support/suite.ts'
import { encodeAll, fullScan, gather, layBam, recordBytes } from './slice-fixture.ts'

const random = createRandom(77)
const sequences = '@SQ\tSN:ctgA\tLN:2000000\n@SQ\tSN:empty\tLN:5000\n@SQ\tSN:HLA:A*01\tLN:400000\n'
const { references } = fixtureHeader
const headed = (text: string): BamHeader => ({ text: `@HD\tVN:1.6\tSO:coordinate\n${sequences}${text}`, references })
const bodyOf = ({ text }: BamHeader): string[] => text.trimEnd().split('\n').slice(4)

function withGroup(record: BamRecord, group: string): BamRecord {
  return { ...record, tags: [...record.tags.filter(({ name }) => name !== 'RG'), { name: 'RG', type: 'Z', value: group }] }
}

async function inputOf(name: string, records: readonly BamRecord[], header: BamHeader): Promise<MergeInput & { slicer: BamSlicer }> {
  const { bam, index } = await layBam(records, { blockBytes: () => 7_000 }, header)
  return { name, slicer: createBamSlicer({ data: createMemorySource(bam), index }, { name, aheadBytes: 100_000 }) }
}

/** By place, and where that is the same in the order of the inputs. */
function sortTogether(lists: readonly (readonly BamRecord[])[]): BamRecord[] {
  const key = ({ referenceId, position }: BamRecord): number => (referenceId < 0 ? 9e15 : referenceId * 1e10 + position)
  return lists
    .flat()
    .map((record, at) => ({ record, at }))
    .sort((a, b) => key(a.record) - key(b.record) || a.at - b.at)
    .map(({ record }) => record)
}

suite('headers of a merged file', (test) => {
  interface Row {
    readonly what: string
    readonly inputs: readonly string[]
    readonly body: readonly string[]
    readonly groups?: readonly (readonly [number, string, string])[]
    readonly programs?: readonly (readonly [number, string, string])[]
  }
  const rows: readonly Row[] = [
    {
      what: 'the same lines stand once',
      inputs: ['@RG\tID:a\tSM:s\n@CO\tx\n', '@RG\tID:a\tSM:s\n@CO\tx\n'],
      body: ['@RG\tID:a\tSM:s', '@CO\tx'],
    },
    {
      what: 'a read group that another has the id of',
      inputs: ['@RG\tID:a\tSM:s\n', '@RG\tID:a\tSM:t\n', '@RG\tID:a\tSM:t\n'],
      body: ['@RG\tID:a\tSM:s', '@RG\tID:a.1\tSM:t'],
      groups: [
        [1, 'a', 'a.1'],
        [2, 'a', 'a.1'],
      ],
    },
    {
      what: 'chains of programs keep together',
      inputs: ['@PG\tID:bwa\tVN:1\n@PG\tID:dup\tPP:bwa\n', '@PG\tID:dup\tPP:bwa\n@PG\tID:bwa\tVN:2\n@RG\tID:g\tPG:dup\n'],
      body: ['@RG\tID:g\tPG:dup.1', '@PG\tID:bwa\tVN:1', '@PG\tID:dup\tPP:bwa', '@PG\tID:bwa.1\tVN:2', '@PG\tID:dup.1\tPP:bwa.1'],
      programs: [
        [1, 'bwa', 'bwa.1'],
        [1, 'dup', 'dup.1'],
      ],
    },
    {
      what: 'ids that are taken already are passed over',
      inputs: ['@RG\tID:a\n@RG\tID:a.1\tSM:x\n', '@RG\tID:a\tSM:y\n'],
      body: ['@RG\tID:a', '@RG\tID:a.1\tSM:x', '@RG\tID:a.2\tSM:y'],
      groups: [[1, 'a', 'a.2']],
    },
    {
      what: 'a chain that bites its tail, a program before that is not there, an id twice',
      inputs: ['@PG\tID:a\tPP:b\n@PG\tID:b\tPP:a\n@PG\tID:c\tPP:gone\n@PG\tID:c\tVN:9\n'],
      body: ['@PG\tID:b\tPP:a', '@PG\tID:a\tPP:b', '@PG\tID:c\tPP:gone', '@PG\tID:c.1\tVN:9'],
    },
  ]
  for (const { what, inputs, body, groups = [], programs = [] } of rows) {
    test(what, () => {
      const { header, renames } = mergeHeaders(inputs.map((text, at) => ({ name: `${at}`, header: headed(text) })))
      assert.equal(bodyOf(header), body)
      assert.is(header.text.split('\n')[0], '@HD\tVN:1.6\tSO:coordinate')
      const flat = (kind: 'readGroups' | 'programs') =>
        renames.flatMap((one, at) => [...one[kind]].map(([from, to]) => [at, from, to] as const))
      assert.equal(flat('readGroups'), groups)
      assert.equal(flat('programs'), programs)
    })
  }

  test('other references are refused, by the first that differs', () => {
    const other = { text: '', references: [references[0], { name: 'empty', length: 4_000 }, references[2]] as BamHeader['references'] }
    const refused: readonly (readonly [BamHeader, RegExp])[] = [
      [other, /b\.bam cannot be merged with a\.bam: reference 2 is 'empty' of 4000 bases there and 'empty' of 5000 bases here/],
      [{ text: '', references: references.slice(0, 2) }, /reference 3 is none there and 'HLA:A\*01' of 400000 bases here/],
      [{ text: '', references: [...references, { name: 'more', length: 1 }] }, /reference 4 is 'more' of 1 bases there and none here/],
    ]
    for (const [header, says] of refused) {
      assert.throws(
        () =>
          mergeHeaders([
            { name: 'a.bam', header: headed('') },
            { name: 'b.bam', header },
          ]),
        (error: unknown) => isScoreError(error, 'invalid-request') && says.test(error.message),
      )
    }
  })
})

suite('merged slices', (test) => {
  test('three files: every read once, in order, the read groups as the merged header has them', async () => {
    const lists = [0, 1, 2].map(() => sortedRecords(random, 900))
    const texts = ['@RG\tID:g\tSM:one\n', '@RG\tID:g\tSM:two\n', '@RG\tID:h\tSM:one\n']
    const tagged = lists.map((list, at) => list.map((record) => withGroup(record, at === 2 ? 'h' : 'g')))
    const inputs = await Promise.all(tagged.map((list, at) => inputOf(`${at}.bam`, list, headed(texts[at] as string))))
    const expected = sortTogether(tagged.map((list, at) => (at === 1 ? list.map((record) => withGroup(record, 'g.1')) : list)))
    for (const regions of ['all', ['ctgA:100001-1500000', '*'], ['{HLA:A*01}:1-60000', 'empty']] as const) {
      const slice = mergeSlices(inputs, regions, { header: 'original' })
      const out = await gather(slice)
      const plain = regions === 'all' ? undefined : (await (inputs[0] as (typeof inputs)[0]).slicer.plan(regions)).regions
      const wanted = plain ? fullScan(expected, plain) : expected
      assert.ok(wanted.length > 10, `${wanted.length} reads of ${String(regions)}`)
      assert.ok((await recordBytes(out)).equals(encodeAll(wanted)), String(regions))
      await createBamReader(createMemorySource(out)).checkEofMarker()
      const inner = createBamSlicer({ data: createMemorySource(out), index: slice.sliceIndex() })
      assert.is(await inner.count(['ctgA:400000-600000']), fullScan(wanted, [{ reference: 'ctgA', start: 399_999, end: 600_000 }]).length)
      const text = (await gather(mergeSlices(inputs, regions, { header: 'original', format: 'sam' }))).toString('latin1')
      const { text: headerText } = await inner.header()
      assert.is(text, headerText + wanted.map((record) => `${formatSamRecord(record, fixtureHeader)}\n`).join(''))
    }
  })

  test('what is allowed holds for every input; a merge that breaks off has no EOF marker', async () => {
    const [a, b] = [sortedRecords(random, 300), sortedRecords(random, 300)]
    const inputs = await Promise.all([inputOf('a.bam', a, headed('')), inputOf('b.bam', b, headed(''))])
    const out = await gather(mergeSlices(inputs, 'all', { allowedRegions: ['ctgA:1-700000'], header: 'original' }))
    assert.ok((await recordBytes(out)).equals(encodeAll(fullScan(sortTogether([a, b]), [{ reference: 'ctgA', start: 0, end: 700_000 }]))))
    const damaged: MergeInput = {
      name: 'c.bam',
      slicer: {
        header: async () => headed(''),
        async *batches() {
          const late = randomRecord(random, { referenceId: 0, position: 900 })
          const early = randomRecord(random, { referenceId: 0, position: 100 })
          for (const record of [late, early]) {
            const bytes = encodeBamRecord(record)
            yield [{ bytes, core: { referenceId: 0, position: record.position, end: record.position + 1, flags: 0 } }]
          }
        },
      },
    }
    const pieces: Uint8Array[] = []
    try {
      for await (const piece of mergeSlices([...inputs, damaged], 'all')) pieces.push(piece)
      assert.unreachable()
    } catch (error) {
      assert.ok(isScoreError(error, 'invalid-format'), String(error))
      assert.match(error.message, /c\.bam: it is not sorted/)
    }
    const { length } = eofMarker
    assert.not(Buffer.concat(pieces).subarray(-length).equals(eofMarker))
  })

  test('an encoded record takes another tag value, and nothing else changes', () => {
    for (let round = 0; round < 60; round += 1) {
      const plain = randomRecord(random, { referenceId: 0, position: 5 })
      const record = { ...plain, tags: [...plain.tags, { name: 'RG', type: 'Z', value: 'old' } as const, ...everyTag.slice(0, round % 5)] }
      const made = retagRecord(encodeBamRecord(record), (name, value) => (name === 'RG' && value === 'old' ? 'a longer one' : undefined))
      const wanted = record.tags.map((tag) => (tag.name === 'RG' ? { ...tag, value: 'a longer one' } : tag))
      assert.equal(decodeBamRecord(made), decodeBamRecord(encodeBamRecord({ ...record, tags: wanted } as BamRecord)))
      const bytes = encodeBamRecord(plain)
      assert.is(
        retagRecord(bytes, (name) => (name === 'RG' ? 'x' : undefined)),
        bytes,
      )
    }
  })
})
