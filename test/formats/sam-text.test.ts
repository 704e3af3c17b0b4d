import * as assert from 'uvu/assert'
import { formatCigar, parseCigar } from '../../src/formats/cigar.ts'
import { formatFloat, formatSamRecord } from '../../src/formats/sam-text.ts'
import { suite } from '../support/suite.ts'
import { everyTag } from './bam-fixture.ts'

suite('SAM text', (test) => {
  test('floats as samtools 1.16 writes them', () => {
    const rows: readonly (readonly [number, string])[] = [
      [0, '0'],
      [-0, '-0'],
      [1, '1'],
      [-1.5, '-1.5'],
      [Math.fround(0.1), '0.1'],
      [Math.fround(3.14159274), '3.14159'],
      [Math.fround(0.0001), '0.0001'],
      [Math.fround(0.00009999), '9.999e-05'],
      [100_000, '100000'],
      [999_999, '999999'],
      [999_999.5, '1e+06'],
      [1_000_000, '1e+06'],
      [Math.fround(1.23456789e-20), '1.23457e-20'],
      [Math.fround(3.4e38), '3.4e+38'],
      [1_234_565, '1.23456e+06'],
      [1_234_575, '1.23458e+06'],
      [100_000.5, '100001'],
      [0.5, '0.5'],
      [Math.fround(0.99999997), '1'],
      [Number.NaN, 'nan'],
      [Number.POSITIVE_INFINITY, 'inf'],
      [Number.NEGATIVE_INFINITY, '-inf'],
    ]
    for (const [value, text] of rows) assert.is(formatFloat(value), text, String(value))
  })

  test('a record with everything, and one with nothing', () => {
    const references = [
      { name: 'chr1', length: 1000 },
      { name: 'chr2', length: 1000 },
    ]
    const full = {
      name: 'r1',
      flags: 99,
      referenceId: 0,
      position: 99,
      mappingQuality: 60,
      cigar: parseCigar('2S2M') ?? [],
      mateReferenceId: 0,
      matePosition: 199,
      templateLength: 150,
      sequence: 'ACGT',
      qualities: Uint8Array.of(0, 1, 41, 93),
      tags: everyTag,
    }
    assert.is(
      formatSamRecord(full, { references }),
      'r1\t99\tchr1\t100\t60\t2S2M\t=\t200\t150\tACGT\t!"J~\tXA:A:~\tXc:i:-128\tXC:i:255\tXs:i:-32768\tXS:i:65535\tXi:i:-2147483648\tXI:i:4294967295\tXf:f:-3.14159\tXZ:Z:text with spaces: and colons\tXz:Z:\tXH:H:1AE301\tB0:B:c,-128,127\tB1:B:C,0,255\tB2:B:s,-32768,32767\tB3:B:S,0,65535\tB4:B:i,-2147483648,2147483647\tB5:B:I,0,4294967295\tB6:B:f,0.5,1e+10,-0\tB7:B:I',
    )
    assert.match(formatSamRecord({ ...full, mateReferenceId: 1 }, { references }), '\tchr2\t200\t')
    const { qualities: _, ...bare } = {
      ...full,
      name: '*',
      referenceId: -1,
      position: -1,
      mateReferenceId: -1,
      matePosition: -1,
      cigar: [],
      sequence: '',
      tags: [],
    }
    assert.is(formatSamRecord(bare, { references }), '*\t99\t*\t0\t60\t*\t*\t0\t150\t*\t*')
  })

  test('CIGAR text', () => {
    for (const text of ['*', '150M', '1M2I3D4N5S6H7P8=9X', '268435455N']) assert.is(formatCigar(parseCigar(text) ?? []), text)
    for (const text of ['', 'M', '10', '10Q', '10M5', '-1M', '268435456M']) assert.is(parseCigar(text), undefined, text)
  })
})
