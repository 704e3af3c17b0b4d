import * as assert from 'uvu/assert'
import type { ByteSource } from '../../src/bytes/byte-source.ts'
import { createHttpSource } from '../../src/bytes/http-source.ts'
import { createMemorySource } from '../../src/bytes/memory-source.ts'
import { isScoreError, type ProblemCode } from '../../src/core/errors.ts'
import { encodeBai } from '../../src/formats/bai.ts'
import { createBamReader } from '../../src/formats/bam-reader.ts'
import type { BamRecord } from '../../src/formats/bam-record.ts'
import type { BgzfBlock } from '../../src/formats/bgzf-block.ts'
import { eofMarker } from '../../src/formats/bgzf-block.ts'
import { createBgzfReader } from '../../src/formats/bgzf-reader.ts'
import { formatSamRecord } from '../../src/formats/sam-text.ts'
import { type BamSlicer, createBamSlicer, type SliceOptions } from '../../src/slice/bam-slicer.ts'
import type { RegionInput } from '../../src/slice/place-regions.ts'
import { type RangeServer, startRangeServer } from '../bytes/range-server.ts'
import { createRandom, fixtureHeader, randomRecord, sortedRecords } from '../formats/bam-fixture.ts'
import { suite } from '../support/suite.ts'
import { encodeAll, fullScan, gather, type LaidBam, layBam, recordBytes } from './slice-fixture.ts'

const random = createRandom(90)
const records = sortedRecords(random, 6_000)
const laid = await layBam(records, { blockBytes: () => 0xff00, aligned: true })
const bai = encodeBai(laid.index)
const wide = 'ctgA:100001-1900000'
const wideRegion = { reference: 'ctgA', start: 100_000, end: 1_900_000 }

function slicerOf(bam: Uint8Array, index: ByteSource | LaidBam['index'] = laid.index): BamSlicer {
  return createBamSlicer({ data: createMemorySource(bam), index }, { name: 'x.bam' })
}

/** What came out before the error, and the error. */
async function broken(
  slicer: BamSlicer,
  regions: readonly RegionInput[],
  options: SliceOptions = {},
): Promise<{ out: Buffer; code: ProblemCode; message: string }> {
  const pieces: Uint8Array[] = []
  try {
    for await (const piece of slicer.slice(regions, options)) pieces.push(Buffer.from(piece))
  } catch (error) {
    if (!isScoreError(error)) throw error
    return { out: Buffer.concat(pieces), code: error.code, message: error.message }
  }
  throw new Error(`a slice of ${regions.join(' ')} came out whole`)
}

function endsWithMarker(bytes: Uint8Array): boolean {
  return Buffer.compare(bytes.subarray(-eofMarker.length), eofMarker) === 0
}

function flipped(bam: Uint8Array, at: number): Uint8Array {
  const copy = new Uint8Array(bam)
  copy[at] = (copy[at] as number) ^ 0x10
  return copy
}

async function copiedMiddle(): Promise<number> {
  const [copied] = (await slicerOf(laid.bam).plan([wide])).copied
  if (!copied) throw new Error('nothing is copied')
  return Math.floor((copied.start + copied.end) / 2)
}

