import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { createMemorySource } from '../../src/bytes/memory-source.ts'
import { isScoreError, type ProblemCode } from '../../src/core/errors.ts'
import type { Region } from '../../src/core/region.ts'
import { encodeBamRecord } from '../../src/formats/bam-record-codec.ts'
import { eofMarker } from '../../src/formats/bgzf-block.ts'
import { encodeCrai, parseCrai } from '../../src/formats/crai.ts'
import { readCramHead } from '../../src/formats/cram-header.ts'
import { cramEofContainer } from '../../src/formats/cram-version.ts'
import { createFastaReference, type ReferenceSequences } from '../../src/formats/fasta.ts'
import { createPlaceFilter } from '../../src/slice/cram-containers.ts'
import { createSlicer, type SlicerSources } from '../../src/slice/create-slicer.ts'
import type { CramOutputOptions, PlainOutputOptions, Slicer } from '../../src/slice/slicer.ts'
import { createRandom, readAll } from '../formats/bam-fixture.ts'
import { type CramLayout, cramLayouts, smallCramFixture, smallCramRegions } from '../formats/cram-fixture.ts'
import { suite } from '../support/suite.ts'
import { fullScan, gather, randomRegions } from './slice-fixture.ts'

const folder = join(import.meta.dirname, '../fixtures/cram')
const layouts = Object.keys(cramLayouts) as CramLayout[]
const sums: Record<CramLayout, Record<string, string>> = JSON.parse(readFileSync(join(folder, 'sums.json'), 'utf8'))
const { fasta, fai, references } = smallCramFixture()
const text = (content: string) => createMemorySource(Buffer.from(content))
const reference = createFastaReference({ fasta: text(fasta), fai: text(fai) }, { name: 'ref.fa' })

function bytesOf(layout: CramLayout): { readonly cram: Buffer; readonly crai: Buffer } {
  return { cram: readFileSync(join(folder, `${layout}.cram`)), crai: readFileSync(join(folder, `${layout}.cram.crai`)) }
}

function open(layout: CramLayout, more: Partial<SlicerSources> = { reference }): Slicer {
  const { cram, crai } = bytesOf(layout)
  return createSlicer({ data: createMemorySource(cram), index: createMemorySource(crai), ...more }, { name: `${layout}.cram` })
}

async function linesOf(slicer: Slicer, regions: Parameters<Slicer['slice']>[0], options: PlainOutputOptions = {}): Promise<string[]> {
  const sam = (await gather(slicer.slice(regions, { ...options, format: 'sam' }))).toString('latin1')
  return sam.split('\n').filter((line) => line !== '' && !line.startsWith('@'))
}

/** What came out before the error, and the error. */
async function broken(
  slicer: Slicer,
  regions: Parameters<Slicer['slice']>[0],
  options: PlainOutputOptions | CramOutputOptions,
): Promise<{ readonly out: Buffer; readonly code: ProblemCode; readonly message: string }> {
  const pieces: Uint8Array[] = []
  try {
    for await (const piece of slicer.slice(regions, options)) pieces.push(Buffer.from(piece))
  } catch (error) {
    if (!isScoreError(error)) throw error
    return { out: Buffer.concat(pieces), code: error.code, message: error.message }
  }
  throw new Error('the slice came out whole')
}

async function gatherAll<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}

function sumOf(lines: readonly string[]): string {
  return createHash('md5')
    .update(lines.map((line) => `${line}\n`).join(''), 'latin1')
    .digest('hex')
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = new Uint8Array(bytes)
  copy[at] = (copy[at] as number) ^ 0x10
  return copy
}

function otherReference(change: (fixture: { fasta: string; fai: string }) => { fasta: string; fai: string }): ReferenceSequences {
  const other = change({ fasta, fai })
  return createFastaReference({ fasta: text(other.fasta), fai: text(other.fai) }, { name: 'other.fa' })
}

