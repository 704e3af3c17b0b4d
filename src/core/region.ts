import { ScoreError } from './errors.ts'

/** A stretch of a reference sequence, zero-based and half-open: `chr1:1-100` is `{ reference: 'chr1', start: 0, end: 100 }`. */
export interface Region {
  readonly reference: string
  readonly start: number
  /** {@link unboundedEnd} when it reaches to the end of the reference, whatever its length. */
  readonly end: number
}

/** End of a region that names none. Larger than the length of any reference, as reads may reach beyond it. */
export const unboundedEnd = Number.MAX_SAFE_INTEGER

/** Reference "name" of the reads without a place. */
export const unplacedReference = '*'

/** Other names of one sequence: with and without `chr`, and the mitochondrion's. */
function aliases(name: string): string[] {
  const bare = name.replace(/^chr/i, '')
  if (/^MT?$/i.test(bare)) return ['chrM', 'MT', 'M', 'chrMT']
  return [bare, `chr${bare}`]
}

function unknownReference(name: string, text: string, names: ReadonlySet<string>): ScoreError<'invalid-request'> {
  const alias = aliases(name).find((other) => names.has(other))
  const some = [...names].slice(0, 5).join(', ')
  const hint = alias
    ? `this file calls it '${alias}'`
    : names.size === 0
      ? 'this file has no references'
      : `this file has ${some}${names.size > 5 ? `, … (${names.size} in all)` : ''}`
  return new ScoreError('invalid-request', `region '${text}': there is no reference '${name}'; ${hint}`)
}

/** A coordinate as samtools reads it: `1000`, `1,000`, `1e3`, `1.5k`, `2M`. `undefined` when it is none. */
function readCoordinate(text: string): number | undefined {
  const match = /^([0-9][0-9,]*(?:\.[0-9]+)?)(?:e([0-9]+))?([kmg]?)$/i.exec(text)
  if (!match) return undefined
  const powers: Readonly<Record<string, number>> = { '': 0, k: 3, m: 6, g: 9 }
  const power = Number(match[2] ?? 0) + (powers[(match[3] ?? '').toLowerCase()] as number)
  const value = Number(`${(match[1] as string).replaceAll(',', '')}e${power}`)
  return Number.isSafeInteger(value) ? value : undefined
}

/** `undefined` when the text is no range. */
function readRange(text: string): { readonly start: number; readonly end: number } | undefined {
  const match = /^([^-]*)(-?)([^-]*)$/.exec(text)
  if (!match) return undefined
  const [, from = '', , to = ''] = match
  const first = from === '' ? 1 : readCoordinate(from)
  const last = to === '' ? unboundedEnd : readCoordinate(to)
  if (first === undefined || last === undefined) return undefined
  return { start: Math.max(0, first - 1), end: last === 0 ? unboundedEnd : last }
}

interface SplitRegion {
  readonly reference: string
  /** Text behind the colon; absent when there is none. */
  readonly range?: string
}

function splitQuoted(text: string): SplitRegion {
  const match = /^\{(.*)\}(?::(.*))?$/.exec(text)
  if (!match) throw new ScoreError('invalid-request', `region '${text}': a '{' needs its '}', followed by ':' and a range or by nothing`)
  return { reference: match[1] as string, ...(match[2] !== undefined && { range: match[2] }) }
}

/** A name may hold colons itself: the whole text is tried as a name first, then what stands before the last colon. */
function split(text: string, names: ReadonlySet<string>): SplitRegion {
  if (text.startsWith('{')) return splitQuoted(text)
  const colon = text.lastIndexOf(':')
  const before = text.slice(0, colon)
  if (colon < 0) return { reference: text }
  if (!names.has(text)) return { reference: before, range: text.slice(colon + 1) }
  if (names.has(before))
    throw new ScoreError(
      'invalid-request',
      `region '${text}' is ambiguous: write {${text}} for the reference of that name, or {${before}}${text.slice(colon)}`,
    )
  return { reference: text }
}

/**
 * Makes a reader of regions as `samtools view` takes them, for a file with these references: `chr1` and `chr1:` (all of it),
 * `chr1:100` (to the end), `chr1:100-200` (both ends in it, counted from 1; a start of 0 is taken for 1, an end of 0 for the
 * reference's), `chr1:-200`, `chr1:1,000-2,000`, `{HLA:A*01}:1-100`, and `*` for the reads without a place.
 *
 * @returns a function that throws `invalid-request` for an unknown reference, with a hint at its other name; for an
 *   ambiguous name; for a range that is none or is empty.
 */
export function createRegionParser(referenceNames: Iterable<string>): (text: string) => Region {
  const names = new Set(referenceNames)
  return (text) => {
    if (text === unplacedReference) return { reference: text, start: 0, end: unboundedEnd }
    const { reference, range } = split(text, names)
    if (!names.has(reference)) throw unknownReference(reference, text, names)
    const bounds = range === undefined ? { start: 0, end: unboundedEnd } : readRange(range)
    if (!bounds) throw new ScoreError('invalid-request', `region '${text}': '${range}' is no range; write it as 100-200, 100 or -200`)
    if (bounds.start >= bounds.end) throw new ScoreError('invalid-request', `region '${text}': its end comes before its start`)
    return { reference, ...bounds }
  }
}

/** A region in the form that {@link createRegionParser} reads; the name is quoted where it must be. */
export function formatRegion({ reference, start, end }: Region): string {
  const name = reference.includes(':') || reference.startsWith('{') ? `{${reference}}` : reference
  if (end !== unboundedEnd) return `${name}:${start + 1}-${end}`
  return start === 0 ? name : `${name}:${start + 1}`
}

/**
 * Reads the first three columns of a BED file. Blank lines, comments, `track` and `browser` lines are passed over, as are
 * regions of no length.
 *
 * @throws `invalid-format` naming the line that is no region.
 */
export function parseBed(text: string, name = 'BED input'): Region[] {
  const regions: Region[] = []
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || /^(#|track(\s|$)|browser(\s|$))/.test(line)) continue
    const [reference = '', from = '', to = ''] = line.includes('\t') ? line.split('\t') : line.trim().split(/ +/)
    const [start, end] = [from, to].map((column) => (/^\d+$/.test(column.trim()) ? Number(column) : Number.NaN)) as [number, number]
    if (reference === '' || !Number.isSafeInteger(start) || !Number.isSafeInteger(end) || end < start)
      throw new ScoreError('invalid-format', `${name}, line ${index + 1}: not a name, a start from 0 and an end: '${line.slice(0, 80)}'`)
    if (end > start) regions.push({ reference, start, end })
  }
  return regions
}

/**
 * The same bases in as few regions as can be, in the order of the references: regions that overlap or touch are joined, so
 * each read is met once. Reads without a place come last.
 *
 * @throws `invalid-request` for a reference that is not among the names.
 */
export function mergeRegions(regions: readonly Region[], referenceNames: Iterable<string>): Region[] {
  const names = new Set(referenceNames)
  const order = new Map([...names, unplacedReference].map((name, at) => [name, at]))
  const placeOf = (region: Region): number => {
    const at = order.get(region.reference)
    if (at === undefined) throw unknownReference(region.reference, formatRegion(region), names)
    return at
  }
  const sorted = regions.map((region) => ({ region, at: placeOf(region) })).sort((a, b) => a.at - b.at || a.region.start - b.region.start)
  const merged: Region[] = []
  for (const { region } of sorted) {
    const last = merged.at(-1)
    if (last?.reference === region.reference && region.start <= last.end)
      merged[merged.length - 1] = { ...last, end: Math.max(last.end, region.end) }
    else merged.push(region)
  }
  return merged
}
