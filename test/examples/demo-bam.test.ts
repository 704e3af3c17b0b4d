import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { demoHeader } from '../../examples/demo/demo-genome.ts'
import { demoReads } from '../../examples/demo/demo-reads.ts'
import { makeDemoBam } from '../../examples/demo/make-bam.ts'
import { createMemorySource } from '../../src/bytes/memory-source.ts'
import { parseBai } from '../../src/formats/bai.ts'
import { createBamReader } from '../../src/formats/bam-reader.ts'
import { type BamRecord, recordFlags } from '../../src/formats/bam-record.ts'
import { decodeBamRecord, readRecordCore } from '../../src/formats/bam-record-codec.ts'
import { createBgzfReader } from '../../src/formats/bgzf-reader.ts'
import { chunksOverlapping } from '../../src/formats/binning-index.ts'
import { formatCigar, referenceLength } from '../../src/formats/cigar.ts'
import { suite } from '../support/suite.ts'

const folder = await mkdtemp(join(tmpdir(), 'score-demo-bam-'))
const targetBytes = 3_000_000
const path = join(folder, 'demo.bam')

function tag(record: BamRecord, name: string): unknown {
  return record.tags.find((own) => own.name === name)?.value
}

/** NM by MD and CIGAR: substituted bases stand alone in MD, deleted ones behind a caret. */
function differences(record: BamRecord): number {
  const text = String(tag(record, 'MD')).replace(/\^[A-Z]+/g, '')
  const gaps = record.cigar.reduce((sum, { code, length }) => sum + (code === 'I' || code === 'D' ? length : 0), 0)
  return gaps + text.replace(/[0-9]/g, '').length
}

const { references } = demoHeader(1)

function checkAlignment(record: BamRecord): void {
  assert.is(record.sequence.length, record.qualities?.length)
  if (record.flags & recordFlags.unmapped) return
  assert.is(differences(record), tag(record, 'NM'), record.name)
  assert.ok(record.position + referenceLength(record.cigar) <= (references[record.referenceId]?.length ?? 0), record.name)
}

const kinds: readonly (readonly [kind: string, is: (record: BamRecord) => boolean])[] = [
  ['proper pair', ({ flags }) => (flags & recordFlags.properPair) !== 0],
  ['duplicate', ({ flags }) => (flags & recordFlags.duplicate) !== 0],
  ['mate unmapped, placed', ({ flags, referenceId }) => (flags & recordFlags.mateUnmapped) !== 0 && referenceId >= 0],
  ['mate on another reference', ({ referenceId, mateReferenceId }) => referenceId !== mateReferenceId],
  ['unplaced', ({ referenceId }) => referenceId < 0],
  ['clipped', ({ cigar }) => cigar.some(({ code }) => code === 'S')],
  ['inserted', ({ cigar }) => cigar.some(({ code }) => code === 'I')],
  ['deleted', ({ cigar }) => cigar.some(({ code }) => code === 'D')],
]

/** What `samtools fixmate` would ask of the two reads of a pair. */
function checkPair(first: BamRecord, last: BamRecord): void {
  assert.is(first.flags & (recordFlags.first | recordFlags.last), recordFlags.first, first.name)
  assert.is(last.flags & (recordFlags.first | recordFlags.last), recordFlags.last, first.name)
  assert.is(first.templateLength, 0 - last.templateLength)
  for (const [own, mate] of [
    [first, last],
    [last, first],
  ] as const) {
    assert.equal([own.mateReferenceId, own.matePosition], [mate.referenceId, mate.position], own.name)
    assert.is((own.flags & recordFlags.mateUnmapped) !== 0, (mate.flags & recordFlags.unmapped) !== 0, own.name)
    assert.is((own.flags & recordFlags.mateReverse) !== 0, (mate.flags & recordFlags.reverse) !== 0, own.name)
    assert.is(tag(own, 'MC'), mate.flags & recordFlags.unmapped ? undefined : formatCigar(mate.cigar), own.name)
    if ((own.flags & recordFlags.properPair) === 0) continue
    const [left, right] = own.position <= mate.position ? [own, mate] : [mate, own]
    assert.is(Math.abs(own.templateLength), right.position + referenceLength(right.cigar) - left.position, own.name)
  }
}

