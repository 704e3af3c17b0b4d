import { gzipSync } from 'node:zlib'
import * as assert from 'uvu/assert'
import { createMemorySource } from '../../src/bytes/memory-source.ts'
import { isScoreError } from '../../src/core/errors.ts'
import { encodeCrai, parseCrai } from '../../src/formats/crai.ts'
import { cramBlockSizes, decodeCramBlock, encodeCramBlock } from '../../src/formats/cram-block.ts'
import { type CramEncoding, parseCramCompression } from '../../src/formats/cram-compression.ts'
import { containerHeaderBytes, decodeContainerHeader, encodeHeaderContainer, isCramEof } from '../../src/formats/cram-container.ts'
import { encodeCramHead, readCramHead } from '../../src/formats/cram-header.ts'
import { createSeriesReaders } from '../../src/formats/cram-series.ts'
import { type CramVersion, cramEofContainer } from '../../src/formats/cram-version.ts'
import { createFastaReference } from '../../src/formats/fasta.ts'
import { createCramCursor, encodeItf8, itf8Bytes, ltf8Bytes } from '../../src/formats/itf8.ts'
import { suite } from '../support/suite.ts'

const v3: CramVersion = { major: 3, minor: 0 }
const v2: CramVersion = { major: 2, minor: 1 }
const source = (text: string) => createMemorySource(Buffer.from(text))

function refused(work: () => unknown, says: RegExp): void {
  assert.throws(work, (error: unknown) => isScoreError(error, 'invalid-format') && says.test(error.message))
}

/** Bytes of a text of zeros and ones; spaces are only for who reads it. */
function bits(text: string): Uint8Array {
  const plain = text.replaceAll(' ', '')
  return Uint8Array.from({ length: Math.ceil(plain.length / 8) }, (_, at) =>
    Number.parseInt(plain.slice(at * 8, at * 8 + 8).padEnd(8, '0'), 2),
  )
}

async function gather(pieces: AsyncIterable<Uint8Array>): Promise<string> {
  let all = ''
  for await (const piece of pieces) all += Buffer.from(piece).toString('latin1')
  return all
}

