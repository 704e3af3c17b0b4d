import { type ByteSource, readBytes } from '../bytes/byte-source.ts'
import { coalesceRanges, readAhead } from '../bytes/read-ahead.ts'
import type { ByteRange } from '../core/byte-range.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { createSharedLoad } from '../core/shared-load.ts'
import { type CramIndex, parseCrai } from '../formats/crai.ts'
import { isCramEof } from '../formats/cram-container.ts'
import { type CramHead, readCramHead } from '../formats/cram-header.ts'
import { cramEofContainer } from '../formats/cram-version.ts'
import { type ContainerPiece, walkContainers } from './container-walk.ts'
import { containersOf, craiMisfit, createPlaceFilter, type IndexedContainer, requireIndexed } from './cram-containers.ts'
import { placeRegions, type RegionSelection } from './place-regions.ts'
import type { PlacedRegion } from './slice-plan.ts'
import type { ReadSelection } from './slice-preparation.ts'

export interface CramFileSources {
  /** A CRAM file; sorted by coordinate, but for what is scanned. */
  readonly data: ByteSource
  /** Its CRAI: the file, or what `parseCrai` made of it. Without one, all of the file, its header, and scans can be had. */
  readonly index?: ByteSource | CramIndex
}

export interface CramPreparationOptions {
  /** How messages name the file. */
  readonly name: string
  /** How messages name the index. */
  readonly indexName: string
  /** Bound on the bytes that are read ahead. */
  readonly aheadBytes?: number
}

/** A request, understood: what is meant and where it lies. */
export interface PreparedCram {
  readonly head: CramHead
  readonly regions: readonly PlacedRegion[] | 'all'
  /** In file order; absent where the whole file is gone through. */
  readonly containers?: readonly IndexedContainer[]
  /** What is read, in order. */
  readonly ranges: readonly ByteRange[]
}

export interface CramPreparation {
  headOf(options?: CallOptions): Promise<CramHead>
  /** @throws `invalid-request` without an index. */
  indexOf(options?: CallOptions): Promise<CramIndex>
  prepare(wanted: RegionSelection, selection: ReadSelection): Promise<PreparedCram>
  /** The containers of a request, in file order, piece by piece, read several ranges ahead. */
  walk(prepared: PreparedCram, call: CallOptions): AsyncGenerator<ContainerPiece>
}

/** Containers closer together than this are read as one: a round trip costs more than these bytes. */
const gapBytes = 64 * 1024

async function loadIndex(
  { data, index }: CramFileSources,
  { name, indexName }: CramPreparationOptions,
  call: CallOptions,
): Promise<CramIndex> {
  if (!index)
    throw new ScoreError(
      'invalid-request',
      `${name}: it has no index, which regions need; make one with 'samtools index', or go through the whole file (scan)`,
    )
  if ('entries' in index) return index
  const size = await index.size(call)
  if (size === 0) throw craiMisfit(indexName, 'it is empty')
  if (index === data) throw craiMisfit(indexName, 'it is the file itself')
  return parseCrai(await readBytes(index, { start: 0, end: size }, call), indexName)
}

export function createCramPreparation(sources: CramFileSources, names: CramPreparationOptions): CramPreparation {
  const { data } = sources
  const { name, indexName } = names
  const headOf = createSharedLoad((call) => readCramHead(data, name, call))
  const indexOf = createSharedLoad((call) => loadIndex(sources, names, call))

  /** Where the containers end. @throws `invalid-format` without the container that ends a file. */
  const requireEnd = async ({ size, version }: CramHead, call: CallOptions): Promise<number> => {
    const eof = cramEofContainer(version)
    const start = Math.max(0, size - eof.length)
    if (Buffer.compare(await readBytes(data, { start, end: size }, call), eof) === 0) return start
    throw new ScoreError(
      'invalid-format',
      `${name}: the EOF container is missing at its end, up to which it has to be read; it has been cut off`,
    )
  }

  const prepareScan = async (head: CramHead, regions: PreparedCram['regions'], call: CallOptions): Promise<PreparedCram> => {
    const end = await requireEnd(head, call)
    return { head, regions, ranges: coalesceRanges([{ start: head.bytes.length, end }]) }
  }

  const prepare = async (wanted: RegionSelection, selection: ReadSelection): Promise<PreparedCram> => {
    const { allowedRegions, scan = false, signal } = selection
    const call = signal ? { signal } : {}
    const head = await headOf(call)
    const regions = placeRegions(wanted, head.header, allowedRegions)
    if (regions.length === 0) return { head, regions, containers: [], ranges: [] }
    if (regions === 'all' || scan) return prepareScan(head, regions, call)
    if (regions.at(-1)?.referenceId === -1) await requireEnd(head, call)
    const every = containersOf(await indexOf(call), head, indexName)
    const mayHold = createPlaceFilter(regions)
    const containers = every.filter(({ entries }) => entries.some(mayHold))
    const ranges = coalesceRanges(
      containers.map(({ range }) => range),
      gapBytes,
    )
    return { head, regions, containers, ranges }
  }

  async function* walk({ head, regions, containers, ranges }: PreparedCram, call: CallOptions): AsyncGenerator<ContainerPiece> {
    let met = 0
    const mayHold = createPlaceFilter(regions)
    const requireMet = (until: number): void => {
      const missed = containers?.[met]
      if (missed && missed.range.start < until) throw craiMisfit(indexName, `no container begins at byte ${missed.range.start}`)
    }
    const wants: Parameters<typeof walkContainers>[1]['wants'] = (offset, header) => {
      if (!containers) return !isCramEof(header) && mayHold(header)
      requireMet(offset)
      const container = containers[met]
      if (container?.range.start !== offset) return false
      requireIndexed(container, header, indexName)
      met += 1
      return true
    }
    const read = readAhead((range, options) => readBytes(data, range, options), ranges, {
      ...call,
      ...(names.aheadBytes !== undefined && { aheadBytes: names.aheadBytes }),
    })
    yield* walkContainers(read, { version: head.version, name, wants })
    requireMet(head.size)
  }

  return { headOf, indexOf, prepare, walk }
}