suite('the demo BAM', (test) => {
  test.after(() => rm(folder, { recursive: true }))

  test('size, record count and the uncompressed stream are pinned', async () => {
    const made = await makeDemoBam({ path, targetBytes })
    assert.ok(made.sizeBytes >= targetBytes && made.sizeBytes < targetBytes * 1.03, `${made.sizeBytes} bytes`)
    assert.is(made.records, 12_050)
    const hash = createHash('md5')
    for await (const { data } of createBgzfReader(createMemorySource(await readFile(path))).read()) hash.update(data)
    assert.is(hash.digest('hex'), '57855a8e717e3cee00bb5a30f07efb2a')
    assert.equal((await readdir(folder)).sort(), ['demo.bam', 'demo.bam.bai'])
  })

  test('the same bytes again, others with another seed', async () => {
    const again = join(folder, 'again.bam')
    await makeDemoBam({ path: again, targetBytes })
    assert.is(Buffer.compare(await readFile(again), await readFile(path)), 0)
    assert.is(Buffer.compare(await readFile(`${again}.bai`), await readFile(`${path}.bai`)), 0)
    await makeDemoBam({ path: again, targetBytes, seed: 2 })
    assert.ok(Buffer.compare(await readFile(again), await readFile(path)) !== 0)
  })

  test('whole, in coordinate order, and every query by its index finds what a scan finds', async () => {
    const source = createMemorySource(await readFile(path))
    const reader = createBamReader(source)
    await reader.checkEofMarker()
    assert.equal(await reader.header(), demoHeader(1))
    const index = parseBai(await readFile(`${path}.bai`))
    const all: { readonly referenceId: number; readonly position: number; readonly end: number }[] = []
    for await (const { bytes } of reader.records()) all.push(readRecordCore(new DataView(bytes.buffer, bytes.byteOffset, bytes.length)))
    for (const [referenceId, start, end] of [
      [0, 100_000, 101_000],
      [4, 0, 500],
      [23, 50_000, 90_000],
      [24, 16_000, 16_569],
      [25, 0, 3_503],
    ] as const) {
      let found = 0
      for (const chunk of chunksOverlapping(index, referenceId, start, end)) {
        for await (const { bytes } of reader.records(chunk)) {
          const core = readRecordCore(new DataView(bytes.buffer, bytes.byteOffset, bytes.length))
          if (core.referenceId === referenceId && core.position < end && core.end > start) found += 1
        }
      }
      assert.is(found, all.filter((core) => core.referenceId === referenceId && core.position < end && core.end > start).length)
    }
    assert.is(index.unplaced, all.filter(({ referenceId }) => referenceId < 0).length)
  })

  test('pairs agree with each other, tags with the alignment; every kind of pair is there', async () => {
    const open = new Map<string, BamRecord>()
    const seen = new Map(kinds.map(([kind]) => [kind, 0]))
    for await (const { bytes } of createBamReader(createMemorySource(await readFile(path))).records()) {
      const record = decodeBamRecord(bytes)
      checkAlignment(record)
      for (const [kind, is] of kinds) if (is(record)) seen.set(kind, (seen.get(kind) ?? 0) + 1)
      const mate = open.get(record.name)
      if (!mate) open.set(record.name, record)
      else {
        open.delete(record.name)
        checkPair(...((record.flags & recordFlags.first ? [record, mate] : [mate, record]) as [BamRecord, BamRecord]))
      }
    }
    assert.is(open.size, 0, 'reads without their mate')
    for (const [kind, count] of seen) assert.ok(count > 10, `${kind}: ${count}`)
  })

  test('reads carry the bases of one genome: what overlaps agrees but for errors', () => {
    const whole = [...demoReads(1, 20_000)].filter(({ cigar }) => formatCigar(cigar) === '150M')
    let compared = 0
    let agreed = 0
    for (const [index, record] of whole.entries()) {
      const next = whole[index + 1]
      if (next?.referenceId !== record.referenceId || next.position >= record.position + 150) continue
      const own = record.sequence.slice(next.position - record.position)
      compared += own.length
      agreed += [...own].filter((base, at) => base === next.sequence[at]).length
    }
    assert.ok(compared > 200_000 && agreed / compared > 0.98, `${agreed} of ${compared}`)
  })

  test('an interrupted making leaves nothing behind', async () => {
    const stop = new AbortController()
    const half = join(folder, 'half.bam')
    const making = makeDemoBam({
      path: half,
      targetBytes: 20_000_000,
      signal: stop.signal,
      onProgress: () => stop.abort(new Error('enough')),
    })
    await making.then(
      () => assert.unreachable('it was to stop'),
      (error: unknown) => assert.is((error as Error).message, 'enough'),
    )
    assert.not.ok((await readdir(folder)).some((name) => name.startsWith('half')))
  })
})
