import { ScoreError } from '../core/errors.ts'

/** A sequence that records are aligned to. */
export interface BamReference {
  readonly name: string
  /** Bases. */
  readonly length: number
}

/** The head of a BAM file (SAMv1 4.2). */
export interface BamHeader {
  /** The SAM header, `@HD` to `@CO`, each line ended by a newline. */
  readonly text: string
  /** In the order that records number them by. */
  readonly references: readonly BamReference[]
}

const magic = 'BAM\u0001'

/** The header's bytes, not yet compressed (SAMv1 4.2). @throws `invalid-request` for a name or length that BAM cannot hold. */
export function encodeBamHeader(header: BamHeader): Uint8Array {
  const text = Buffer.from(header.text)
  const names = header.references.map(({ name }) => Buffer.from(`${name}\0`))
  const bytes = Buffer.alloc(12 + text.length + names.reduce((sum, name) => sum + 8 + name.length, 0))
  bytes.write(magic, 'latin1')
  bytes.writeInt32LE(text.length, 4)
  text.copy(bytes, 8)
  bytes.writeInt32LE(names.length, 8 + text.length)
  let at = 12 + text.length
  for (const [index, name] of names.entries()) {
    const { length } = header.references[index] as BamReference
    if (name.length === 1 || !Number.isInteger(length) || length < 0 || length > 0x7fff_ffff)
      throw new ScoreError(
        'invalid-request',
        `reference ${index} ('${name.toString().slice(0, -1)}', ${length} bases): BAM needs a name and a length of 0 to 2147483647`,
      )
    bytes.writeInt32LE(name.length, at)
    name.copy(bytes, at + 4)
    bytes.writeInt32LE(length, at + 4 + name.length)
    at += 8 + name.length
  }
  return bytes
}

/**
 * Reads the header from the inflated beginning of a BAM file.
 *
 * @returns the header and its length in inflated bytes, or `undefined` when `bytes` end before it does.
 * @throws `invalid-format` when these are not the first bytes of a BAM file.
 */
export function decodeBamHeader(
  bytes: Uint8Array,
  name = 'BAM input',
): { readonly header: BamHeader; readonly length: number } | undefined {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  if (data.length < 4) return undefined
  if (data.toString('latin1', 0, 4) !== magic)
    throw new ScoreError('invalid-format', `${name}: not a BAM file (it begins with other bytes than 'BAM\\1')`)
  let at = 4
  const count = (what: string): number | undefined => {
    if (data.length < at + 4) return undefined
    const value = data.readInt32LE(at)
    if (value < 0) throw new ScoreError('invalid-format', `${name}: the BAM header says ${value} for its ${what} (inflated byte ${at})`)
    at += 4
    return value
  }
  const textLength = count('text length')
  if (textLength === undefined || data.length < at + textLength) return undefined
  // Writers may pad the text with NULs (SAMv1 4.2).
  const text = data.toString('utf8', at, at + textLength).replace(/\0+$/, '')
  at += textLength
  const referenceCount = count('number of references')
  if (referenceCount === undefined) return undefined
  const references: BamReference[] = []
  while (references.length < referenceCount) {
    const nameLength = count('reference name length')
    if (nameLength === undefined || data.length < at + nameLength + 4) return undefined
    if (nameLength === 0 || data[at + nameLength - 1] !== 0)
      throw new ScoreError(
        'invalid-format',
        `${name}: the name of reference ${references.length} does not end with NUL (inflated byte ${at})`,
      )
    const reference = data.toString('utf8', at, at + nameLength - 1)
    at += nameLength
    references.push({ name: reference, length: count('reference length') as number })
  }
  return { header: { text, references }, length: at }
}
