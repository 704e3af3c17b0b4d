import * as assert from 'uvu/assert'
import { mergeChunks } from '../../src/formats/chunk.ts'
import {
  compareVirtualOffsets,
  earlierVirtualOffset,
  laterVirtualOffset,
  readVirtualOffset,
  writeVirtualOffset,
} from '../../src/formats/virtual-offset.ts'
import { suite } from '../support/suite.ts'

suite('virtual offsets and chunks', (test) => {
  test('the 64-bit form is exact to the largest of them', () => {
    for (const offset of [
      { block: 0, within: 0 },
      { block: 1, within: 65_535 },
      { block: 2 ** 32 + 1, within: 1 },
      { block: 2 ** 48 - 1, within: 65_535 },
    ]) {
      const view = new DataView(new ArrayBuffer(10))
      writeVirtualOffset(view, 1, offset)
      assert.is(view.getBigUint64(1, true), (BigInt(offset.block) << 16n) | BigInt(offset.within))
      assert.equal(readVirtualOffset(view, 1), offset)
    }
  })

  test('order: by block, then within it', () => {
    const early = { block: 5, within: 60_000 }
    const late = { block: 6, within: 0 }
    assert.ok(compareVirtualOffsets(early, late) < 0)
    assert.ok(compareVirtualOffsets({ block: 5, within: 60_001 }, early) > 0)
    assert.is(compareVirtualOffsets(early, { ...early }), 0)
    assert.is(earlierVirtualOffset(late, early), early)
    assert.is(laterVirtualOffset(late, early), late)
  })

  test('merging joins what overlaps, touches or shares a block, and sorts', () => {
    const chunk = (startBlock: number, startWithin: number, endBlock: number, endWithin: number) => ({
      start: { block: startBlock, within: startWithin },
      end: { block: endBlock, within: endWithin },
    })
    assert.equal(mergeChunks([]), [])
    assert.equal(mergeChunks([chunk(900, 0, 950, 3), chunk(0, 0, 100, 5), chunk(100, 9, 200, 1), chunk(50, 1, 90, 2)]), [
      chunk(0, 0, 200, 1),
      chunk(900, 0, 950, 3),
    ])
    assert.equal(mergeChunks([chunk(0, 0, 100, 5), chunk(101, 0, 200, 1)]).length, 2)
    assert.equal(mergeChunks([chunk(0, 0, 100, 5), chunk(101, 0, 200, 1)], 1), [chunk(0, 0, 200, 1)])
    assert.equal(mergeChunks([chunk(0, 0, 300, 5), chunk(10, 0, 20, 1)]), [chunk(0, 0, 300, 5)])
  })
})
