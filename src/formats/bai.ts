import { ScoreError } from '../core/errors.ts'
import { baiScheme, binCount, statisticsBin } from './binning.ts'
import type { BinningIndex, ReferenceIndex, ReferenceStatistics } from './binning-index.ts'
import type { Chunk } from './chunk.ts'
import { readVirtualOffset, type VirtualOffset, writeVirtualOffset } from './virtual-offset.ts'

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
  const chunk = ({ start, end }: Chunk): void => {
    writeVirtualOffset(view, at, start)
    writeVirtualOffset(view, at + 8, end)
    at += 16
  }
  for (const { bins, linear, statistics } of references) {
    view.setInt32(at, bins.size + (statistics ? 1 : 0), true)
    at += 4
    for (const [bin, chunks] of [...bins].sort(([a], [b]) => a - b)) {
      view.setUint32(at, bin, true)
      view.setInt32(at + 4, chunks.length, true)
      at += 8
      chunks.forEach(chunk)
    }
    if (statistics) {
      view.setUint32(at, pseudoBin, true)
      view.setInt32(at + 4, 2, true)
      at += 8
      chunk(statistics.span)
      view.setBigUint64(at, BigInt(statistics.mapped), true)
      view.setBigUint64(at + 8, BigInt(statistics.unmapped), true)
      at += 16
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
  let size = 8 + linear.length * 8 + (statistics ? 40 : 0)
  for (const chunks of bins.values()) size += 8 + chunks.length * 16
  return size
}

/** Reads a BAI file. @throws `invalid-format` when it is another file, is cut off, or holds more than it says. */
export function parseBai(bytes: Uint8Array, name = 'BAI input'): BinningIndex {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length < 8 || magic.some((byte, index) => bytes[index] !== byte))
    throw new ScoreError('invalid-format', `${name}: not a BAI index (it begins with other bytes than 'BAI\\1')`)
  let at = 4
  /** Reads a count of items that take at least `itemBytes` each; so a false count fails here and not by filling memory. */
  const count = (what: string, itemBytes: number): number => {
    const value = bytes.length < at + 4 ? undefined : view.getInt32(at, true)
    if (value === undefined || value < 0 || value * itemBytes > bytes.length - at - 4)
      throw new ScoreError(
        'invalid-format',
        `${name}: ${value === undefined ? `cut off before its ${what}` : `says ${value} for its ${what}, more than its ${bytes.length} bytes hold`} (byte ${at}); make the index anew`,
      )
    at += 4
    return value
  }
  const offset = (): VirtualOffset => {
    at += 8
    return readVirtualOffset(view, at - 8)
  }
  const reference = (): ReferenceIndex => {
    const bins = new Map<number, Chunk[]>()
    let statistics: ReferenceStatistics | undefined
    for (let left = count('number of bins', 8); left > 0; left -= 1) {
      const binAt = at
      if (bytes.length < at + 4) throw new ScoreError('invalid-format', `${name}: cut off inside a bin (byte ${at}); make the index anew`)
      const bin = view.getUint32(at, true)
      at += 4
      const chunks = Array.from({ length: count('number of chunks', 16) }, () => ({ start: offset(), end: offset() }))
      if (bin === pseudoBin && chunks.length === 2) {
        const counts = binAt + 8 + 16
        statistics = {
          span: chunks[0] as Chunk,
          mapped: Number(view.getBigUint64(counts, true)),
          unmapped: Number(view.getBigUint64(counts + 8, true)),
        }
      } else if (bin < binCount(baiScheme)) bins.set(bin, chunks)
      else
        throw new ScoreError(
          'invalid-format',
          `${name}: bin ${bin} with ${chunks.length} chunks is none of BAI's (byte ${binAt}); make the index anew`,
        )
    }
    const linear = Array.from({ length: count('linear index length', 8) }, offset)
    return { bins, linear, ...(statistics && { statistics }) }
  }
  const references = Array.from({ length: count('number of references', 8) }, reference)
  const rest = bytes.length - at
  if (rest !== 0 && rest !== 8)
    throw new ScoreError('invalid-format', `${name}: ${rest} bytes follow its last reference (byte ${at}); make the index anew`)
  return { scheme: baiScheme, references, ...(rest === 8 && { unplaced: Number(view.getBigUint64(at, true)) }) }
}
