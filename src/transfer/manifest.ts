import { ScoreError } from '../core/errors.ts'
import { isObjectId } from '../core/object-id.ts'

/** One file of an upload manifest. */
export interface UploadManifestRow {
  readonly objectId: string
  /** As written; relative ones are relative to where the command runs. */
  readonly path: string
  /** As written; may be empty. */
  readonly md5: string
  /** In the manifest, from 1. */
  readonly line: number
}

/** One object of a download manifest; what a column does not tell is absent. */
export interface DownloadManifestRow {
  readonly objectId: string
  readonly indexObjectId?: string
  readonly fileName?: string
  readonly format?: string
  /** Bytes. */
  readonly size?: number
  readonly md5?: string
  /** In the manifest, from 1. */
  readonly line: number
}

export interface ManifestOptions {
  /** Where the text came from, for messages. */
  readonly name: string
  /**
   * Read exactly as the original: columns by place, their number fixed, blank lines an error, ids unchecked
   * (score-client.md 4). Default false: columns by their heading where it is known, blank lines skipped, ids must be UUIDs.
   */
  readonly strict?: boolean
}

/** Why a manifest cannot be read, in the original's words. */
export function manifestError(name: string, reason: string, options?: ErrorOptions): ScoreError {
  return new ScoreError('invalid-format', `Could not read manifest from '${name}': ${reason}`, options)
}

interface Row {
  readonly cells: readonly string[]
  readonly line: number
}

type Columns<Field extends string> = Partial<Record<Field, number>>

interface Format<Field extends string> {
  readonly columns: number
  /** Where a field stands when no heading tells. */
  readonly places: Columns<Field>
  /** Headings by which a field is known, reduced to letters and digits. */
  readonly headings: Readonly<Record<Field, readonly string[]>>
}

type UploadField = 'objectId' | 'path' | 'md5'
type DownloadField = 'objectId' | 'indexObjectId' | 'fileName' | 'format' | 'size' | 'md5'

const objectIdHeadings = ['objectid', 'fileuuid', 'latestdid', 'fileobjectid']
const md5Headings = ['md5', 'md5sum', 'filemd5sum', 'filemd5']

const uploadFormat: Format<UploadField> = {
  columns: 3,
  places: { objectId: 0, path: 1, md5: 2 },
  headings: { objectId: objectIdHeadings, path: ['filename', 'filepath', 'path', 'file'], md5: md5Headings },
}

const downloadFormat: Format<DownloadField> = {
  columns: 11,
  places: { objectId: 2, format: 3, fileName: 4, size: 5, md5: 6, indexObjectId: 7 },
  headings: {
    objectId: objectIdHeadings,
    indexObjectId: ['indexobjectid', 'indexfileuuid', 'fileindexfileobjectid', 'indexfileobjectid'],
    fileName: ['filename', 'name'],
    format: ['fileformat', 'format'],
    size: ['filesize', 'size'],
    md5: md5Headings,
  },
}

function linesOf(text: string): string[] {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  // The end of the last line begins no further one.
  if (lines.at(-1) === '') lines.pop()
  return lines
}

/** The original's reading: the first line only has to have the right number of columns. */
function strictRows(text: string, columns: number, name: string): Row[] {
  const rows = linesOf(text).map((line, index): Row => {
    const cells = line.split('\t').map((cell) => cell.trim())
    if (cells.length !== columns) throw manifestError(name, `Expected ${columns} columns found ${cells.length} for line '${line}'`)
    return { cells, line: index + 1 }
  })
  return rows.slice(1)
}

function bareHeading(cell: string): string {
  return cell.toLowerCase().replace(/[^a-z0-9]/g, '')
}

function byHeading<Field extends string>(cells: readonly string[], format: Format<Field>): Columns<Field> | undefined {
  const names = cells.map(bareHeading)
  const found: Columns<Field> = {}
  for (const field of Object.keys(format.headings) as Field[]) {
    const at = names.findIndex((heading) => format.headings[field].includes(heading))
    if (at >= 0) found[field] = at
  }
  return 'objectId' in found ? found : undefined
}

/** Whether a line that would be skipped as the heading holds a file: then someone left the heading out. */
function looksLikeRow(cells: readonly string[], idAt: number): boolean {
  return isObjectId(cells[idAt] ?? '') && cells.some((cell, at) => at !== idAt && cell !== '')
}

function freeRows<Field extends string>(text: string, format: Format<Field>, name: string): { columns: Columns<Field>; rows: Row[] } {
  const rows = linesOf(text).map((line, index): Row => ({ cells: line.split('\t').map((cell) => cell.trim()), line: index + 1 }))
  const filled = rows.filter((row) => row.cells.some((cell) => cell !== ''))
  const [first, ...rest] = filled
  if (!first) return { columns: format.places, rows: [] }
  const columns = byHeading(first.cells, format)
  if (columns) return { columns, rows: rest }
  const places: Columns<Field> = format.places
  if (looksLikeRow(first.cells, (places as { objectId: number }).objectId)) {
    throw manifestError(
      name,
      `the first line is a heading and never read, but holds a file: '${first.cells.join(' ')}'. Put a heading line before it`,
    )
  }
  for (const { cells, line } of filled) {
    if (cells.length === format.columns) continue
    throw manifestError(
      name,
      `line ${line} has ${cells.length} columns instead of ${format.columns}, separated by tabs: '${cells.join(' ')}'. Other layouts need a heading line that names the column object_id`,
    )
  }
  return { columns: places, rows: rest }
}

function rowsOf<Field extends string>(
  text: string,
  format: Format<Field>,
  options: ManifestOptions,
): { columns: Columns<Field>; rows: Row[] } {
  if (options.strict) return { columns: format.places, rows: strictRows(text, format.columns, options.name) }
  const found = freeRows(text, format, options.name)
  for (const { cells, line } of found.rows) {
    const objectId = cells[(found.columns as { objectId: number }).objectId] ?? ''
    if (!isObjectId(objectId))
      throw manifestError(options.name, `line ${line} has '${objectId}' where the object id should be; object ids are UUIDs`)
  }
  return found
}

/** @throws `invalid-format` naming the manifest, the line and what is wrong with it. */
export function parseUploadManifest(text: string, options: ManifestOptions): UploadManifestRow[] {
  const { columns, rows } = rowsOf(text, uploadFormat, options)
  return rows.map(({ cells, line }) => {
    const cell = (field: UploadField): string => cells[columns[field] ?? -1] ?? ''
    const row = { objectId: cell('objectId'), path: cell('path'), md5: cell('md5'), line }
    if (!options.strict && row.path === '') throw manifestError(options.name, `line ${line} names no file for object ${row.objectId}`)
    return row
  })
}

/** @throws `invalid-format` naming the manifest, the line and what is wrong with it. */
export function parseDownloadManifest(text: string, options: ManifestOptions): DownloadManifestRow[] {
  const { columns, rows } = rowsOf(text, downloadFormat, options)
  return rows.map(({ cells, line }) => {
    const cell = (field: DownloadField): string | undefined => cells[columns[field] ?? -1] || undefined
    const size = /^\d+$/.test(cell('size') ?? '') ? Number(cell('size')) : undefined
    const known = { indexObjectId: cell('indexObjectId'), fileName: cell('fileName'), format: cell('format'), size, md5: cell('md5') }
    const present = Object.entries(known).filter(([, value]) => value !== undefined)
    return { objectId: cell('objectId') ?? '', line, ...Object.fromEntries(present) }
  })
}
