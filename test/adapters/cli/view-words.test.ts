import * as assert from 'uvu/assert'
import { splitRegionList } from '../../../adapters/cli/region-list.ts'
import { indexNameOf, outputName, type ReadsFormat, regionsLabel } from '../../../adapters/cli/view-names.ts'
import { suite } from '../../support/suite.ts'

suite('words of view', (test) => {
  const lists: readonly (readonly [text: string, regions: readonly string[]])[] = [
    ['chr1', ['chr1']],
    ['chr1:1-10,chr2:5', ['chr1:1-10', 'chr2:5']],
    ['chr1:1,000-2,000', ['chr1:1,000-2,000']],
    ['chr1:1,000,000-1,000,100,chr2', ['chr1:1,000,000-1,000,100', 'chr2']],
    ['chr1:1,000,chr2:2,000', ['chr1:1,000', 'chr2:2,000']],
    ['1,2,3', ['1', '2', '3']],
    ['1,200', ['1', '200']],
    ['1:5,200:7', ['1:5', '200:7']],
    ['1:5-9,200', ['1:5-9,200']],
    ['{a,000:b}:1-2,chr1', ['{a,000:b}:1-2', 'chr1']],
    [' chr1 , chr2 ,', ['chr1', 'chr2']],
    ['', []],
  ]
  for (const [text, regions] of lists) test(`the list '${text}'`, () => assert.equal(splitRegionList(text), regions))

  // As the original's program names its files, seen by running it.
  const long = Array.from({ length: 12 }, (_, at) => `chr${at + 1}:1000-2000000`)
  const names: readonly (readonly [input: string, regions: readonly string[] | string | undefined, format: ReadsFormat, name: string])[] = [
    [
      'TEST-HCC1954.NORMAL.7x.compare.bam',
      ['chr1:1000-2000', 'chr5:150000-250000'],
      'bam',
      'TEST-HCC1954.NORMAL.7x.compare.chr1_1000-2000__chr5_150000-250000.bam',
    ],
    ['t.bam', 'my.regions.bed', 'bam', 't.my.regions.bed.bam'],
    ['t.bam', 'header', 'sam', 't.header.sam'],
    ['t.bam', '', 'bam', 't..bam'],
    [
      't.bam',
      long,
      'bam',
      't.chr1_1000-2000000__chr2_1000-2000000__chr3_1000-2000000__chr4_1000-2000000__chr5_1000-2000000__chr6_1000-2000000__chr7_1000-2~.bam',
    ],
    [
      't.bam',
      long,
      'sam',
      't.chr1_1000-2000000__chr2_1000-2000000__chr3_1000-2000000__chr4_1000-2000000__chr5_1000-2000000__chr6_1000-2000000__chr7_1000-2~.sam',
    ],
    ['x.sorted.cram', ['chrM'], 'bam', 'x.sorted.chrM.bam'],
  ]
  for (const [input, regions, format, name] of names) {
    test(`the output ${name}`, () => {
      const label = Array.isArray(regions) ? regionsLabel(regions as readonly string[]) : (regions as string | undefined)
      assert.is(outputName({ input, label, format, strict: true }), name)
      assert.is(outputName({ input: `some/folder/${input}`, label, format, strict: false }), name)
    })
  }

  test('names of our own', () => {
    assert.is(outputName({ input: 'X.BAM', label: undefined, format: 'sam', strict: false }), 'X.sam')
    assert.is(outputName({ input: 'reads', label: 'chr1', format: 'bam', strict: false }), 'reads.chr1.bam')
    assert.is(outputName({ input: 'x.bam', mark: 'some-id', label: 'chr1', format: 'bam', strict: false }), 'x.some-id.chr1.bam')
    assert.throws(() => outputName({ input: 'X.BAM', label: '', format: 'sam', strict: true }), /could not be identified as SAM or BAM/)
    assert.is(regionsLabel(['{HLA:A*01}:1-2', '../x:\n1']), '{HLA_A*01}_1-2__.._x_1')
    assert.is(indexNameOf('/d/x.bam', 'bai', false), '/d/x.bam.bai')
    assert.is(indexNameOf('/d/x.bam', 'csi', true), '/d/x.csi')
  })
})