suite('BAM slicer', (test) => {
  test('the plan copies the middle, decodes the edges and reads little else', async () => {
    const { copied, decoded, read, regions } = await slicerOf(laid.bam).plan([wide])
    const sum = (ranges: typeof copied) => ranges.reduce((bytes, { start, end }) => bytes + end - start, 0)
    assert.equal(regions, [wideRegion])
    assert.ok(sum(copied) > 100_000, `${sum(copied)} of ${laid.bam.length} copied`)
    assert.ok(decoded.length > 0 && sum(read) <= laid.bam.length)
  })

  test('blocks of the middle come out byte for byte', async () => {
    const out = await gather(slicerOf(laid.bam).slice([wide]))
    const middle = await copiedMiddle()
    assert.ok(out.includes(Buffer.from(laid.bam.subarray(middle - 200, middle + 200))))
    assert.ok(endsWithMarker(out))
  })

  test('SAM has the same reads as lines', async () => {
    const out = await gather(slicerOf(laid.bam).slice(['{HLA:A*01}:1000-90000'], { format: 'sam', header: 'original' }))
    const wanted = fullScan(records, [{ reference: 'HLA:A*01', start: 999, end: 90_000 }])
    assert.ok(wanted.length > 20)
    assert.is(out.toString('latin1'), fixtureHeader.text + wanted.map((record) => `${formatSamRecord(record, fixtureHeader)}\n`).join(''))
  })

  test('no regions: the header alone; an empty region: a whole file without reads', async () => {
    for (const regions of [[], ['empty'], ['ctgA:5000001']] as const) {
      const out = await gather(slicerOf(laid.bam).slice(regions, { header: 'original' }))
      const reader = createBamReader(createMemorySource(out))
      assert.equal(await reader.header(), fixtureHeader)
      await reader.checkEofMarker()
      assert.is((await recordBytes(out)).length, 0)
    }
  })

  test('the header says who made the slice, behind the last program, with an id of its own', async () => {
    const header = { ...fixtureHeader, text: '@HD\tVN:1.6\n@PG\tID:bwa\n@PG\tID:score\tPP:bwa\n@CO\tlast' }
    const own = await layBam(records.slice(0, 10), { blockBytes: () => 5000 }, header)
    const out = await gather(slicerOf(own.bam, own.index).slice([], { header: { version: '1.2', commandLine: 'a\tb' } }))
    assert.is(
      (await createBamReader(createMemorySource(out)).header()).text,
      '@HD\tVN:1.6\n@PG\tID:bwa\n@PG\tID:score\tPP:bwa\n@PG\tID:score.1\tPN:score-sdk\tPP:score\tVN:1.2\tCL:a b\n@CO\tlast\n',
    )
  })

  test('a hundred thousand references, and a read of 66,000 CIGAR operations', async () => {
    const references = Array.from({ length: 100_000 }, (_, at) => ({ name: `contig_${at}`, length: 200_000 }))
    const header = { text: '@HD\tVN:1.6\tSO:coordinate\n', references }
    const long: BamRecord = {
      ...randomRecord(random, { referenceId: 70_000, position: 100 }),
      flags: 0,
      cigar: Array.from({ length: 66_000 }, (_, at) => ({ length: 1, code: at % 2 ? 'D' : 'M' }) as const),
      sequence: 'A'.repeat(33_000),
      qualities: new Uint8Array(33_000).fill(30),
      tags: [],
    }
    const around = [90, 60_000].map((position) => randomRecord(random, { referenceId: 70_000, position }))
    const reads = [around[0] as BamRecord, long, around[1] as BamRecord, randomRecord(random, { referenceId: 99_999, position: 5 })]
    const many = await layBam(reads, { blockBytes: () => 20_000 }, header)
    const slicer = slicerOf(many.bam, many.index)
    assert.is((await slicer.header()).references.length, 100_000)
    const region = { reference: 'contig_70000', start: 66_099, end: 66_100 }
    assert.ok((await recordBytes(await gather(slicer.slice([region])))).equals(encodeAll([long])))
    assert.is(await slicer.count([{ ...region, start: 66_100, end: 66_200 }]), 0)
    assert.is(await slicer.count(['contig_99999']), 1)
  })

  test('what is not allowed does not come out', async () => {
    const slicer = slicerOf(laid.bam)
    const allowedRegions = ['ctgA:200001-300000', 'ctgA:500001-600000']
    const wanted = fullScan(records, [
      { reference: 'ctgA', start: 200_000, end: 300_000 },
      { reference: 'ctgA', start: 500_000, end: 550_000 },
    ])
    const out = await gather(slicer.slice(['ctgA:1-550000', '*', 'HLA:A*01'], { allowedRegions }))
    assert.ok(wanted.length > 50 && (await recordBytes(out)).equals(encodeAll(wanted)))
    assert.is(await slicer.count(['ctgA:1-550000', '*'], { allowedRegions }), wanted.length)
    assert.is((await broken(slicer, ['ctgA:1-100'], { allowedRegions })).code, 'access-denied')
    assert.is((await broken(slicer, ['*'], { allowedRegions })).code, 'access-denied')
    assert.is((await broken(slicer, ['ctgA'], { allowedRegions: [] })).code, 'access-denied')
  })

  const refused: readonly (readonly [what: string, region: RegionInput, says: RegExp])[] = [
    ['a reference by its other name', 'chrctgA:1-10', /this file calls it 'ctgA'/],
    ['an unknown reference', 'chr9', /no reference 'chr9'/],
    ['an unknown reference as data', { reference: 'chrctgA', start: 0, end: 5 }, /this file calls it 'ctgA'/],
    ['an end before the start', 'ctgA:200-100', /end comes before its start/],
    ['an end before the start as data', { reference: 'ctgA', start: 200, end: 100 }, /end comes before its start/],
    ['halves of bases', { reference: 'ctgA', start: 0.5, end: 100 }, /whole numbers/],
  ]
  for (const [what, region, says] of refused) {
    test(`${what} is refused`, async () => {
      const { out, code, message } = await broken(slicerOf(laid.bam), [region])
      assert.is(code, 'invalid-request')
      assert.match(message, says)
      assert.is(out.length, 0)
    })
  }

  test('commas, and a region that begins in the file and ends behind it', async () => {
    const wanted = encodeAll(fullScan(records, [{ reference: 'ctgA', start: 1_899_999, end: 9e9 }]))
    const out = await gather(slicerOf(laid.bam).slice(['ctgA:1,900,000-9,000,000,000']))
    assert.ok(wanted.length > 1000 && (await recordBytes(out)).equals(wanted))
  })

  test('the index can only be asked for when the slice is whole', async () => {
    const slice = slicerOf(laid.bam).slice([wide])
    assert.throws(
      () => slice.sliceIndex(),
      (error: unknown) => isScoreError(error, 'invalid-request'),
    )
    await gather(slice)
    assert.is(slice.sliceIndex().references.length, 3)
  })

  interface Damage {
    readonly what: string
    readonly make: () => Promise<{
      readonly bam: Uint8Array
      readonly index?: ByteSource | LaidBam['index']
      readonly regions?: readonly string[]
    }>
    readonly says: RegExp
    readonly options?: SliceOptions
  }
  const damages: readonly Damage[] = [
    {
      what: 'a flipped byte in an edge',
      async make() {
        const edge = (await slicerOf(laid.bam).plan([wide])).decoded.at(-1) as { readonly start: number }
        return { bam: flipped(laid.bam, edge.start + 300) }
      },
      says: /BGZF block at byte/,
    },
    {
      what: 'a flipped byte in the middle, with verify',
      make: async () => ({ bam: flipped(laid.bam, await copiedMiddle()) }),
      says: /BGZF block at byte/,
      options: { verify: true },
    },
    {
      what: 'a file cut off in the region',
      make: async () => ({ bam: laid.bam.subarray(0, await copiedMiddle()) }),
      says: /cut off|old or of another file/,
    },
    {
      what: 'a file cut off behind the region, when the reads at its end are asked for',
      make: async () => ({ bam: laid.bam.subarray(0, -eofMarker.length), regions: ['*'] }),
      says: /EOF marker is missing/,
    },
    {
      what: 'an index of another file',
      async make() {
        const other = await layBam(sortedRecords(createRandom(91), 6_000), { blockBytes: () => 0xff00, aligned: true })
        return { bam: laid.bam, index: other.index }
      },
      says: /index/,
    },
    {
      what: 'an index that is older than its file: a record more at its begin',
      async make() {
        const more = [randomRecord(random, { referenceId: 0, position: 0 }), ...records]
        return { bam: (await layBam(more, { blockBytes: () => 0xff00, aligned: true })).bam }
      },
      says: /index/,
    },
    {
      what: 'an index cut off',
      make: async () => ({ bam: laid.bam, index: createMemorySource(bai.subarray(0, 900)) }),
      says: /index of x\.bam/,
    },
    {
      what: 'something else for an index',
      make: async () => ({ bam: laid.bam, index: createMemorySource(Buffer.from('hello, world')) }),
      says: /neither a BAI nor a CSI/,
    },
    {
      what: 'an index with more references than the file',
      make: async () => ({ bam: laid.bam, index: { ...laid.index, references: [...laid.index.references, ...laid.index.references] } }),
      says: /6 references, the file 3/,
    },
    {
      what: 'a file that is not sorted',
      async make() {
        const shuffled = [...records]
        for (let at = 0; at + 10 < 2500; at += 10) shuffled.splice(at, 10, ...shuffled.slice(at, at + 10).reverse())
        const bytes = await layBam(shuffled, { blockBytes: () => 0xff00, aligned: true }).catch(() => undefined)
        assert.is(bytes, undefined)
        // No tool makes an index of it; one of the sorted file, with the same blocks, comes closest.
        const parts: BgzfBlock[] = []
        for await (const block of createBgzfReader(createMemorySource(laid.bam)).blocks()) parts.push(block)
        const [first, second] = [parts[3], parts[4]] as const
        if (!first || !second) throw new Error('too few blocks')
        const bam = new Uint8Array(laid.bam)
        bam.set(laid.bam.subarray(second.offset, second.offset + second.size), first.offset)
        bam.set(laid.bam.subarray(first.offset, first.offset + first.size), first.offset + second.size)
        return { bam, regions: ['ctgA:1-1000000'] }
      },
      says: /not sorted|index/,
      options: { format: 'sam' },
    },
    { what: 'SAM text', make: async () => ({ bam: Buffer.from(fixtureHeader.text) }), says: /SAM text, not a BAM/ },
    {
      what: 'a CRAM file',
      make: async () => ({ bam: Buffer.from('CRAM\u0003\u0000xxxxxxxxxxxxxxxxxxxxxxxxxxxx') }),
      says: /CRAM file, not a BAM/,
    },
    { what: 'an empty file', make: async () => ({ bam: new Uint8Array(0) }), says: /empty file/ },
    { what: 'a file cut off in its header', make: async () => ({ bam: laid.bam.subarray(0, 40) }), says: /ends inside its BAM header/ },
  ]
  for (const { what, make, says, options } of damages) {
    test(`${what}: an error, and no EOF marker before it`, async () => {
      const { bam, index, regions = [wide] } = await make()
      const { out, code, message } = await broken(slicerOf(bam, index), regions, options)
      assert.is(code, 'invalid-format', message)
      assert.match(message, says)
      assert.not.ok(endsWithMarker(out))
    })
  }

  test('damage behind an empty block in the middle leaves no file that looks whole', async () => {
    const empties = await layBam(records, { blockBytes: () => 8000, aligned: true, emptyEvery: 1 })
    const most = 'ctgA:1-1990000'
    const { copied, decoded } = await slicerOf(empties.bam, empties.index).plan([most])
    const [first] = copied
    const last = decoded.at(-1)
    if (!first || !last) throw new Error('nothing is copied')
    assert.ok(endsWithMarker(empties.bam.subarray(first.start, first.end)), 'the copied middle ends with an empty block')
    const { out } = await broken(slicerOf(flipped(empties.bam, last.start + 300), empties.index), [most])
    assert.ok(out.length > 100_000, `${out.length} bytes`)
    assert.not.ok(endsWithMarker(out))
  })

  test('damage in the middle passes without verify, and is told of by whoever reads it', async () => {
    const bam = flipped(laid.bam, await copiedMiddle())
    const out = await gather(slicerOf(bam).slice([wide]))
    await recordBytes(out).then(
      () => assert.unreachable(),
      (error: unknown) => assert.ok(isScoreError(error, 'invalid-format')),
    )
  })

  test('one caller’s abort fails nobody else', async () => {
    const slicer = slicerOf(laid.bam)
    const stop = new AbortController()
    const first = gather(slicer.slice([wide], { signal: stop.signal })).catch((error: unknown) => error)
    const second = gather(slicer.slice([wide]))
    stop.abort(new Error('mine'))
    assert.is(((await first) as Error).message, 'mine')
    assert.ok((await recordBytes(await second)).equals(encodeAll(fullScan(records, [wideRegion]))))
  })

  test('an abort between two pieces ends the slice', async () => {
    const stop = new AbortController()
    let pieces = 0
    try {
      for await (const _ of slicerOf(laid.bam).slice([wide], { signal: stop.signal })) {
        pieces += 1
        stop.abort(new Error('enough'))
      }
      assert.unreachable()
    } catch (error) {
      assert.is((error as Error).message, 'enough')
    }
    assert.ok(pieces >= 1 && pieces < 10, `${pieces} pieces`)
  })
})

