import * as assert from 'uvu/assert'
import {
  addressableBases,
  type BinningScheme,
  baiScheme,
  binCount,
  binToRegion,
  firstBinOfLevel,
  levelOfBin,
  parentBin,
  regionToBin,
  regionToBinRanges,
  regionToBins,
  statisticsBin,
} from '../../src/formats/binning.ts'
import { suite } from '../support/suite.ts'
import { createRandom } from './bam-fixture.ts'

/** The formula of SAMv1 5.3, written separately. */
function specBin(start: number, end: number): number {
  const last = end - 1
  if (start >> 14 === last >> 14) return ((1 << 15) - 1) / 7 + (start >> 14)
  if (start >> 17 === last >> 17) return ((1 << 12) - 1) / 7 + (start >> 17)
  if (start >> 20 === last >> 20) return ((1 << 9) - 1) / 7 + (start >> 20)
  if (start >> 23 === last >> 23) return ((1 << 6) - 1) / 7 + (start >> 23)
  if (start >> 26 === last >> 26) return ((1 << 3) - 1) / 7 + (start >> 26)
  return 0
}

const deep: BinningScheme = { minShift: 12, depth: 8 }

suite('binning', (test) => {
  test('the numbers of BAI', () => {
    assert.equal([0, 1, 2, 3, 4, 5].map(firstBinOfLevel), [0, 1, 9, 73, 585, 4681])
    assert.is(binCount(baiScheme), 37_449)
    assert.is(statisticsBin(baiScheme), 37_450)
    assert.is(addressableBases(baiScheme), 2 ** 29)
    assert.equal([0, 1, 8, 9, 72, 73, 4681, 37_448].map(levelOfBin), [0, 1, 1, 2, 2, 3, 5, 5])
    assert.equal([1, 8, 9, 16, 17, 4681].map(parentBin), [0, 0, 1, 1, 2, 585])
  })

  test('a region is put where the specification puts it', () => {
    const random = createRandom(1)
    for (let left = 20_000; left > 0; left -= 1) {
      const start = random.below(2 ** 29)
      const end = Math.min(2 ** 29, start + 1 + random.below(2 ** random.below(29)))
      assert.is(regionToBin(start, end), specBin(start, end), `${start} to ${end}`)
    }
    assert.is(regionToBin(0, 16_384), 4681)
    assert.is(regionToBin(0, 16_385), 585)
    assert.is(regionToBin(2 ** 29 - 1, 2 ** 29), 37_448)
  })

  for (const scheme of [baiScheme, deep]) {
    test(`a bin holds its regions, and queries ask for it (${scheme.minShift}, ${scheme.depth})`, () => {
      const random = createRandom(2)
      const limit = addressableBases(scheme)
      for (let left = 3_000; left > 0; left -= 1) {
        const start = random.below(limit)
        const end = Math.min(limit, start + 1 + random.below(2 ** random.below(24)))
        const bin = regionToBin(start, end, scheme)
        const own = binToRegion(bin, scheme)
        assert.ok(own.start <= start && end <= own.end, `${start} to ${end} in bin ${bin}`)
        const asked = Math.max(0, start - random.below(1000))
        const ranges = regionToBinRanges(asked, end + random.below(1000), scheme)
        assert.ok(ranges.some(({ first, last }) => bin >= first && bin <= last))
        assert.ok(bin < binCount(scheme))
      }
    })
  }

  test('bins of a query, listed; what lies outside the scheme is cut to it', () => {
    assert.equal(regionToBins(0, 1), [0, 1, 9, 73, 585, 4681])
    assert.equal(regionToBins(16_383, 16_385), [0, 1, 9, 73, 585, 4681, 4682])
    assert.is(regionToBins(0, 2 ** 40).length, 37_449)
    assert.equal(regionToBins(-5, 1), regionToBins(0, 1))
    assert.equal(regionToBins(2 ** 33, 2 ** 34, deep).at(-1), firstBinOfLevel(8) + (2 ** 34 - 1 - ((2 ** 34 - 1) % 4096)) / 4096)
  })
})
