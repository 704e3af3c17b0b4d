import { ScoreError } from '../core/errors.ts'
import { baiScheme, binCount, statisticsBin } from './binning.ts'
import type { BinningIndex, ReferenceIndex, ReferenceStatistics } from './binning-index.ts'
import type { Chunk } from './chunk.ts'
import { createIndexCursor, type IndexCursor } from './index-cursor.ts'
import { readStatistics, statisticsBytes, writeChunk, writeStatistics } from './reference-statistics.ts'
import { writeVirtualOffset } from './virtual-offset.ts'

const magic = [0x42, 0x41, 0x49, 1]
const pseudoBin = statisticsBin(baiScheme)

/** The file `x.bam.bai` (SAMv1 5.2): bins in ascending order, the pseudo-bin last, then the linear index. */
export function encodeBai(index: BinningIndex): Uint8Array {
  const { scheme, references, unplaced } = index
  if (scheme.minShift !== baiScheme.minShift || scheme.depth !== baiScheme.depth)
    throw new ScoreError(
      'invalid-request',
      `BAI has a scheme of its own (14, 5); this index has ${scheme.minShift}, ${scheme.depth} and must be CSI`,
    )
  const bytes = new Uint8Array(
    8 + references.reduce((sum, reference) => sum + referenceBytes(reference), 0) + (unplaced === undefined ? 0 : 8),
  )
  const view = new DataView(bytes.buffer)
  bytes.set(magic)
  view.setInt32(4, references.length, true)
  let at = 8
  for (const { bins, linear, statistics } of references) {
    view.setInt32(at, bins.size + (statistics ? 1 : 0), true)
    at += 4
    for (const [bin, chunks] of [...bins].sort(([a], [b]) => a - b)) {
      view.setUint32(at, bin, true)
      view.setInt32(at + 4, chunks.length, true)
      at += 8
      for (const chunk of chunks) at = writeChunk(view, at, chunk)
    }
    if (statistics) {
      view.setUint32(at, pseudoBin, true)
      at = writeStatistics(view, at + 4, statistics)
    }
    view.setInt32(at, linear.length, true)
    at += 4
    for (const offset of linear) {
      writeVirtualOffset(view, at, offset)
      at += 8
    }
  }
  if (unplaced !== undefined) view.setBigUint64(at, BigInt(unplaced), true)
  return bytes
}

function referenceBytes({ bins, linear, statistics }: ReferenceIndex): number {
  let size = 8 + linear.length * 8 + (statistics ? 4 + statisticsBytes : 0)
  for (const chunks of bins.values()) size += 8 + chunks.length * 16
  return size
}

/** Whether these are the first bytes of a BAI file. */
export function isBai(bytes: Uint8Array): boolean {
  return bytes.length >= 8 && magic.every((byte, index) => bytes[index] === byte)
}

/** Reads a BAI file. @throws `invalid-format` when it is another file, is cut off, or holds more than it says. */
export function parseBai(bytes: Uint8Array, name = 'BAI input'): BinningIndex {
  if (!isBai(bytes)) throw new ScoreError('invalid-format', `${name}: not a BAI index (it begins with other bytes than 'BAI\\1')`)
  const cursor = createIndexCursor(bytes, magic.length, name)
  const references = Array.from({ length: cursor.count('number of references', 8) }, () => readReference(cursor))
  const { rest } = cursor
  if (rest !== 0 && rest !== 8) throw cursor.broken(`${rest} bytes follow its last reference`)
  return { scheme: baiScheme, references, ...(rest === 8 && { unplaced: cursor.records('number of records without a place') }) }
}

function readReference(cursor: IndexCursor): ReferenceIndex {
  const bins = new Map<number, Chunk[]>()
  let statistics: ReferenceStatistics | undefined
  for (let left = cursor.count('number of bins', 8); left > 0; left -= 1) {
    const bin = cursor.uint32('bin')
    if (bin === pseudoBin) statistics = readStatistics(cursor)
    else if (bin < binCount(baiScheme)) bins.set(bin, cursor.chunks())
    else throw cursor.broken(`${bin} is none of BAI's bins`)
  }
  const linear = Array.from({ length: cursor.count('linear index length', 8) }, () => cursor.offset('linear index'))
  return { bins, linear, ...(statistics && { statistics }) }
}
