import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { createRegionParser } from '../../src/core/region.ts'
import { parseBai } from '../../src/formats/bai.ts'
import { encodeBamRecord, readRecordCore } from '../../src/formats/bam-record-codec.ts'
import { createBgzfWriter } from '../../src/formats/bgzf-writer.ts'
import type { BinningIndex } from '../../src/formats/binning-index.ts'
import { csiSchemeFor, encodeCsi } from '../../src/formats/csi.ts'
import { parseIndex } from '../../src/formats/parse-index.ts'
import { formatSamRecord } from '../../src/formats/sam-text.ts'
import { suite } from '../support/suite.ts'
import { createRandom, everyTag, fixtureHeader, makeBam, randomRecord, readAll, sortedRecords } from './bam-fixture.ts'

const folder = mkdtempSync(join(tmpdir(), 'score-samtools-'))
const missing = spawnSync('samtools', ['--version']).status === 0 ? undefined : 'samtools is not installed'

function samtools(...args: readonly string[]): string {
  const run = spawnSync('samtools', args, { encoding: 'utf8', maxBuffer: 2 ** 30 })
  assert.is(run.status, 0, `samtools ${args.join(' ')}: ${run.stderr}`)
  return run.stdout
}

/** What differs first; a whole file in a failure's message helps nobody. */
function firstDifference(theirs: readonly string[], ours: readonly string[]): unknown {
  const at = Array.from({ length: Math.max(theirs.length, ours.length) }, (_, index) => index).find(
    (index) => theirs[index] !== ours[index],
  )
  return at === undefined ? undefined : { at, theirs: theirs[at], ours: ours[at] }
}

/** An index as comparable data, everything in a fixed order. */
function flatten(index: BinningIndex): unknown {
  return {
    unplaced: index.unplaced,
    scheme: index.scheme,
    references: index.references.map(({ bins, linear, lowest, statistics }) => ({
      bins: [...bins].sort(([a], [b]) => a - b),
      linear,
      lowest: [...(lowest ?? [])].sort(([a], [b]) => a - b),
      statistics: statistics && { ...statistics },
    })),
  }
}

const random = createRandom(20_240)
const records = sortedRecords(random, 12_000)
const made = await makeBam(records)
const bam = join(folder, 'ours.bam')

