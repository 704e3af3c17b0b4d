import { createMemorySource } from '../../src/bytes/memory-source.ts'
import { type Region, unboundedEnd } from '../../src/core/region.ts'
import { type BamHeader, encodeBamHeader } from '../../src/formats/bam-header.ts'
import { createBamReader } from '../../src/formats/bam-reader.ts'
import type { BamRecord } from '../../src/formats/bam-record.ts'
import { encodeBamRecord } from '../../src/formats/bam-record-codec.ts'
import { deflateBlock, eofMarker } from '../../src/formats/bgzf-block.ts'
import type { WritePosition } from '../../src/formats/bgzf-writer.ts'
import type { BinningScheme } from '../../src/formats/binning.ts'
import type { BinningIndex } from '../../src/formats/binning-index.ts'
import { createIndexBuilder } from '../../src/formats/index-builder.ts'
import { fixtureHeader, type Random } from '../formats/bam-fixture.ts'

export interface LaidBam {
  readonly bam: Uint8Array
  readonly index: BinningIndex
  /** Where each block begins, empty ones too; without the EOF marker at the end. */
  readonly blocks: readonly number[]
}

export interface Layout {
  /** Inflated bytes of the next block. */
  readonly blockBytes: () => number
  /** Records do not cross blocks unless they must, and the header has blocks of its own, as htslib writes. */
  readonly aligned?: boolean
  /** An empty block after so many. */
  readonly emptyEvery?: number
  readonly csiScheme?: BinningScheme
}

/** Puts records into blocks by plain code of its own, so that every layout there is can be made. */
export async function layBam(records: readonly BamRecord[], layout: Layout, header: BamHeader = fixtureHeader): Promise<LaidBam> {
  const payloads: Uint8Array[] = []
  let parts: Uint8Array[] = []
  let used = 0
  let room = layout.blockBytes()
  const close = (): void => {
    if (used === 0) return
    payloads.push(Buffer.concat(parts))
    if (layout.emptyEvery && payloads.length % layout.emptyEvery === 0) payloads.push(new Uint8Array(0))
    parts = []
    used = 0
    room = layout.blockBytes()
  }
  const append = (bytes: Uint8Array): void => {
    for (let at = 0; at < bytes.length; ) {
      const count = Math.min(room - used, bytes.length - at)
      parts.push(bytes.subarray(at, at + count))
      used += count
      at += count
      if (used === room) close()
    }
  }
  const builder = createIndexBuilder(header.references.length, layout.csiScheme)
  append(encodeBamHeader(header))
  if (layout.aligned) close()
  for (const record of records) {
    const bytes = encodeBamRecord(record)
    if (layout.aligned && used + bytes.length > room) close()
    const start: WritePosition = { ordinal: payloads.length, within: used }
    builder.add({ referenceId: record.referenceId, position: record.position, end: endOf(record), mapped: (record.flags & 4) === 0 }, start)
    append(bytes)
  }
  const end: WritePosition = used === 0 ? { ordinal: payloads.length, within: 0 } : { ordinal: payloads.length, within: used }
  close()
  const deflated = await Promise.all(payloads.map((payload) => (payload.length === 0 ? eofMarker : deflateBlock(payload, { level: 1 }))))
  const blocks: number[] = []
  let size = 0
  for (const block of deflated) {
    blocks.push(size)
    size += block.length
  }
  const starts = [...blocks, size]
  const resolve = ({ ordinal, within }: WritePosition) => ({ block: starts[ordinal] as number, within })
  return { bam: Buffer.concat([...deflated, eofMarker]), index: builder.finish(end, resolve), blocks }
}

/** First base behind a record, reckoned as the specification says and apart from the code under test. */
export function endOf({ position, flags, cigar }: BamRecord): number {
  const bases = cigar.reduce((sum, { length, code }) => sum + (['M', 'D', 'N', '=', 'X'].includes(code) ? length : 0), 0)
  return position + (flags & 4 || bases === 0 ? 1 : bases)
}

/** Regions that overlap or touch, as one. */
function unite(regions: readonly Region[]): Region[] {
  const united: Region[] = []
  for (const region of regions) {
    const touching = united.filter((one) => one.reference === region.reference && one.start <= region.end && region.start <= one.end)
    for (const one of touching) united.splice(united.indexOf(one), 1)
    const all = [...touching, region]
    united.push({
      reference: region.reference,
      start: Math.min(...all.map(({ start }) => start)),
      end: Math.max(...all.map(({ end }) => end)),
    })
  }
  return united
}

/** Every record is looked at, nothing is assumed of their order: what the slicer has to agree with. */
export function fullScan(
  records: readonly BamRecord[],
  regions: readonly Region[],
  contained = false,
  header = fixtureHeader,
): BamRecord[] {
  const united = unite(regions)
  return records.filter((record) =>
    united.some(({ reference, start, end }) => {
      if (reference === '*') return record.referenceId === -1
      if (header.references[record.referenceId]?.name !== reference) return false
      return contained ? record.position >= start && endOf(record) <= end : record.position < end && endOf(record) > start
    }),
  )
}

export async function gather(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}

/** The records of a BAM file as bytes. */
export async function recordBytes(bam: Uint8Array): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const { bytes } of createBamReader(createMemorySource(bam)).records()) all.push(Buffer.from(bytes))
  return Buffer.concat(all)
}

export function encodeAll(records: readonly BamRecord[]): Buffer {
  return Buffer.concat(records.map(encodeBamRecord))
}

/** Records of random regions: ends at records, at windows, one off them, and anywhere; now and then touching or overlapping. */
export function randomRegions(random: Random, records: readonly BamRecord[], header = fixtureHeader): Region[] {
  const point = (referenceId: number): number => {
    const length = header.references[referenceId]?.length ?? 0
    const record = random.pick(records)
    const kind = random.below(4)
    if (kind === 0 && record.referenceId === referenceId)
      return Math.max(0, random.pick([record.position, endOf(record)]) + random.below(3) - 1)
    if (kind === 1) return Math.max(0, random.below(Math.ceil(length / 16_384)) * 16_384 + random.below(3) - 1)
    return random.below(length + 2)
  }
  const one = (): Region => {
    if (random.below(12) === 0) return { reference: '*', start: 0, end: unboundedEnd }
    const referenceId = random.below(header.references.length)
    const { name, length } = header.references[referenceId] as (typeof header.references)[number]
    if (random.below(10) === 0) return { reference: name, start: 0, end: unboundedEnd }
    const start = point(referenceId)
    const width = random.pick([1, 10, 1000, 20_000, 200_000, length])
    const end = random.below(3) === 0 ? point(referenceId) : start + width
    return end > start ? { reference: name, start, end } : { reference: name, start: end, end: start + 1 }
  }
  return Array.from({ length: random.pick([1, 1, 1, 2, 3, 8]) }, one)
}