suite('BAM slicer over HTTP', (test) => {
  let data: RangeServer
  let index: RangeServer
  test.beforeEach(async () => {
    data = await startRangeServer(laid.bam)
    index = await startRangeServer(bai)
  })
  test.afterEach(() => Promise.all([data.close(), index.close()]).then(() => undefined))

  const open = () => {
    const source = (server: RangeServer) =>
      createHttpSource({ url: async () => ({ url: server.url }), partBytes: 100_000, retry: { attempts: 3, baseDelayMs: 1 } })
    const sources = { data: source(data), index: source(index) }
    return { slicer: createBamSlicer(sources), close: () => Promise.all([sources.data.close(), sources.index.close()]) }
  }

  test('resets and short answers change nothing', async () => {
    data.trouble = ({ number, response, range }) => {
      if (number % 3 !== 1) return false
      const start = Number(/=(\d+)/.exec(range)?.[1])
      const end = Math.min(start + 5000, laid.bam.length)
      response.writeHead(206, { 'content-range': `bytes ${start}-${end - 1}/${laid.bam.length}`, etag: '"one"' })
      response.write(laid.bam.subarray(start, end), () => (number % 2 ? response.destroy() : response.end()))
      return true
    }
    const { slicer, close } = open()
    const out = await gather(slicer.slice([wide]))
    assert.ok((await recordBytes(out)).equals(encodeAll(fullScan(records, [wideRegion]))))
    await close()
  })

  test('a small region needs few requests', async () => {
    const { slicer, close } = open()
    await slicer.count(['{HLA:A*01}:100000-101000'])
    assert.ok(data.asked.length <= 4, `${data.asked.length} requests`)
    assert.is(index.asked.length, 1)
    await close()
  })

  test('a store that ignores Range is refused, with nothing made of its bytes', async () => {
    data.trouble = ({ number, response }) => {
      if (number < 2) return false
      response.writeHead(200, { etag: '"one"', 'content-length': laid.bam.length })
      response.end(laid.bam)
      return true
    }
    const { slicer, close } = open()
    const { out, code, message } = await broken(slicer, [wide])
    assert.is(code, 'store-protocol')
    assert.match(message, /ignores Range/)
    assert.not.ok(endsWithMarker(out))
    await close()
  })

  test('a file replaced while it is sliced is an error without an EOF marker', async () => {
    data.trouble = ({ number }) => {
      if (number === 4) data.etag = '"two"'
      return false
    }
    const { slicer, close } = open()
    const { out, code } = await broken(slicer, [wide])
    assert.is(code, 'object-changed')
    assert.not.ok(endsWithMarker(out))
    await close()
  })
})
