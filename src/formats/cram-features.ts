import { ScoreError } from '../core/errors.ts'
import type { SeriesReader } from './cram-series.ts'

/** A difference of a read to the reference (CRAM 3.1, 10.6). */
export interface ReadFeature {
  readonly kind: FeatureKind
  /** Base of the read at which it stands, counted from 1. */
  readonly at: number
  /** A length, the code of a substitution, or a single base. */
  readonly value: number
  /** Bases or qualities. */
  readonly bytes: Uint8Array
  /** Quality of the base; -1 when there is none. */
  readonly quality: number
}

/** `B`: base and quality, `X`: substitution, `b`: bases, `q` and `Q`: qualities; the others as in a CIGAR, `i`: one inserted base. */
export type FeatureKind = 'B' | 'X' | 'D' | 'I' | 'i' | 'b' | 'q' | 'Q' | 'H' | 'P' | 'N' | 'S'

export type FeatureReaders = Readonly<
  Record<'FN' | 'FC' | 'FP' | 'BA' | 'BS' | 'DL' | 'IN' | 'BB' | 'QQ' | 'QS' | 'HC' | 'PD' | 'RS' | 'SC', SeriesReader>
>

const none = new Uint8Array(0)

function readFeature(readers: FeatureReaders, at: number, where: string): ReadFeature {
  const kind = String.fromCharCode(readers.FC.byte())
  const position = at + readers.FP.int()
  const number = (named: FeatureKind, value: number): ReadFeature => ({ kind: named, at: position, value, bytes: none, quality: -1 })
  const array = (named: FeatureKind, bytes: Uint8Array): ReadFeature => ({ kind: named, at: position, value: 0, bytes, quality: -1 })
  switch (kind) {
    case 'X':
      return number(kind, readers.BS.byte())
    case 'B': {
      const value = readers.BA.byte()
      return { kind, at: position, value, bytes: none, quality: readers.QS.byte() }
    }
    case 'i':
      return number(kind, readers.BA.byte())
    case 'Q':
      return { kind, at: position, value: 0, bytes: none, quality: readers.QS.byte() }
    case 'D':
      return number(kind, readers.DL.int())
    case 'N':
      return number(kind, readers.RS.int())
    case 'H':
      return number(kind, readers.HC.int())
    case 'P':
      return number(kind, readers.PD.int())
    case 'I':
      return array(kind, readers.IN.bytes())
    case 'S':
      return array(kind, readers.SC.bytes())
    case 'b':
      return array(kind, readers.BB.bytes())
    case 'q':
      return array(kind, readers.QQ.bytes())
    default:
      throw new ScoreError('invalid-format', `${where}: a read has a feature of the unknown kind '${kind}'; the file is damaged`)
  }
}

/** The features of the next read, in the order of its bases. @throws `invalid-format` for an unknown one, or out of order. */
export function readFeatures(readers: FeatureReaders, length: number, where: string): ReadFeature[] {
  const features: ReadFeature[] = []
  let at = 0
  for (let left = readers.FN.int(); left > 0; left -= 1) {
    const feature = readFeature(readers, at, where)
    if (feature.at < at || feature.at > length + 1 || feature.value < 0)
      throw new ScoreError('invalid-format', `${where}: a read of ${length} bases has a feature at base ${feature.at}; the file is damaged`)
    features.push(feature)
    at = feature.at
  }
  return features
}

/** Bases of the reference under a read of this length. */
export function coveredBases(features: readonly ReadFeature[], length: number): number {
  let covered = length
  for (const { kind, value, bytes } of features) {
    if (kind === 'D' || kind === 'N') covered += value
    else if (kind === 'I' || kind === 'S') covered -= bytes.length
    else if (kind === 'i') covered -= 1
  }
  return covered
}
