import { ScoreError } from '../core/errors.ts'
import type { WritePosition } from './bgzf-writer.ts'
import { addressableBases, type BinningScheme, baiScheme, binToRegion, firstBinOfLevel, parentBin, regionToBin } from './binning.ts'
import type { BinningIndex, ReferenceIndex, ReferenceStatistics } from './binning-index.ts'
import type { Chunk } from './chunk.ts'
import { compareVirtualOffsets, laterVirtualOffset, type VirtualOffset } from './virtual-offset.ts'

/** What the index must know of a record. Records come in file order, each ending where the next begins. */
export interface IndexedRecord {
  /** -1 for a record without a place. */
  readonly referenceId: number
  /** Zero-based. */
  readonly position: number
  /** Zero-based, first base behind it. */
  readonly end: number
  readonly mapped: boolean
}

/** Builds a BAI or CSI while a sorted BAM is written, to the chunk as htslib does (SAMv1 5.2). */
export interface IndexBuilder {
  /** @throws `invalid-request` when the record is out of order, or behind the scheme's last base. */
  add(record: IndexedRecord, start: WritePosition): void
  /** @param end behind the last record. @param resolve turns positions into virtual offsets, once all blocks are written. */
  finish(end: WritePosition, resolve: (position: WritePosition) => VirtualOffset): BinningIndex
}

interface OpenChunk {
  readonly start: WritePosition
  readonly end: WritePosition
}

interface OpenReference {
  readonly bins: Map<number, OpenChunk[]>
  readonly linear: (WritePosition | undefined)[]
  readonly start: WritePosition
  end: WritePosition
  mapped: number
  unmapped: number
}

/** A bin whose chunks lie in less compressed bytes than this is not worth a bin of its own; htslib's number. */
const smallBinBytes = 0x10000

function disorder(what: string): ScoreError<'invalid-request'> {
  return new ScoreError('invalid-request', `${what}; an index needs records in coordinate order`)
}

function requireRoom({ referenceId, position, end }: IndexedRecord, scheme: BinningScheme): void {
  const limit = addressableBases(scheme)
  if (position >= 0 && end <= limit) return
  throw new ScoreError(
    'invalid-request',
    `a record at ${position} to ${end} on reference ${referenceId} has no place in this index, which reaches from 0 to ${limit}; references that long need CSI`,
  )
}

/** @param scheme absent for BAI; CSI takes any, such as {@link csiSchemeFor} gives. */
export function createIndexBuilder(referenceCount: number, csiScheme?: BinningScheme): IndexBuilder {
  const scheme = csiScheme ?? baiScheme
  const references: (OpenReference | undefined)[] = Array.from({ length: referenceCount })
  const window = 2 ** scheme.minShift
  let current: OpenReference | undefined
  let currentId = -1
  let lastPosition = -1
  let unplaced = 0
  let bin = -1
  let binStart: WritePosition = { ordinal: 0, within: 0 }

  const closeBin = (end: WritePosition): void => {
    if (!current || bin < 0) return
    const chunks = current.bins.get(bin)
    if (chunks) chunks.push({ start: binStart, end })
    else current.bins.set(bin, [{ start: binStart, end }])
    current.end = end
    bin = -1
  }

  const enterReference = (referenceId: number, start: WritePosition): OpenReference => {
    closeBin(start)
    if (unplaced > 0) throw disorder(`a record on reference ${referenceId} comes after records without a place`)
    if (referenceId < currentId) throw disorder(`a record on reference ${referenceId} comes after one on reference ${currentId}`)
    if (referenceId >= referenceCount)
      throw new ScoreError('invalid-request', `a record names reference ${referenceId}; the header has ${referenceCount}`)
    current = { bins: new Map(), linear: [], start, end: start, mapped: 0, unmapped: 0 }
    references[referenceId] = current
    currentId = referenceId
    lastPosition = -1
    return current
  }

  return {
    add(record, start) {
      const { referenceId, position, end, mapped } = record
      if (referenceId < 0) {
        closeBin(start)
        unplaced += 1
        return
      }
      const open = current && referenceId === currentId && unplaced === 0 ? current : enterReference(referenceId, start)
      if (position < lastPosition) throw disorder(`a record at ${position} comes after one at ${lastPosition} on reference ${referenceId}`)
      requireRoom(record, scheme)
      lastPosition = position
      for (let at = Math.floor(position / window); at * window < end; at += 1) open.linear[at] ??= start
      const own = regionToBin(position, end, scheme)
      if (own !== bin) {
        closeBin(start)
        bin = own
        binStart = start
      }
      if (mapped) open.mapped += 1
      else open.unmapped += 1
    },
    finish(end, resolve) {
      closeBin(end)
      return { scheme, references: references.map((open) => settle(open, scheme, csiScheme !== undefined, resolve)), unplaced }
    },
  }
}

function settle(
  open: OpenReference | undefined,
  scheme: BinningScheme,
  isCsi: boolean,
  resolve: (position: WritePosition) => VirtualOffset,
): ReferenceIndex {
  if (!open) return { bins: new Map(), linear: [], ...(isCsi && { lowest: new Map() }) }
  const place = ({ start, end }: OpenChunk): Chunk => ({ start: resolve(start), end: resolve(end) })
  const bins = new Map([...open.bins].map(([bin, chunks]) => [bin, chunks.map(place)]))
  joinSmallBins(bins, scheme)
  for (const [bin, chunks] of bins) bins.set(bin, joinWithinBlocks(chunks))
  const linear: VirtualOffset[] = []
  // A window without records takes the next one's offset, as htslib writes it.
  for (let at = open.linear.length - 1; at >= 0; at -= 1) {
    const own = open.linear[at]
    linear[at] = own ? resolve(own) : (linear[at + 1] as VirtualOffset)
  }
  const statistics: ReferenceStatistics = { span: place(open), mapped: open.mapped, unmapped: open.unmapped }
  if (!isCsi) return { bins, linear, statistics }
  const window = 2 ** scheme.minShift
  const lowest = new Map([...bins.keys()].map((bin) => [bin, linear[binToRegion(bin, scheme).start / window] as VirtualOffset]))
  return { bins, linear: [], lowest, statistics }
}

/** Moves the chunks of small bins to their parents, where these exist, from the leaves up. */
function joinSmallBins(bins: Map<number, Chunk[]>, scheme: BinningScheme): void {
  for (let level = scheme.depth; level > 0; level -= 1) {
    const first = firstBinOfLevel(level)
    for (const [bin, chunks] of [...bins]) {
      if (bin < first || bin >= firstBinOfLevel(level + 1)) continue
      chunks.sort((a, b) => compareVirtualOffsets(a.start, b.start))
      const parent = bins.get(parentBin(bin))
      if (!parent || (chunks.at(-1) as Chunk).end.block - (chunks[0] as Chunk).start.block >= smallBinBytes) continue
      parent.push(...chunks)
      bins.delete(bin)
    }
  }
  bins.get(0)?.sort((a, b) => compareVirtualOffsets(a.start, b.start))
}

/** Joins sorted chunks where one begins in the block in which the last ended. */
function joinWithinBlocks(chunks: readonly Chunk[]): Chunk[] {
  const joined: Chunk[] = []
  for (const chunk of chunks) {
    const last = joined.at(-1)
    if (last && last.end.block >= chunk.start.block)
      joined[joined.length - 1] = { start: last.start, end: laterVirtualOffset(last.end, chunk.end) }
    else joined.push(chunk)
  }
  return joined
}