suite('CRAM structures', (test) => {
  const integers: readonly (readonly [value: number, hex: string])[] = [
    [0, '00'],
    [127, '7f'],
    [128, '8080'],
    [16_383, 'bfff'],
    [16_384, 'c04000'],
    [0x1f_ffff, 'dfffff'],
    [0x20_0000, 'e0200000'],
    [0xfff_ffff, 'efffffff'],
    [0x1000_0000, 'f100000000'],
    [0x7fff_ffff, 'f7ffffff0f'],
    [-1, 'ffffffff0f'],
    [-2, 'ffffffff0e'],
    [-2_147_483_648, 'f800000000'],
  ]
  for (const [value, hex] of integers) {
    test(`ITF-8 of ${value}`, () => {
      const bytes = Buffer.from(hex, 'hex')
      assert.is(Buffer.from(encodeItf8(value)).toString('hex'), hex)
      assert.is(createCramCursor(bytes, 'x').itf8(), value)
      assert.is(itf8Bytes(bytes[0] as number), bytes.length)
      if (bytes.length > 1) refused(() => createCramCursor(bytes.subarray(0, -1), 'x').itf8(), /in the middle of a value/)
    })
  }

  const longs: readonly (readonly [value: number, hex: string])[] = [
    [5, '05'],
    [300, '812c'],
    [2 ** 27, 'e8000000'],
    [2 ** 35 - 1, 'f7ffffffff'],
    [2 ** 48, 'fe01000000000000'],
    [2 ** 53 - 1, 'fe1fffffffffffff'],
    [-1, 'ffffffffffffffffff'],
  ]
  for (const [value, hex] of longs) {
    test(`LTF-8 of ${value}`, () => {
      const bytes = Buffer.from(hex, 'hex')
      assert.is(createCramCursor(bytes, 'x').ltf8(), value)
      assert.is(ltf8Bytes(bytes[0] as number), bytes.length)
    })
  }

  test('the containers that end a file are containers, and told as such', () => {
    for (const version of [v2, v3]) {
      const eof = cramEofContainer(version)
      const size = containerHeaderBytes(eof, 0, version)
      assert.ok(size !== undefined)
      assert.ok(isCramEof(decodeContainerHeader(eof.subarray(0, size), version, 'x')))
      assert.is(containerHeaderBytes(eof.subarray(0, (size ?? 0) - 1), 0, version), undefined)
    }
    assert.is(cramEofContainer({ major: 2, minor: 0 }).length, 0)
  })

  test('every flipped bit of a CRAM 3 container header and of a block is found', () => {
    const block = encodeCramBlock({ method: 'raw', content: 'external', id: 300, data: Buffer.from('some data'), inflatedSize: 9 }, v3)
    const header = encodeHeaderContainer([block], v3).subarray(0, -block.length)
    assert.is(decodeContainerHeader(header, v3, 'x').blocks, 1)
    assert.is(Buffer.from(decodeCramBlock(block, 0, v3, 'x').data).toString(), 'some data')
    for (const [bytes, decode] of [
      [header, (changed: Uint8Array) => decodeContainerHeader(changed, v3, 'x')],
      [block, (changed: Uint8Array) => decodeCramBlock(changed, 0, v3, 'x')],
    ] as const) {
      for (let bit = 0; bit < bytes.length * 8; bit += 1) {
        const changed = Uint8Array.from(bytes)
        changed[bit >> 3] = (changed[bit >> 3] as number) ^ (1 << (bit & 7))
        refused(() => decode(changed), /./)
      }
    }
  })

  test('a block that is cut off, or of a kind that CRAM does not know', () => {
    const block = encodeCramBlock({ method: 'raw', content: 'core', id: 0, data: Buffer.from('abc'), inflatedSize: 3 }, v2)
    assert.equal(cramBlockSizes(block, 0, v2, 'x'), { header: 5, data: 3, footer: 0 })
    assert.is(cramBlockSizes(block.subarray(0, 4), 0, v2, 'x'), undefined)
    refused(() => decodeCramBlock(block.subarray(0, -1), 0, v2, 'x.cram'), /x\.cram, block at its byte 0: it is cut off/)
    refused(() => decodeCramBlock(Uint8Array.of(9, ...block.subarray(1)), 0, v2, 'x'), /method 9/)
  })

  for (const version of [v2, v3]) {
    test(`a head of version ${version.major}, short and long, comes back`, async () => {
      for (const count of [1, 300]) {
        const references = Array.from({ length: count }, (_, at) => ({ name: `contig_${at}`, length: 1000 + at }))
        const text = `@HD\tVN:1.6\n${references.map(({ name, length }) => `@SQ\tSN:${name}\tLN:${length}\n`).join('')}@CO\tä\n`
        const definition = Buffer.alloc(26)
        definition.set([...Buffer.from('CRAM'), version.major, version.minor])
        const bytes = encodeCramHead({ version, bytes: definition }, { text, references })
        const head = await readCramHead(createMemorySource(Buffer.concat([bytes, cramEofContainer(version)])), 'x')
        assert.equal(head.header, { text, references })
        assert.ok(Buffer.from(head.bytes).equals(Buffer.from(bytes)))
        const error = await readCramHead(createMemorySource(bytes.subarray(0, -5)), 'x.cram').catch((caught: unknown) => caught)
        assert.match(String(error), /x\.cram: the file ends inside its SAM header/)
      }
    })
  }

  test('a CRAI comes back, compressed or plain; what is none is refused by its line', async () => {
    const text = '0\t53\t165007\t525\t10366\t367256\n2\t4\t29747\t469907\t5442\t132023\n-1\t0\t1\t607396\t820\t38880\n'
    const index = await parseCrai(gzipSync(text))
    assert.equal(index.entries[0], { referenceId: 0, start: 52, end: 165_059, container: 525, slice: 10_366, size: 367_256 })
    assert.equal(await parseCrai(Buffer.from(text)), index)
    assert.equal(await parseCrai(await encodeCrai(index)), index)
    assert.equal((await parseCrai(gzipSync(''))).entries, [])
    for (const [bytes, says] of [
      [Buffer.from(text.slice(0, -1)), /last line has no end/],
      [Buffer.from(`${text}1\t2\n`), /x, line 4: not the six numbers/],
      [gzipSync(text).subarray(0, -12), /does not inflate/],
    ] as const) {
      const error = await parseCrai(bytes, 'x').catch((caught: unknown) => caught)
      assert.ok(isScoreError(error, 'invalid-format'))
      assert.match(error.message, says)
    }
  })

  interface Coded {
    readonly what: string
    readonly encoding: CramEncoding
    readonly core?: string
    readonly block?: readonly number[]
    readonly values: readonly number[]
  }
  // Codes worked out by hand from the specification (CRAM 3.1, 12).
  const coded: readonly Coded[] = [
    { what: 'one symbol without bits', encoding: { kind: 'huffman', symbols: [7], widths: [0] }, values: [7, 7, 7] },
    {
      what: 'canonical Huffman codes',
      encoding: { kind: 'huffman', symbols: [65, 67, 71, 84], widths: [1, 3, 3, 2] },
      core: '0 10 110 111 0',
      values: [65, 84, 67, 71, 65],
    },
    {
      what: 'Huffman codes of negative symbols',
      encoding: { kind: 'huffman', symbols: [3, -1], widths: [1, 1] },
      core: '0 1 0',
      values: [-1, 3, -1],
    },
    { what: 'fixed bits with an offset', encoding: { kind: 'beta', offset: 2, bits: 5 }, core: '00010 11111 00000', values: [0, 29, -2] },
    { what: 'gamma codes', encoding: { kind: 'gamma', offset: 1 }, core: '1 010 011 00100', values: [0, 1, 2, 3] },
    {
      what: 'subexponential codes',
      encoding: { kind: 'subexponential', offset: 0, bits: 2 },
      core: '000 011 1000 1011 110000 110111',
      values: [0, 3, 4, 7, 8, 15],
    },
    { what: 'an external block', encoding: { kind: 'external', id: 4 }, block: [5, 0x81, 0x2c], values: [5, 300] },
  ]
  for (const { what, encoding, core = '', block = [], values } of coded) {
    test(`${what}: the values come out, and an end too soon is an error`, () => {
      const blocks = { core: bits(core), external: new Map([[4, Uint8Array.from(block)]]), where: 'x.cram, slice 0' }
      const reader = createSeriesReaders(blocks)(encoding, 'BF')
      assert.equal(
        values.map(() => reader.int()),
        values,
      )
      if (core !== '')
        refused(() => Array.from({ length: 9 }, () => reader.int()), /x\.cram, slice 0: data series .*(ends too soon|do not fit)/)
    })
  }

  test('arrays with a stop and with a length, and what cannot be read', () => {
    const external = new Map([
      [1, Buffer.from('one\ttwo\t\t')],
      [2, Uint8Array.of(3, 0, 2)],
      [3, Buffer.from('abcde')],
    ])
    const readerOf = createSeriesReaders({ core: new Uint8Array(0), external, where: 'x' })
    const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()
    const stopped = readerOf({ kind: 'array-with-stop', stop: 9, id: 1 }, 'RN')
    assert.equal([stopped.bytes(), stopped.bytes(), stopped.bytes()].map(text), ['one', 'two', ''])
    refused(() => stopped.bytes(), /data series RN: its block 1 ends too soon/)
    const counted = readerOf({ kind: 'array-with-length', lengths: { kind: 'external', id: 2 }, values: { kind: 'external', id: 3 } }, 'SC')
    assert.equal([counted.bytes(), counted.bytes(), counted.bytes()].map(text), ['abc', '', 'de'])
    refused(() => readerOf(undefined, 'BF').int(), /data series BF: it is needed, and the container has none/)
    refused(() => readerOf({ kind: 'unsupported', number: 2 }, 'BF'), /encoding 2, which is not supported/)
  })

  test('a compression header with an unknown key or a damaged dictionary', () => {
    const map = (...entries: (string | number[])[]) =>
      Uint8Array.from([
        0,
        entries.length / 2,
        ...entries.flatMap((entry) => (typeof entry === 'string' ? [...Buffer.from(entry)] : entry)),
        0,
        0,
        0,
        0,
      ])
    const parsed = parseCramCompression(
      map('RN', [0], 'AP', [0], 'SM', [0x1b, 0x1b, 0x1b, 0x1b, 0x1b], 'TD', [5, ...Buffer.from('NMC\0\0')]),
      'x',
    )
    assert.not.ok(parsed.hasNames || parsed.deltaPositions)
    assert.ok(parsed.needsReference)
    assert.equal(parsed.tagLists, [[('N'.charCodeAt(0) << 16) | ('M'.charCodeAt(0) << 8) | 'C'.charCodeAt(0)], []])
    assert.is(Buffer.from(parsed.substitutions).toString(), 'CGTNAGTNACTNACGNACGT')
    refused(() => parseCramCompression(map('ZZ', [0]), 'x'), /unknown key 'ZZ'/)
    refused(() => parseCramCompression(map('TD', [3, 65, 66, 0]), 'x'), /dictionary of tags is damaged/)
  })

  test('bases of a FASTA file, over the ends of lines and of the sequence, in upper case', async () => {
    const fasta = source('>one more words\nACGTa\ncgtNN\nAC\n>two\r\nGGGG\r\nTT\r\n>none\n')
    const fai = source('one\t12\t16\t5\t6\ntwo\t6\t37\t4\t6\nnone\t0\t53\t0\t0\n')
    const reference = createFastaReference({ fasta, fai }, { name: 'x.fa' })
    assert.is(await gather(reference.bases('one', 0, 12)), 'ACGTACGTNNAC')
    assert.is(await gather(reference.bases('one', 3, 11)), 'TACGTNNA')
    assert.is(await gather(reference.bases('one', 9, 500)), 'NAC')
    assert.is(await gather(reference.bases('one', 12, 500)), '')
    assert.is(await gather(reference.bases('two', 2, 6)), 'GGTT')
    assert.is(await gather(reference.bases('none', 0, 6)), '')
    assert.is(await reference.lengthOf('two'), 6)
    assert.is(await reference.lengthOf('three'), undefined)
    const wrong = createFastaReference({ fasta, fai: source('one\t12\t16\t7\t8\n') }, { name: 'x.fa' })
    for (const [work, says] of [
      [() => gather(reference.bases('three', 0, 5)), /x\.fa: it has no sequence 'three'/],
      [() => gather(wrong.bases('one', 0, 12)), /lines are not as its index says/],
      [() => createFastaReference({ fasta, fai: source('one 12\n') }).lengthOf('one'), /line 1: not a FAI line/],
    ] as const)
      assert.match(String(await work().catch((caught: unknown) => caught)), says)
  })
})
