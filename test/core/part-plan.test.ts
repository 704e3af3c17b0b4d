import * as assert from 'uvu/assert'
import { planParts } from '../../src/core/part-plan.ts'
import { suite } from '../support/suite.ts'

/** The table of score-server.md 2.2: what the original's calculator answers. */
const vectors = [
  { length: 1, wanted: 20_000_000, size: 20_971_520, parts: 1, last: 1 },
  { length: 20_971_520, wanted: 20_000_000, size: 20_971_520, parts: 1, last: 20_971_520 },
  { length: 20_971_521, wanted: 20_000_000, size: 20_971_520, parts: 2, last: 1 },
  { length: 104_857_600, wanted: 20_000_000, size: 20_971_520, parts: 5, last: 20_971_520 },
  { length: 1_073_741_825, wanted: 1_073_741_824, size: 1_073_741_824, parts: 2, last: 1 },
  { length: 209_715_200_000, wanted: 20_000_000, size: 20_971_521, parts: 10_000, last: 20_961_521 },
  { length: 121_133_849_765, wanted: 1_073_741_824, size: 1_073_741_824, parts: 113, last: 874_765_477 },
  { length: 5_497_558_138_880, wanted: 20_000_000, size: 549_755_814, parts: 10_000, last: 549_754_694 },
]

suite('part plan', (test) => {
  for (const { length, wanted, size, parts, last } of vectors) {
    test(`${length} bytes wanting ${wanted}: ${parts} parts`, () => {
      const plan = planParts({ start: 0, end: length }, { partSizeBytes: wanted })
      assert.is(plan.length, parts)
      assert.equal(plan[0]?.range, { start: 0, end: Math.min(size, length) })
      const final = plan.at(-1)
      assert.is((final?.range.end ?? 0) - (final?.range.start ?? 0), last)
      assert.is(final?.range.end, length)
      assert.is(final?.number, parts)
    })
  }

  for (const [length, most, size, parts] of [
    [20_971_520_000, 1000, 20_971_521, 1000],
    [1_099_511_627_776, 1000, 1_099_511_628, 1000],
    [5000, 1000, 20_971_520, 1],
    [209_715_200_000, 20_000, 20_971_521, 10_000],
  ] as const)
    test(`a store that joins ${most} parts: ${length} bytes in ${parts}`, () => {
      const plan = planParts({ start: 0, end: length }, { maximumParts: most })
      assert.is(plan.length, parts)
      assert.is(plan[0]?.range.end, Math.min(size, length))
      assert.is(plan.at(-1)?.range.end, length)
    })

  test('what a store of few parts cannot hold is refused, with its own bound', () => {
    assert.throws(() => planParts({ start: 0, end: 3 * 2 ** 40 }, { maximumParts: 1000 }), /there can be 1000 of them/)
  })

  test('an empty range has no parts', () => {
    assert.equal(planParts({ start: 7, end: 7 }), [])
  })

  test('parts of a sub-range keep absolute offsets', () => {
    const plan = planParts({ start: 5, end: 20_971_530 })
    assert.equal(
      plan.map((part) => part.range),
      [
        { start: 5, end: 20_971_525 },
        { start: 20_971_525, end: 20_971_530 },
      ],
    )
  })

  test('an object that no 10,000 parts can hold is refused', () => {
    assert.throws(() => planParts({ start: 0, end: 22 * 1024 ** 4 }), /largest part/)
  })
})
