import * as assert from 'uvu/assert'
import { isScoreError } from '../../src/core/errors.ts'
import { createRegionParser, formatRegion, mergeRegions, parseBed, type Region, unboundedEnd } from '../../src/core/region.ts'
import { suite } from '../support/suite.ts'

const names = ['chr1', 'chr2', 'chrM', 'HLA:A*01', 'HLA:A*01:1-5', 'two:2', 'two', '{odd}', 'last']
const parse = createRegionParser(names)
const region = (reference: string, start: number, end: number): Region => ({ reference, start, end })

function refuses(work: () => unknown, says: RegExp, code: 'invalid-request' | 'invalid-format' = 'invalid-request'): void {
  assert.throws(work, (error: unknown) => isScoreError(error, code) && (says.test(error.message) || assert.unreachable(error.message)))
}

suite('regions', (test) => {
  test('what samtools takes', () => {
    const rows: readonly (readonly [string, Region])[] = [
      ['chr1', region('chr1', 0, unboundedEnd)],
      ['chr1:100', region('chr1', 99, unboundedEnd)],
      ['chr1:100-', region('chr1', 99, unboundedEnd)],
      ['chr1:-200', region('chr1', 0, 200)],
      ['chr1:100-200', region('chr1', 99, 200)],
      ['chr1:0-100', region('chr1', 0, 100)],
      ['chr1:0', region('chr1', 0, unboundedEnd)],
      ['chr1:7-7', region('chr1', 6, 7)],
      ['chr1:', region('chr1', 0, unboundedEnd)],
      ['{chr1}:', region('chr1', 0, unboundedEnd)],
      ['chr1:5-0', region('chr1', 4, unboundedEnd)],
      ['chr1:0-0', region('chr1', 0, unboundedEnd)],
      ['chr1:-0', region('chr1', 0, unboundedEnd)],
      ['chr1:1,000-2,000', region('chr1', 999, 2000)],
      ['chr1:1k-1.5k', region('chr1', 999, 1500)],
      ['chr1:1e3-2M', region('chr1', 999, 2_000_000)],
      ['chr1:3000000000-4000000000', region('chr1', 2_999_999_999, 4_000_000_000)],
      ['HLA:A*01', region('HLA:A*01', 0, unboundedEnd)],
      ['HLA:A*01:20-30', region('HLA:A*01', 19, 30)],
      ['{HLA:A*01}', region('HLA:A*01', 0, unboundedEnd)],
      ['{HLA:A*01}:1-5', region('HLA:A*01', 0, 5)],
      ['{HLA:A*01:1-5}', region('HLA:A*01:1-5', 0, unboundedEnd)],
      ['{HLA:A*01:1-5}:3-4', region('HLA:A*01:1-5', 2, 4)],
      ['{two:2}:9-10', region('two:2', 8, 10)],
      ['two:3-4', region('two', 2, 4)],
      ['{{odd}}:1-2', region('{odd}', 0, 2)],
      ['*', region('*', 0, unboundedEnd)],
    ]
    for (const [text, expected] of rows) assert.equal(parse(text), expected, text)
  })

  test('what it refuses, and why', () => {
    const rows: readonly (readonly [string, RegExp])[] = [
      ['chr9', /no reference 'chr9'; this file has chr1, chr2, chrM, HLA:A\*01, HLA:A\*01:1-5, … \(9 in all\)/],
      ['1:5-6', /no reference '1'; this file calls it 'chr1'/],
      ['MT', /this file calls it 'chrM'/],
      ['HLA:A*01:1-5', /ambiguous: write \{HLA:A\*01:1-5\} .* or \{HLA:A\*01\}:1-5/],
      ['two:2', /ambiguous/],
      ['chr1:200-100', /end comes before its start/],
      ['chr1:a-b', /'a-b' is no range/],
      ['chr1:1-2-3', /no range/],
      ['chr1:1.5-3', /no range/],
      ['chr1:,5-6', /no range/],
      ['chr1:1 -6', /no range/],
      ['{chr1:5', /needs its '}'/],
      ['{chr1}5-6', /needs its '}'/],
      ['{}', /no reference ''/],
      ['', /no reference ''/],
    ]
    for (const [text, says] of rows) refuses(() => parse(text), says)
    refuses(() => createRegionParser([])('chr1'), /this file has no references/)
    refuses(() => createRegionParser(['1', 'MT'])('chrM:5-6'), /calls it 'MT'/)
    refuses(() => createRegionParser(['1', 'MT'])('chr1'), /calls it '1'/)
  })

  test('text and back', () => {
    for (const text of ['chr1', 'chr1:100', 'chr1:100-200', '{HLA:A*01:1-5}:3-4', '{{odd}}:1-2', '*'])
      assert.is(formatRegion(parse(text)), text)
  })

  test('BED', () => {
    const bed = 'browser position chr1:1-2\ntrack name=x\n#comment\n\nchr1\t0\t100\tname\t0\t+\r\nchr2\t5\t5\nnot:this 7 9\nchr2\t10\t20'
    assert.equal(parseBed(bed), [region('chr1', 0, 100), region('not:this', 7, 9), region('chr2', 10, 20)])
    assert.equal(parseBed('trackless\t1\t2'), [region('trackless', 1, 2)])
    assert.equal(parseBed(''), [])
    const bad = ['chr1', 'chr1\t5', 'chr1\t-1\t5', 'chr1\t9\t5', 'chr1\tx\t5', '\t1\t5', 'chr1\t1.5\t5', 'chr1\t1\t1e3', 'chr1:1-5']
    for (const line of bad) refuses(() => parseBed(`chr1\t0\t1\n${line}`, 'x.bed'), /^x\.bed, line 2: /, 'invalid-format')
  })

  test('merging: order of the references, each base once', () => {
    const merged = mergeRegions(
      [
        region('last', 5, 6),
        region('*', 0, unboundedEnd),
        region('chr2', 50, 60),
        region('chr1', 10, 20),
        region('chr2', 0, 40),
        region('chr1', 20, 30),
        region('chr2', 30, 45),
        region('chr2', 5, 7),
      ],
      names,
    )
    assert.equal(merged, [
      region('chr1', 10, 30),
      region('chr2', 0, 45),
      region('chr2', 50, 60),
      region('last', 5, 6),
      region('*', 0, unboundedEnd),
    ])
    assert.equal(mergeRegions([], names), [])
    assert.equal(mergeRegions([parse('chr1:5'), parse('chr1')], names), [parse('chr1')])
    refuses(() => mergeRegions([region('9', 0, 5)], names), /region '9:1-5': there is no reference '9'/)
  })
})
