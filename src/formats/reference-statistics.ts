import type { ReferenceStatistics } from './binning-index.ts'
import type { Chunk } from './chunk.ts'
import type { IndexCursor } from './index-cursor.ts'
import { writeVirtualOffset } from './virtual-offset.ts'

/** Bytes of the pseudo-bin behind its number: two "chunks", the second one made of counts (SAMv1 5.2). */
export const statisticsBytes = 36

/** @returns where the next field begins. */
export function writeChunk(view: DataView, at: number, { start, end }: Chunk): number {
  writeVirtualOffset(view, at, start)
  writeVirtualOffset(view, at + 8, end)
  return at + 16
}

/** Writes what stands behind the number of the pseudo-bin. @returns where the next field begins. */
export function writeStatistics(view: DataView, at: number, { span, mapped, unmapped }: ReferenceStatistics): number {
  view.setInt32(at, 2, true)
  const counts = writeChunk(view, at + 4, span)
  view.setBigUint64(counts, BigInt(mapped), true)
  view.setBigUint64(counts + 8, BigInt(unmapped), true)
  return counts + 16
}

/** Reads what stands behind the number of the pseudo-bin. */
export function readStatistics(cursor: IndexCursor): ReferenceStatistics {
  const chunks = cursor.count('number of statistics', 16)
  if (chunks !== 2) throw cursor.broken(`its statistics have ${chunks} entries where 2 belong`)
  const span = { start: cursor.offset('statistics'), end: cursor.offset('statistics') }
  return { span, mapped: cursor.records('number of mapped records'), unmapped: cursor.records('number of unmapped records') }
}
