import { ScoreError } from '../core/errors.ts'
import type { BamHeader } from '../formats/bam-header.ts'
import { formatHeaderLine, freeHeaderId, type HeaderLine, headerField, parseHeaderLine, withHeaderField } from './header-line.ts'

export interface NamedHeader {
  /** How messages name the file. */
  readonly name: string
  readonly header: BamHeader
}

/** Ids that reads of one input must change. */
export interface HeaderRenames {
  readonly readGroups: ReadonlyMap<string, string>
  readonly programs: ReadonlyMap<string, string>
}

export interface MergedHeader {
  readonly header: BamHeader
  /** One an input, in their order. */
  readonly renames: readonly HeaderRenames[]
}

/** Lines of one kind, by id. */
type LinesById = Map<string, string>

function requireSameReferences([first, ...others]: readonly NamedHeader[]): void {
  const expected = first?.header.references ?? []
  for (const { name, header } of others) {
    const at = expected.findIndex(({ name: reference, length }, id) => {
      const other = header.references[id]
      return other?.name !== reference || other.length !== length
    })
    const where = at < 0 && header.references.length > expected.length ? expected.length : at
    if (where < 0) continue
    const say = ({ references }: BamHeader): string => {
      const reference = references[where]
      return reference ? `'${reference.name}' of ${reference.length} bases` : 'none'
    }
    throw new ScoreError(
      'invalid-request',
      `${name} cannot be merged with ${first?.name}: reference ${where + 1} is ${say(header)} there and ${say(first?.header as BamHeader)} here; files to be merged need the same references in the same order`,
    )
  }
}

/** Puts a line in under its id, or a new one where another line has that. @returns the id that it has now */
function enter(line: HeaderLine, into: LinesById): string {
  const id = headerField(line, 'ID') ?? ''
  const text = formatHeaderLine(line)
  if (into.get(id) === text) return id
  const free = freeHeaderId(id, (other) => into.has(other) && into.get(other) !== formatHeaderLine(withHeaderField(line, 'ID', other)))
  into.set(free, free === id ? text : formatHeaderLine(withHeaderField(line, 'ID', free)))
  return free
}

/** Programs name the one before them, which must have its id first. */
function enterPrograms(lines: readonly HeaderLine[], into: LinesById): Map<string, string> {
  const own = new Map<string, HeaderLine>()
  for (const line of lines) if (!own.has(headerField(line, 'ID') ?? '')) own.set(headerField(line, 'ID') ?? '', line)
  const renamed = new Map<string, string>()
  const place = (line: HeaderLine, pending: ReadonlySet<HeaderLine>): string => {
    const id = headerField(line, 'ID') ?? ''
    const previous = headerField(line, 'PP')
    const before = previous === undefined ? undefined : own.get(previous)
    // A chain that bites its tail is left as it is.
    const follows = before && !pending.has(before) ? idOf(before, new Set([...pending, line])) : previous
    const placed = enter(follows === undefined ? line : withHeaderField(line, 'PP', follows), into)
    if (own.get(id) === line) renamed.set(id, placed)
    return placed
  }
  const idOf = (line: HeaderLine, pending: ReadonlySet<HeaderLine>): string =>
    renamed.get(headerField(line, 'ID') ?? '') ?? place(line, pending)
  for (const line of lines) {
    if (own.get(headerField(line, 'ID') ?? '') === line) idOf(line, new Set([line]))
    else place(line, new Set([line]))
  }
  return renamed
}

function enterReadGroups(lines: readonly HeaderLine[], programs: ReadonlyMap<string, string>, into: LinesById): Map<string, string> {
  const renamed = new Map<string, string>()
  for (const line of lines) {
    const id = headerField(line, 'ID') ?? ''
    const program = programs.get(headerField(line, 'PG') ?? '')
    const placed = enter(program === undefined ? line : withHeaderField(line, 'PG', program), into)
    if (!renamed.has(id)) renamed.set(id, placed)
  }
  return renamed
}

function changes(renamed: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  return new Map([...renamed].filter(([from, to]) => from !== to))
}

/** What a merged file says of itself: it is sorted, whatever its inputs claimed. */
function topLine(lines: readonly HeaderLine[]): string {
  const fields = (lines[0]?.fields ?? ['VN:1.6']).filter((field) => !/^(SO|GO|SS):/.test(field))
  return formatHeaderLine({ kind: '@HD', fields: [...fields, 'SO:coordinate'] })
}

/**
 * One header for a file that is made of several: the references must agree, lines that all have stand once, and read groups
 * and programs that share an id but not their line get one each.
 *
 * @throws `invalid-request` naming the first reference in which two inputs differ.
 */
export function mergeHeaders(inputs: readonly NamedHeader[]): MergedHeader {
  requireSameReferences(inputs)
  const parsed = inputs.map(({ header }) => header.text.split('\n').flatMap((line) => (line === '' ? [] : [parseHeaderLine(line)])))
  const ofKind = (lines: readonly HeaderLine[], kind: string): HeaderLine[] => lines.filter((line) => line.kind === kind)
  const readGroups: LinesById = new Map()
  const programs: LinesById = new Map()
  const renames = parsed.map((lines) => {
    const renamedPrograms = enterPrograms(ofKind(lines, '@PG'), programs)
    const renamedGroups = enterReadGroups(ofKind(lines, '@RG'), renamedPrograms, readGroups)
    return { readGroups: changes(renamedGroups), programs: changes(renamedPrograms) }
  })
  const [first = []] = parsed
  const known = new Set(['@HD', '@SQ', '@RG', '@PG'])
  const others = new Set(parsed.flatMap((lines) => lines.filter(({ kind }) => !known.has(kind)).map(formatHeaderLine)))
  const text = [
    topLine(ofKind(parsed.flat(), '@HD')),
    ...ofKind(first, '@SQ').map(formatHeaderLine),
    ...readGroups.values(),
    ...programs.values(),
    ...others,
  ]
  const references = inputs[0]?.header.references ?? []
  return { header: { text: text.map((line) => `${line}\n`).join(''), references }, renames }
}
