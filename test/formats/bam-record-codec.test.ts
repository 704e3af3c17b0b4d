import * as assert from 'uvu/assert'
import { isScoreError } from '../../src/core/errors.ts'
import type { BamRecord, BamTag } from '../../src/formats/bam-record.ts'
import { decodeBamRecord, encodeBamRecord, readRecordCore } from '../../src/formats/bam-record-codec.ts'
import { regionToBin } from '../../src/formats/binning.ts'
import { type CigarOperation, formatCigar, parseCigar } from '../../src/formats/cigar.ts'
import { suite } from '../support/suite.ts'
import { createRandom, everyTag, randomRecord } from './bam-fixture.ts'

const simple: BamRecord = {
  name: 'r1',
  flags: 0,
  referenceId: 0,
  position: 100,
  mappingQuality: 60,
  cigar: [{ length: 4, code: 'M' }],
  mateReferenceId: -1,
  matePosition: -1,
  templateLength: 0,
  sequence: 'ACGT',
  tags: [],
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length)

function endOf(record: Partial<BamRecord>): number {
  return readRecordCore(viewOf(encodeBamRecord({ ...simple, sequence: '', ...record }))).end
}

function refused(record: Partial<BamRecord>, says: RegExp): void {
  assert.throws(
    () => encodeBamRecord({ ...simple, ...record }),
    (error: unknown) => isScoreError(error, 'invalid-request') && says.test(error.message),
  )
}

function broken(bytes: Uint8Array, says: RegExp): void {
  assert.throws(
    () => decodeBamRecord(bytes, 'x.bam: record at 7'),
    (error: unknown) =>
      isScoreError(error, 'invalid-format') && says.test(error.message) && error.message.startsWith('x.bam: record at 7: '),
  )
}

function patched(at: number, value: number, record: BamRecord = simple): Uint8Array {
  const bytes = Uint8Array.from(encodeBamRecord(record))
  bytes[at] = value
  return bytes
}

