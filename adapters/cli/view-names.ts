import { basename } from 'node:path'
import { refusal } from './refusal.ts'

export type ReadsFormat = 'bam' | 'sam' | 'cram'

const longestStem = 128

/** The name up to the first `.bam`, `.sam` or `.cram`; `strict`: there must be one, in lower case, as the original has it. */
function baseOf(fileName: string, strict: boolean): string {
  const at = fileName.search(strict ? /\.(bam|sam|cram)/ : /\.(bam|sam|cram)/i)
  if (at >= 0) return fileName.slice(0, at)
  if (strict) throw refusal(`${fileName} could not be identified as SAM or BAM`, { frame: 'plain' })
  return fileName
}

/** A region as part of a file name. */
export function regionLabel(region: string): string {
  return region.replace(/[:/\\]/g, '_').replace(/\p{Cc}/gu, '')
}

/** Several regions: `chr1_1-10__chr2`. */
export function regionsLabel(regions: readonly string[]): string {
  return regions.map(regionLabel).join('__')
}

export interface OutputName {
  /** Of the input, folders and all; or what a file of several inputs is called. */
  readonly input: string
  /** Set apart from another input of the same name. */
  readonly mark?: string
  /** Absent for all of a file. */
  readonly label?: string | undefined
  readonly format: ReadsFormat
  readonly strict: boolean
}

/** What an output is called (score-client.md 6.3): `x.chr1_1-10__chr2.bam`, cut short with a `~` where it would be too long. */
export function outputName({ input, mark, label, format, strict }: OutputName): string {
  const stem = [baseOf(basename(input), strict), mark, label].filter((part) => part !== undefined).join('.')
  return `${stem.length > longestStem ? `${stem.slice(0, longestStem - 1)}~` : stem}.${format}`
}

/** `x.bam` → `x.bam.bai`; the original's name is `x.bai`. */
export function indexNameOf(path: string, extension: string, strict: boolean): string {
  return `${strict ? path.replace(/\.[^.]+$/, '') : path}.${extension}`
}
