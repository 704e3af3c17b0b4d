import { ScoreError } from '../core/errors.ts'
import { recordFlags } from './bam-record.ts'
import type { CramCompression } from './cram-compression.ts'
import { coveredBases, type FeatureReaders, type ReadFeature, readFeatures } from './cram-features.ts'
import { createSeriesReaders, type SeriesBlocks, type SeriesReader } from './cram-series.ts'
import type { CramSliceHeader } from './cram-slice-header.ts'

/** Bits of {@link CramRecord.cramFlags} (CRAM 3.1, 10.1). */
export const cramFlags = { hasQualities: 1, detached: 2, mateDownstream: 4, noSequence: 8 } as const
/** Bits of a detached record's mate flags. */
const mateReverse = 1
const mateUnmapped = 2

/** A tag as it stands in the file; the bytes of its value are those of BAM. */
export interface CramTag {
  /** Name and type: three characters as a number. */
  readonly key: number
  readonly value: Uint8Array
}

/** A record as it stands in a slice: its bases still depend on the reference. Positions are counted from 1, 0 for none. */
export interface CramRecord {
  readonly flags: number
  readonly cramFlags: number
  readonly referenceId: number
  /** Bases of the read. */
  readonly length: number
  readonly position: number
  /** Last base of the reference that it covers; `position` when it covers none. */
  readonly last: number
  /** Number of its `@RG` line; -1 for none. */
  readonly readGroup: number
  /** Absent for a record whose name is made of its number. */
  readonly name: Uint8Array | undefined
  readonly mateReferenceId: number
  readonly matePosition: number
  /** Absent where it has to be reckoned from the mates. */
  readonly templateLength: number | undefined
  /** Number in the slice of the next record of its template; -1 for none. */
  readonly next: number
  readonly tags: readonly CramTag[]
  readonly features: readonly ReadFeature[]
  readonly mappingQuality: number
  /** Of an unmapped read. */
  readonly bases: Uint8Array
  /** Absent where they stand in the features, or nowhere. */
  readonly qualities: Uint8Array | undefined
}

export interface CramSliceContent extends SeriesBlocks {
  readonly header: CramSliceHeader
  readonly compression: CramCompression
}

const seriesNames = [
  ...['BF', 'CF', 'RI', 'RL', 'AP', 'RG', 'RN', 'MF', 'NS', 'NP', 'TS', 'NF', 'TL', 'MQ'],
  ...['FN', 'FC', 'FP', 'BA', 'BS', 'DL', 'IN', 'BB', 'QQ', 'QS', 'HC', 'PD', 'RS', 'SC'],
] as const

type SliceReaders = FeatureReaders &
  Readonly<Record<'BF' | 'CF' | 'RI' | 'RL' | 'AP' | 'RG' | 'RN' | 'MF' | 'NS' | 'NP' | 'TS' | 'NF' | 'TL' | 'MQ', SeriesReader>>

type Mate = Pick<CramRecord, 'flags' | 'name' | 'mateReferenceId' | 'matePosition' | 'templateLength' | 'next'>

const none = new Uint8Array(0)
const noFeatures: readonly ReadFeature[] = []

/** Where a detached record's mate is, or which record of the slice is the mate. */
function readMate(readers: SliceReaders, flags: number, kind: number, number: number, hasNames: boolean): Mate {
  if (kind & cramFlags.detached) {
    const mateFlags = readers.MF.byte()
    const name = hasNames ? undefined : readers.RN.bytes()
    const [mateReferenceId, matePosition, templateLength] = [readers.NS.int(), readers.NP.int(), readers.TS.int()] as const
    const reverse = mateFlags & mateReverse ? recordFlags.paired | recordFlags.mateReverse : 0
    const unmapped = mateFlags & mateUnmapped ? recordFlags.mateUnmapped : 0
    const all = flags | reverse | unmapped
    const known = all & recordFlags.paired ? mateReferenceId : -1
    return { flags: all, name, mateReferenceId: known, matePosition, templateLength, next: -1 }
  }
  const next = kind & cramFlags.mateDownstream ? number + 1 + readers.NF.int() : -1
  return { flags, name: undefined, mateReferenceId: -1, matePosition: 0, templateLength: undefined, next }
}

/**
 * Reads the records of a slice (CRAM 3.1, 10), in the order in which they stand there.
 *
 * @throws `invalid-format` when the slice is damaged.
 */
export function decodeCramRecords(content: CramSliceContent): CramRecord[] {
  const { header, compression, where } = content
  const readerOf = createSeriesReaders(content)
  const readers = Object.fromEntries(seriesNames.map((name) => [name, readerOf(compression.series.get(name), name)])) as SliceReaders
  const tagReaders = new Map<number, SeriesReader>()
  const tagReader = (key: number): SeriesReader => {
    const known = tagReaders.get(key)
    if (known) return known
    const made = readerOf(compression.tags.get(key), `of the tag ${String.fromCharCode(key >> 16, (key >> 8) & 255)}`)
    tagReaders.set(key, made)
    return made
  }
  const { hasNames, deltaPositions, tagLists } = compression
  let lastPosition = header.start + 1

  const readTags = (number: number): CramTag[] => {
    const list = tagLists[readers.TL.int()]
    if (!list)
      throw new ScoreError('invalid-format', `${where}: record ${number} has a list of tags that is not there; the file is damaged`)
    const tags: CramTag[] = []
    for (const key of list) tags.push({ key, value: tagReader(key).bytes() })
    return tags
  }

  const readOne = (number: number): CramRecord => {
    const given = readers.BF.int()
    const kind = readers.CF.int()
    const referenceId = header.referenceId === -2 ? readers.RI.int() : header.referenceId
    const length = readers.RL.int()
    const position = readers.AP.int() + (deltaPositions ? lastPosition : 0)
    lastPosition = position
    const readGroup = readers.RG.int()
    const name = hasNames ? readers.RN.bytes() : undefined
    const mate = readMate(readers, given, kind, number, hasNames)
    const tags = readTags(number)
    if (length < 0) throw new ScoreError('invalid-format', `${where}: record ${number} claims ${length} bases; the file is damaged`)
    const mapped = (given & recordFlags.unmapped) === 0
    const features = mapped ? readFeatures(readers, length, where) : noFeatures
    const mappingQuality = mapped ? readers.MQ.int() : 0
    const bases = mapped || kind & cramFlags.noSequence ? none : readers.BA.run(length)
    return {
      flags: mate.flags,
      cramFlags: kind,
      referenceId,
      length,
      position,
      last: mapped ? Math.max(position, position + coveredBases(features, length) - 1) : position,
      readGroup,
      name: name ?? mate.name,
      mateReferenceId: mate.mateReferenceId,
      matePosition: mate.matePosition,
      templateLength: mate.templateLength,
      next: mate.next,
      tags,
      features,
      mappingQuality,
      bases,
      qualities: kind & cramFlags.hasQualities ? readers.QS.run(length) : undefined,
    }
  }
  return Array.from({ length: header.records }, (_, number) => readOne(number))
}