suite('BAM records', (test) => {
  test('round trip of random records', () => {
    const random = createRandom(11)
    for (let left = 3_000; left > 0; left -= 1) {
      const record = randomRecord(random, { referenceId: random.below(4) - 1, position: random.below(2 ** 29) })
      assert.equal(decodeBamRecord(encodeBamRecord(record)), record)
    }
  })

  test('every tag type keeps its type and its border values', () => {
    assert.equal(decodeBamRecord(encodeBamRecord({ ...simple, tags: everyTag })).tags, everyTag)
  })

  test('a record by hand, byte by byte', () => {
    const bytes = encodeBamRecord({
      ...simple,
      name: 'ab',
      flags: 0x63,
      qualities: Uint8Array.of(1, 2, 3, 4),
      tags: [{ name: 'NM', type: 'C', value: 7 }],
    })
    const expected =
      '31000000 00000000 64000000 03 3c 4912 0100 6300 04000000 ffffffff ffffffff 00000000 616200 40000000 1248 01020304 4e4d4307'
    assert.is(Buffer.from(bytes).toString('hex'), expected.replaceAll(' ', ''))
  })

  test('where a record ends', () => {
    const cigar = (text: string): readonly CigarOperation[] => parseCigar(text) ?? []
    const rows: readonly (readonly [Partial<BamRecord>, number])[] = [
      [{ cigar: cigar('10M') }, 110],
      [{ cigar: cigar('10M5D3N2=1X4I6S7H8P') }, 100 + 10 + 5 + 3 + 2 + 1],
      [{ cigar: cigar('5S3I') }, 101],
      [{ cigar: [] }, 101],
      [{ cigar: cigar('10M'), flags: 4 }, 101],
    ]
    for (const [record, end] of rows) assert.is(endOf(record), end, formatCigar(record.cigar ?? []))
  })

  test('its bin is that of the bases it covers', () => {
    const bin = (record: Partial<BamRecord>): number => viewOf(encodeBamRecord({ ...simple, ...record })).getUint16(14, true)
    assert.is(bin({ position: 16_382 }), regionToBin(16_382, 16_386))
    assert.is(bin({ position: 16_382, flags: 4 }), regionToBin(16_382, 16_383))
    assert.is(bin({ referenceId: -1, position: -1 }), 4680)
  })

  test('a CIGAR of more than 65535 operations goes to CG and comes back', () => {
    const cigar = Array.from({ length: 65_536 }, (_, at) => ({
      length: 1 + (at % 3),
      code: at % 2 === 0 ? ('=' as const) : ('D' as const),
    }))
    const bases = cigar.reduce((sum, { length, code }) => sum + (code === '=' ? length : 0), 0)
    const span = cigar.reduce((sum, { length }) => sum + length, 0)
    const long = { ...simple, cigar, sequence: 'A'.repeat(bases), tags: everyTag }
    const bytes = encodeBamRecord(long)
    assert.is(viewOf(bytes).getUint16(16, true), 2)
    assert.is(readRecordCore(viewOf(bytes)).end, 100 + span)
    assert.equal(decodeBamRecord(bytes), long)
    const atLimit = { ...long, cigar: cigar.slice(1), sequence: '' }
    assert.is(viewOf(encodeBamRecord(atLimit)).getUint16(16, true), 65_535)
    refused({ cigar, sequence: '' }, /needs a sequence/)
  })

  test('a CG tag that is no CIGAR stays a tag', () => {
    const tags: readonly BamTag[] = [{ name: 'CG', type: 'B', elementType: 'I', value: [16] }]
    assert.equal(decodeBamRecord(encodeBamRecord({ ...simple, tags })).tags, tags)
  })

  test('what BAM cannot hold is refused, with the name of the record', () => {
    refused({ name: '' }, /a name is 1 to 254/)
    refused({ name: 'a b' }, /record 'a b': a name/)
    refused({ name: 'x'.repeat(255) }, /a name is/)
    refused({ qualities: Uint8Array.of(1) }, /1 qualities for 4 bases/)
    refused({ cigar: [{ length: 5, code: 'M' }] }, /accounts for 5 bases of the read, which has 4/)
    refused({ cigar: [{ length: 2 ** 28, code: 'N' }], sequence: '' }, /longer than/)
    refused({ position: -2 }, /position is -2/)
    refused({ flags: 65_536 }, /flags is 65536/)
    refused({ mappingQuality: 1.5 }, /mappingQuality is 1.5/)
    const tags: readonly (readonly [BamTag, RegExp])[] = [
      [{ name: 'N', type: 'C', value: 1 }, /a tag name/],
      [{ name: 'NM', type: 'C', value: 256 }, /NM:C: 256 is no whole number from 0 to 255/],
      [{ name: 'NM', type: 'c', value: 1.5 }, /no whole number/],
      [{ name: 'XA', type: 'A', value: 'ab' }, /one printable character/],
      [{ name: 'XZ', type: 'Z', value: 'a\tb' }, /printable ASCII/],
      [{ name: 'XH', type: 'H', value: '1a' }, /hexadecimal/],
      [{ name: 'XB', type: 'B', elementType: 's', value: [1, 40_000] }, /XB:B: 40000/],
    ]
    for (const [tag, says] of tags) refused({ tags: [tag] }, says)
  })

  test('damaged records are refused, with their place', () => {
    broken(encodeBamRecord(simple).subarray(0, 20), /length field/)
    broken(patched(0, 9), /length field/)
    broken(patched(12, 250), /do not fit/)
    broken(patched(12, 0), /do not fit/)
    broken(patched(38, 65), /does not end with NUL/)
    broken(patched(39, 0x4f), /unknown CIGAR operation/)
    broken(patched(20, 200), /200 bases do not fit/)
    broken(patched(23, 0x80), /do not fit/)
    const tagged: BamRecord = { ...simple, tags: [{ name: 'XB', type: 'B', elementType: 'i', value: [1] }] }
    const tagAt = encodeBamRecord(simple).length
    broken(patched(tagAt + 2, 0x51, tagged), /the tag at its byte 49/)
    broken(patched(tagAt + 3, 0x51, tagged), /the tag at its byte 49/)
    broken(patched(tagAt + 4, 2, tagged), /the tag at its byte 49/)
    const cut = Buffer.from(encodeBamRecord(tagged)).subarray(0, tagAt + 6)
    cut.writeInt32LE(cut.length - 4)
    broken(cut, /the tag at its byte 49/)
    const text: BamRecord = { ...simple, tags: [{ name: 'XZ', type: 'Z', value: 'abc' }] }
    broken(patched(tagAt + 6, 65, text), /the tag at its byte 49/)
  })
})
