import { ScoreError } from '../core/errors.ts'
import { type BinningScheme, binCount, statisticsBin } from './binning.ts'
import type { BinningIndex, ReferenceIndex, ReferenceStatistics } from './binning-index.ts'
import type { Chunk } from './chunk.ts'
import { createIndexCursor, type IndexCursor } from './index-cursor.ts'
import { readStatistics, statisticsBytes, writeChunk, writeStatistics } from './reference-statistics.ts'
import { type VirtualOffset, writeVirtualOffset } from './virtual-offset.ts'

const magic = [0x43, 0x53, 0x49, 1]
/** Eleven levels below the root would need more bins than a 32-bit number counts. */
const deepestLevels = 10
const widestShift = 30

/**
 * The scheme that `samtools index -c` takes: as many levels as the longest reference needs.
 *
 * @param longestReference bases
 */
export function csiSchemeFor(longestReference: number, minShift = 14): BinningScheme {
  // htslib's margin, for records that reach beyond the end of their reference.
  const needed = longestReference + 256
  let depth = 0
  while (2 ** (minShift + 3 * depth) < needed) depth += 1
  return { minShift, depth }
}

/** Whether these are the first inflated bytes of a CSI file. */
export function isCsi(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && magic.every((byte, index) => bytes[index] === byte)
}

/** The content of a CSI file (CSIv1); on disk it is BGZF-compressed. Bins in ascending order, the pseudo-bin last. */
export function encodeCsi(index: BinningIndex): Uint8Array {
  const { scheme, references, unplaced } = index
  const pseudoBin = statisticsBin(scheme)
  const bytes = new Uint8Array(
    20 + references.reduce((sum, reference) => sum + referenceBytes(reference), 0) + (unplaced === undefined ? 0 : 8),
  )
  const view = new DataView(bytes.buffer)
  bytes.set(magic)
  view.setInt32(4, scheme.minShift, true)
  view.setInt32(8, scheme.depth, true)
  view.setInt32(16, references.length, true)
  let at = 20
  for (const { bins, lowest, statistics } of references) {
    if (!lowest) throw new ScoreError('invalid-request', 'this index was built for BAI: CSI needs the lowest offset of each bin')
    view.setInt32(at, bins.size + (statistics ? 1 : 0), true)
    at += 4
    for (const [bin, chunks] of [...bins].sort(([a], [b]) => a - b)) {
      view.setUint32(at, bin, true)
      writeVirtualOffset(view, at + 4, lowest.get(bin) ?? { block: 0, within: 0 })
      view.setInt32(at + 12, chunks.length, true)
      at += 16
      for (const chunk of chunks) at = writeChunk(view, at, chunk)
    }
    if (statistics) {
      view.setUint32(at, pseudoBin, true)
      at = writeStatistics(view, at + 12, statistics)
    }
  }
  if (unplaced !== undefined) view.setBigUint64(at, BigInt(unplaced), true)
  return bytes
}

function referenceBytes({ bins, statistics }: ReferenceIndex): number {
  let size = 4 + (statistics ? 12 + statisticsBytes : 0)
  for (const chunks of bins.values()) size += 16 + chunks.length * 16
  return size
}

/**
 * Reads the inflated content of a CSI file; extra data in it (as tabix keeps) are passed over.
 *
 * @throws `invalid-format` when it is another file, is cut off, or holds more than it says.
 */
export function parseCsi(bytes: Uint8Array, name = 'CSI input'): BinningIndex {
  if (!isCsi(bytes)) throw new ScoreError('invalid-format', `${name}: not a CSI index (it begins with other bytes than 'CSI\\1')`)
  const cursor = createIndexCursor(bytes, magic.length, name)
  const scheme = { minShift: cursor.uint32('min_shift'), depth: cursor.uint32('depth') }
  if (scheme.depth > deepestLevels || scheme.minShift > widestShift)
    throw cursor.broken(`impossible scheme (${scheme.minShift}, ${scheme.depth})`)
  cursor.skip(cursor.count('length of extra data', 1))
  const references = Array.from({ length: cursor.count('number of references', 4) }, () => readReference(cursor, scheme))
  const { rest } = cursor
  if (rest !== 0 && rest !== 8) throw cursor.broken(`${rest} bytes follow its last reference`)
  return { scheme, references, ...(rest === 8 && { unplaced: cursor.records('number of records without a place') }) }
}

function readReference(cursor: IndexCursor, scheme: BinningScheme): ReferenceIndex {
  const bins = new Map<number, Chunk[]>()
  const lowest = new Map<number, VirtualOffset>()
  let statistics: ReferenceStatistics | undefined
  for (let left = cursor.count('number of bins', 16); left > 0; left -= 1) {
    const bin = cursor.uint32('bin')
    const offset = cursor.offset('lowest offset of a bin')
    if (bin === statisticsBin(scheme)) statistics = readStatistics(cursor)
    else if (bin < binCount(scheme)) {
      bins.set(bin, cursor.chunks())
      lowest.set(bin, offset)
    } else throw cursor.broken(`${bin} is none of its bins`)
  }
  return { bins, linear: [], lowest, ...(statistics && { statistics }) }
}