suite('CRAM slicer', (test) => {
  for (const layout of layouts) {
    test(`${layout}: SAM text, as samtools wrote it of the whole file and of regions`, async () => {
      const slicer = open(layout)
      assert.is(sumOf(await linesOf(slicer, 'all')), sums[layout]['all'], 'all')
      for (const region of smallCramRegions) {
        const lines = await linesOf(slicer, [region])
        assert.is(sumOf(lines), sums[layout][region], region)
        assert.is(await slicer.count([region]), lines.length)
      }
    })

    test(`${layout}: a CRAM slice holds the reads of its regions, in whole containers, and its index finds them`, async () => {
      const slicer = open(layout)
      const verify = layout !== 'version-2.1'
      for (const regions of [...smallCramRegions.map((region) => [region]), ['ctgA:1-100', 'HLA:A*01:2000-2100', '*']]) {
        const slice = slicer.slice(regions, { format: 'cram', verify })
        const cram = await gather(slice)
        assert.not.ok(slice.exact)
        const index = await encodeCrai(slice.sliceIndex())
        const again = createSlicer(
          { data: createMemorySource(cram), index: createMemorySource(index), reference },
          { name: `${layout}.cram` },
        )
        assert.equal(await linesOf(again, regions), await linesOf(slicer, regions), regions.join(' '))
        const all = new Set(await linesOf(slicer, 'all'))
        assert.ok((await linesOf(again, 'all')).every((line) => all.has(line)))
        assert.match((await again.header()).text, /@PG\tID:score\tPN:score-sdk\tPP:bwa\n/)
      }
    })
  }

  test('the reads of random regions, as a full scan finds them', async () => {
    const random = createRandom(71)
    const header = await open('version-3.0').header()
    for (const layout of ['version-3.0', 'several-references', 'embedded-reference'] as const) {
      const slicer = open(layout)
      const records = await gatherAll(slicer.records('all'))
      let found = 0
      for (let round = 0; round < 30; round += 1) {
        const regions: Region[] = randomRegions(random, records, header)
        const contained = round % 3 === 0
        const wanted = fullScan(records, regions, contained, header)
        const got = await gatherAll(slicer.records(regions, { contained }))
        assert.ok(
          Buffer.concat(got.map(encodeBamRecord)).equals(Buffer.concat(wanted.map(encodeBamRecord))),
          `${layout} ${JSON.stringify(regions)}`,
        )
        const scanned = await slicer.count(regions, { contained, scan: true })
        assert.is(scanned, wanted.length)
        found += got.length
      }
      assert.ok(found > 300, `${found} reads`)
    }
  })

  test('as BAM: the same reads, with an index that is built on the way', async () => {
    const slicer = open('version-3.0')
    const slice = slicer.slice(['ctgA:3001-9000', 'HLA:A*01'])
    const bam = await gather(slice)
    const wanted = await gatherAll(slicer.records(['ctgA:3001-9000', 'HLA:A*01']))
    assert.ok(wanted.length > 100)
    assert.equal(await readAll(bam), wanted)
    const again = createSlicer({ data: createMemorySource(bam), index: slice.sliceIndex() })
    assert.equal(await linesOf(again, ['ctgA:4000-5000']), await linesOf(slicer, ['ctgA:4000-5000']))
  })

  test('all of a file comes out byte for byte but for the header, and byte for byte with it', async () => {
    const { cram } = bytesOf('several-references')
    assert.ok((await gather(open('several-references', {}).slice('all', { format: 'cram', header: 'original' }))).equals(cram))
    const { bytes } = await readCramHead(createMemorySource(cram), 'x')
    const out = await gather(open('several-references', {}).slice('all', { format: 'cram' }))
    assert.ok(out.subarray(-(cram.length - bytes.length)).equals(cram.subarray(bytes.length)))
  })

  test('the plan says what is copied, and that other reads come along', async () => {
    const slicer = open('version-3.0')
    const copied = await slicer.plan(['ctgA:5001-6000'], { format: 'cram' })
    const decoded = await slicer.plan(['ctgA:5001-6000'])
    assert.not.ok(copied.exact)
    assert.ok(decoded.exact)
    assert.is(copied.copied.length, 1)
    assert.equal(copied.decoded, [])
    assert.equal(decoded.decoded, copied.copied)
    assert.equal(copied.regions, [{ reference: 'ctgA', start: 5000, end: 6000 }])
  })

  test('no regions: the header alone; an empty reference: a whole file without reads', async () => {
    for (const regions of [[], ['empty']] as const) {
      for (const format of ['cram', 'bam'] as const) {
        const out = await gather(open('version-3.0').slice(regions, { format }))
        const again = createSlicer({ data: createMemorySource(out), reference })
        assert.is((await again.header()).references.length, 3)
        assert.is(await again.count('all'), 0)
      }
    }
  })

  test('counts by reference, without the reference’s bases', async () => {
    const counts = await open('version-3.0', {}).referenceCounts()
    const records = await gatherAll(open('version-3.0').records('all'))
    const of = (id: number, unmapped: boolean) =>
      records.filter(({ referenceId, flags }) => referenceId === id && ((flags & 4) !== 0) === unmapped).length
    assert.equal(
      counts.map(({ reference: name, mapped, unmapped }) => [name, mapped, unmapped]),
      [0, 1, 2, -1].map((id) => [references[id]?.name ?? '*', of(id, false), of(id, true)]),
    )
  })

  test('what is not allowed does not come out, in whichever format', async () => {
    const slicer = open('version-3.0')
    const allowedRegions = ['ctgA:5001-6000']
    const wanted = await linesOf(slicer, ['ctgA:5501-6000'])
    assert.equal(await linesOf(slicer, ['ctgA:5501-9000', '*'], { allowedRegions }), wanted)
    assert.is((await broken(slicer, ['ctgA:7000-8000'], { format: 'sam', allowedRegions })).code, 'access-denied')
    for (const options of [{ allowedRegions }, { contained: true }, { exact: true }]) {
      const { out, code, message } = await broken(slicer, ['ctgA:5501-9000'], { format: 'cram', ...options })
      assert.is(code, 'invalid-request')
      assert.match(message, /samtools/)
      assert.is(out.length, 0)
    }
    const never = await broken(slicer, ['ctgA:5501-9000'], { format: 'cram', contained: true, exact: false })
    assert.is(never.code, 'invalid-request')
    assert.match(never.message, /whole containers/)
  })

  interface Trouble {
    readonly what: string
    readonly layout?: CramLayout
    readonly make: (files: { readonly cram: Buffer; readonly crai: Buffer }) => Promise<Partial<SlicerSources>> | Partial<SlicerSources>
    readonly regions?: readonly string[] | 'all'
    readonly options?: PlainOutputOptions | CramOutputOptions
    readonly code?: ProblemCode
    readonly says: RegExp
  }
  const source = createMemorySource
  const wide = ['ctgA:2001-15000']
  const entriesOf = async (crai: Buffer) => (await parseCrai(crai)).entries
  const copied: CramOutputOptions = { format: 'cram' }
  const trouble: readonly Trouble[] = [
    {
      what: 'a file cut off in a container',
      make: ({ cram }) => ({ data: source(cram.subarray(0, 20_000)) }),
      says: /index of .* points to byte|cut off/,
    },
    {
      what: 'a file cut off, gone through without an index',
      make: ({ cram }) => ({ data: source(cram.subarray(0, 20_000)) }),
      options: { ...copied, scan: true },
      says: /EOF container is missing/,
    },
    {
      what: 'a file cut off behind its last container, when the reads there are asked for',
      make: ({ cram }) => ({ data: source(cram.subarray(0, -38)) }),
      regions: ['*'],
      says: /EOF container is missing/,
    },
    {
      what: 'a flipped byte in the header of a container',
      async make({ cram, crai }) {
        const second = (await entriesOf(crai)).find(({ container }) => container > 10_000) as { readonly container: number }
        return { data: source(flipped(cram, second.container + 6)) }
      },
      says: /byte \d+: no container begins here, or its header is damaged/,
    },
    {
      what: 'a flipped byte in a block, copied with verify',
      make: ({ cram }) => ({ data: source(flipped(cram, 20_000)) }),
      options: { ...copied, verify: true },
      says: /container at byte \d+, block \d+ of it: its CRC-32/,
    },
    {
      what: 'a flipped byte in a block that is decoded',
      make: ({ cram }) => ({ data: source(flipped(cram, 20_000)), reference }),
      options: { format: 'sam' },
      says: /container at byte \d+, slice \d+, block at its byte \d+: its CRC-32/,
    },
    {
      what: 'a flipped byte in the SAM header',
      make: ({ cram }) => ({ data: source(flipped(cram, 120)) }),
      says: /CRC-32/,
    },
    {
      what: 'verify of a version without checksums',
      layout: 'version-2.1',
      make: () => ({}),
      options: { ...copied, verify: true },
      code: 'invalid-request',
      says: /no checksums/,
    },
    {
      what: 'an index of another file',
      make: () => ({ index: source(bytesOf('several-references').crai) }),
      says: /index of .*(of another file|points to)/,
    },
    {
      what: 'an index that tells of other slices',
      async make({ crai }) {
        const entries = (await entriesOf(crai)).map((entry) => ({ ...entry, slice: entry.slice + 1 }))
        return { index: { entries } }
      },
      says: /no slice of reference 0 begins/,
    },
    {
      what: 'an index that tells of another reference',
      async make({ crai }) {
        const entries = (await entriesOf(crai)).map((entry) => ({ ...entry, referenceId: entry.referenceId === 2 ? 0 : entry.referenceId }))
        return { index: { entries } }
      },
      regions: ['ctgA'],
      says: /no slice of reference 0 begins/,
    },
    {
      what: 'an index with a reference that the file lacks',
      async make({ crai }) {
        return { index: { entries: (await entriesOf(crai)).map((entry) => ({ ...entry, referenceId: 7 })) } }
      },
      says: /names reference 7; the file has 3/,
    },
    {
      what: 'an index cut off in its compressed data',
      make: ({ crai }) => ({ index: source(crai.subarray(0, 60)) }),
      says: /does not inflate/,
    },
    {
      what: 'an index cut off in its text',
      async make({ crai }) {
        const { gunzipSync } = await import('node:zlib')
        return { index: source(gunzipSync(crai).subarray(0, -4)) }
      },
      says: /last line has no end/,
    },
    { what: 'an empty index', make: () => ({ index: source(new Uint8Array(0)) }), says: /it is empty/ },
    {
      what: 'a BAI for an index',
      make: () => ({ index: source(Buffer.from('BAI\u0001\0\0\0\0\n')) }),
      says: /not the six numbers of a CRAI/,
    },
    {
      what: 'a parsed BAI for an index',
      make: () => ({ index: { scheme: { minShift: 14, depth: 5 }, references: [] } }),
      code: 'invalid-request',
      says: /needs its CRAI/,
    },
    { what: 'an unknown contig', make: () => ({}), regions: ['chrctgA:1-10'], code: 'invalid-request', says: /this file calls it 'ctgA'/ },
    {
      what: 'CRAM of version 1',
      make: ({ cram }) => ({ data: source(Buffer.concat([Buffer.from('CRAM\u0001\0'), cram.subarray(6)])) }),
      says: /CRAM 1\.0 is not supported/,
    },
    {
      what: 'CRAM of version 4',
      make: ({ cram }) => ({ data: source(Buffer.concat([Buffer.from('CRAM\u0004\0'), cram.subarray(6)])) }),
      says: /CRAM 4\.0 is not supported/,
    },
    {
      what: 'no reference',
      make: () => ({}),
      options: { format: 'sam' },
      code: 'invalid-request',
      says: /stored as differences to a reference .*'ctgA'.*take CRAM output/,
    },
    {
      what: 'a reference with other bases',
      make: () => ({ reference: otherReference((own) => ({ ...own, fasta: own.fasta.replace(/[ACGT]{9}/g, 'AAAAAAAAA') })) }),
      options: { format: 'sam' },
      code: 'invalid-request',
      says: /other\.fa is not the reference that version-3\.0\.cram was made with: sequence 'ctgA' has the MD5/,
    },
    {
      what: 'a reference with other bases, of slices that have no MD5 of their own',
      layout: 'several-references',
      make: () => ({ reference: otherReference((own) => ({ ...own, fasta: own.fasta.replace(/[ACGT]{9}/g, 'AAAAAAAAA') })) }),
      regions: ['HLA:A*01'],
      options: { format: 'sam' },
      code: 'invalid-request',
      says: /sequence '.*' has the MD5 .*, its header says/,
    },
    {
      what: 'a reference of another length',
      make: () => ({ reference: otherReference((own) => ({ ...own, fai: own.fai.replace('20000', '19999') })) }),
      options: { format: 'sam' },
      code: 'invalid-request',
      says: /sequence 'ctgA' has 19999 bases in it, not 20000/,
    },
    {
      what: 'a reference without the sequence',
      make: () => ({ reference: otherReference((own) => ({ ...own, fai: own.fai.replace('ctgA', 'chrA') })) }),
      options: { format: 'bam' },
      code: 'invalid-request',
      says: /sequence 'ctgA' is not in it/,
    },
  ]
  for (const { what, layout = 'version-3.0', make, regions = wide, options = copied, code = 'invalid-format', says } of trouble) {
    test(`${what}: a clear error, and no end of file before it`, async () => {
      const { out, code: got, message } = await broken(open(layout, await make(bytesOf(layout))), regions, options)
      assert.is(got, code, message)
      assert.match(message, says)
      for (const marker of [eofMarker, cramEofContainer({ major: 3, minor: 0 }), cramEofContainer({ major: 2, minor: 1 })])
        assert.not.ok(out.length > 0 && Buffer.compare(out.subarray(-marker.length), marker) === 0)
    })
  }

  test('without a reference: counts, CRAM, reads without a place, and files that need none', async () => {
    const lone = open('version-3.0', {})
    assert.is(await lone.count('all'), await open('version-3.0').count('all'))
    assert.ok((await gather(lone.slice(wide, { format: 'cram' }))).length > 1000)
    assert.is(sumOf(await linesOf(lone, ['*'])), sums['version-3.0']['*'])
    for (const layout of ['embedded-reference', 'no-reference'] as const)
      assert.is(sumOf(await linesOf(open(layout, {}), 'all')), sums[layout]['all'])
  })

  test('places of slices meet regions by at least one base, and several references may hold anything', () => {
    const region = (start: number, end: number, referenceId = 0) => ({ reference: 'x', referenceId, start, end })
    const meets = createPlaceFilter([region(100, 200), region(300, 301), region(50, 60, 2)])
    const cases: readonly (readonly [referenceId: number, start: number, end: number, meets: boolean])[] = [
      [0, 0, 100, false],
      [0, 0, 101, true],
      [0, 199, 250, true],
      [0, 200, 300, false],
      [0, 300, 300, true],
      [0, 299, 299, false],
      [0, 301, 900, false],
      [1, 0, 900, false],
      [2, 59, 59, true],
      [-1, -1, 0, false],
      [-2, -1, 0, true],
    ]
    for (const [referenceId, start, end, expected] of cases)
      assert.is(meets({ referenceId, start, end }), expected, `${referenceId} ${start}`)
    assert.ok(createPlaceFilter([region(0, 9, -1)])({ referenceId: -1, start: -1, end: 0 }))
    assert.not.ok(createPlaceFilter([])({ referenceId: -2, start: -1, end: 0 }))
  })

  test('one caller’s abort ends its slice, and nobody else’s', async () => {
    const slicer = open('version-3.0')
    const stop = new AbortController()
    stop.abort(new Error('enough'))
    const one = gather(slicer.slice(wide, { format: 'cram', signal: stop.signal })).catch((error: unknown) => error)
    assert.ok((await gather(slicer.slice(wide, { format: 'cram' }))).length > 1000)
    assert.match(String(await one), /enough/)
  })
})