suite('formats agree with samtools', (plain) => {
  const test = missing === undefined ? plain : (name: string) => plain.skip(name, missing)

  plain.after(() => rmSync(folder, { recursive: true }))
  plain.before(() => {
    writeFileSync(bam, made.bam)
    writeFileSync(`${bam}.bai`, made.bai)
  })

  test('quickcheck accepts the file', () => {
    assert.is(samtools('quickcheck', '-v', bam), '')
  })

  test('view gives our own decoding, byte for byte', async () => {
    const ours = (await readAll(made.bam)).map((record) => formatSamRecord(record, fixtureHeader))
    assert.is(ours.length, records.length)
    assert.equal(firstDifference(samtools('view', bam).split('\n').slice(0, -1), ours), undefined)
    assert.is(samtools('view', '-H', '--no-PG', bam), fixtureHeader.text)
  })

  test('reads our record encoding from SAM text back to the same records', async () => {
    // samtools marks a mapped record without CIGAR as unmapped when it reads text; those are left out.
    const lines = records
      .filter(({ cigar, flags }) => cigar.length > 0 || flags & 4)
      .map((record) => formatSamRecord(record, fixtureHeader))
    writeFileSync(join(folder, 'ours.sam'), fixtureHeader.text + lines.map((line) => `${line}\n`).join(''))
    samtools('view', '--no-PG', '-b', '-o', join(folder, 'theirs.bam'), join(folder, 'ours.sam'))
    const theirs = (await readAll(readFileSync(join(folder, 'theirs.bam')))).map((record) => formatSamRecord(record, fixtureHeader))
    assert.is(theirs.length, lines.length)
    assert.equal(firstDifference(theirs, lines), undefined)
  })

  test('builds the same index, chunk for chunk', () => {
    samtools('index', bam, join(folder, 'theirs.bai'))
    const theirs = parseBai(readFileSync(join(folder, 'theirs.bai')))
    assert.equal(flatten(made.index), flatten(theirs))
  })

  for (const minShift of [14, 12]) {
    test(`builds the same CSI index, chunk for chunk (min_shift ${minShift})`, async () => {
      const scheme = csiSchemeFor(2_000_000, minShift)
      const { index } = await makeBam(records, fixtureHeader, 6, scheme)
      samtools('index', '-c', '-m', String(minShift), bam, join(folder, 'theirs.csi'))
      assert.equal(flatten(index), flatten(await parseIndex(readFileSync(join(folder, 'theirs.csi')))))
      const pieces: Uint8Array[] = []
      const writer = createBgzfWriter((bytes) => void pieces.push(bytes))
      await writer.write(encodeCsi(index))
      await writer.finish()
      writeFileSync(join(folder, 'ours.csi'), Buffer.concat(pieces))
      for (const region of ['ctgA:1-20000', 'ctgA:1,500,000-1,700,000', '{HLA:A*01}:1000-9000'])
        assert.equal(
          firstDifference(
            samtools('view', '-X', bam, join(folder, 'theirs.csi'), region).split('\n'),
            samtools('view', '-X', bam, join(folder, 'ours.csi'), region).split('\n'),
          ),
          undefined,
        )
    })
  }

  test('idxstats reads our index', () => {
    const count = (wanted: number, unmapped: boolean): number =>
      records.filter(({ referenceId, flags }) => referenceId === wanted && ((flags & 4) !== 0) === unmapped).length
    const lines = fixtureHeader.references.map(({ name, length }, id) => `${name}\t${length}\t${count(id, false)}\t${count(id, true)}\n`)
    assert.is(samtools('idxstats', bam), `${lines.join('')}*\t0\t0\t${count(-1, true)}\n`)
  })

  test('queries through our index and through its own give the same records', () => {
    samtools('index', bam, join(folder, 'theirs.bai'))
    for (let left = 40; left > 0; left -= 1) {
      const { name, length } = random.pick(fixtureHeader.references)
      const start = 1 + random.below(length)
      const region = `{${name}}:${start}-${Math.min(length, start + random.pick([0, 100, 20_000, 400_000]))}`
      const ours = samtools('view', '-X', bam, `${bam}.bai`, region).split('\n')
      const theirs = samtools('view', '-X', bam, join(folder, 'theirs.bai'), region).split('\n')
      assert.equal(firstDifference(theirs, ours), undefined, region)
    }
    assert.is(
      samtools('view', '-X', '-c', bam, `${bam}.bai`, '*').trim(),
      String(records.filter(({ referenceId }) => referenceId < 0).length),
    )
  })

  test('regions in text mean the same', () => {
    const parse = createRegionParser(fixtureHeader.references.map(({ name }) => name))
    for (const text of [
      'ctgA',
      'ctgA:0',
      'ctgA:0-100000',
      'ctgA:1-100000',
      'ctgA:700000',
      'ctgA:700000-',
      'ctgA:-20000',
      'ctgA:1,000,000-1,500,000',
      'ctgA:1e3-1.5M',
      'ctgA:1k-900k',
      'HLA:A*01',
      'HLA:A*01:1-20000',
      '{HLA:A*01}:1-20000',
      '{ctgA}',
      'empty',
      'ctgA:2000000-9000000000',
      '*',
    ]) {
      const { reference, start, end } = parse(text)
      const id = fixtureHeader.references.findIndex(({ name }) => name === reference)
      const inside = records.filter((record) => {
        const core = readRecordCore(new DataView(Uint8Array.from(encodeBamRecord(record)).buffer))
        return core.referenceId === id && (id < 0 || (core.position < end && core.end > start))
      })
      assert.is(samtools('view', '-c', bam, text).trim(), String(inside.length), text)
    }
    for (const text of ['ctgA:200-100', 'ctgA:1-2-3', 'ctgA:1 -6', 'ctgZ', 'HLA']) {
      assert.throws(() => parse(text))
      assert.ok(spawnSync('samtools', ['view', '-c', bam, text]).stderr.length > 0, text)
    }
  })

  test('floats of every magnitude are written alike', async () => {
    const floats = Array.from({ length: 30_000 }, () => Math.fround((random.unit() - 0.5) * 10 ** (random.below(24) - 12)))
    const halves = Array.from({ length: 3_000 }, () => Math.fround((random.below(2_000_000) + 0.5) / random.pick([1, 2, 4, 8, 10, 1000])))
    const odd = [0, -0, 1e-4, 9.9999e-5, 0.00099999995, 0.99999997, 999999, 999999.5, 1e6, 1e10, 3.4e38, 1e-45, NaN, Infinity, -Infinity]
    const value = [...floats, ...halves, ...odd.map(Math.fround)]
    const record = {
      ...randomRecord(random, { referenceId: 0, position: 7 }),
      tags: [{ name: 'ZF', type: 'B', elementType: 'f', value } as const],
    }
    writeFileSync(join(folder, 'floats.bam'), (await makeBam([record])).bam)
    const theirs = samtools('view', join(folder, 'floats.bam')).trimEnd().split('\t').at(-1)?.split(',')
    const ours = formatSamRecord(record, fixtureHeader).split('\t').at(-1)?.split(',')
    const differing = (ours ?? []).flatMap((text, at) =>
      text === theirs?.[at] ? [] : [`${value[at - 1]}: ours ${text}, theirs ${theirs?.[at]}`],
    )
    assert.equal(differing.slice(0, 20), [])
    assert.is(theirs?.length, value.length + 1)
  })

  test('a CIGAR of 66,000 operations travels in CG', async () => {
    const cigar = Array.from({ length: 66_000 }, (_, at) => ({ length: 1, code: at % 2 === 0 ? ('M' as const) : ('I' as const) }))
    const long = {
      ...randomRecord(random, { referenceId: 0, position: 5 }),
      flags: 0,
      cigar,
      sequence: 'ACGT'.repeat(16_500),
      tags: everyTag,
    }
    const { qualities: _, ...record } = long
    const one = await makeBam([record])
    writeFileSync(join(folder, 'long.bam'), one.bam)
    assert.is(samtools('view', join(folder, 'long.bam')), `${formatSamRecord(record, fixtureHeader)}\n`)
    assert.equal(await readAll(one.bam), [record])
  })
})
