import type { BamHeader } from './bam-header.ts'
import type { BamRecord, BamTag } from './bam-record.ts'
import { formatCigar } from './cigar.ts'

/** Number from which, and below which, C's `%g` writes an exponent. */
const exponentFrom = 999_999
const exponentBelow = 0.0001
/** Below the first nine decimals are six digits, below the next eight, and so on. */
const magnitudes = [0.001, 0.01, 0.1, 1, 10, 100, 1000, 10_000, 100_000]

/** A float as samtools writes it: C's `%g`, six significant digits. */
export function formatFloat(value: number): string {
  if (Number.isNaN(value)) return 'nan'
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  if (value < 0) return `-${formatFloat(-value)}`
  if (value === Number.POSITIVE_INFINITY) return 'inf'
  return value > exponentFrom || value < exponentBelow ? formatGeneral(value) : formatFixed(value)
}

/** `%g` itself: ties go to the even digit, as in the C library. */
function formatGeneral(value: number): string {
  const [mantissa = '', exponent = ''] = roundedToEven(value).split('e')
  const power = Number(exponent)
  if (power >= -4 && power < 6) return trimZeros(value.toFixed(Math.max(0, 5 - power)))
  const digits = Math.abs(power).toString().padStart(2, '0')
  return `${trimZeros(mantissa)}e${power < 0 ? '-' : '+'}${digits}`
}

/** JavaScript rounds exact ties up, C to the even digit; a double has no tie below its 54th digit, so longer forms show one. */
function roundedToEven(value: number): string {
  const up = value.toExponential(5)
  const [mantissa = '', exponent] = value.toExponential(60).split('e')
  if (!/^50*$/.test(mantissa.slice(7))) return up
  const kept = mantissa.slice(0, 7)
  return Number(kept.at(-1)) % 2 === 0 ? `${kept}e${exponent}` : up
}

/** The common magnitudes, as htslib (to 1.16) rounds them: ten decimals cut off, then half a unit of the sixth digit added. */
function formatFixed(value: number): string {
  const magnitude = magnitudes.findIndex((limit) => value < limit)
  const decimals = magnitude < 0 ? 0 : 9 - magnitude
  const unit = 10n ** BigInt(10 - decimals)
  const rounded = (BigInt(Math.trunc(value * 1e10)) + unit / 2n) / unit
  const digits = rounded.toString().padStart(decimals + 1, '0')
  return decimals === 0 ? digits : trimZeros(`${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`)
}

function trimZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
}

function formatTag(tag: BamTag): string {
  if (tag.type === 'A' || tag.type === 'Z' || tag.type === 'H') return `\t${tag.name}:${tag.type}:${tag.value}`
  if (tag.type === 'f') return `\t${tag.name}:f:${formatFloat(tag.value)}`
  if (tag.type !== 'B') return `\t${tag.name}:i:${tag.value}`
  const numbers = Array.from(tag.value, tag.elementType === 'f' ? formatFloat : String)
  return `\t${tag.name}:B:${[tag.elementType, ...numbers].join(',')}`
}

function formatQualities(qualities: Uint8Array | undefined): string {
  return qualities ? Buffer.from(qualities.map((quality) => quality + 33)).toString('latin1') : '*'
}

/** A record as one line of SAM without its newline, byte for byte as samtools writes it (SAMv1 1.4, 1.5). */
export function formatSamRecord(record: BamRecord, header: Pick<BamHeader, 'references'>): string {
  const referenceName = (id: number): string => header.references[id]?.name ?? '*'
  const { name, flags, referenceId, position, mappingQuality, cigar, mateReferenceId, sequence } = record
  const mateName = mateReferenceId >= 0 && mateReferenceId === referenceId ? '=' : referenceName(mateReferenceId)
  const fields = [
    name,
    flags,
    referenceName(referenceId),
    position + 1,
    mappingQuality,
    formatCigar(cigar),
    mateName,
    record.matePosition + 1,
    record.templateLength,
    sequence === '' ? '*' : sequence,
    formatQualities(record.qualities),
  ]
  return fields.join('\t') + record.tags.map(formatTag).join('')
}
