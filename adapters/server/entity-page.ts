import { type EntityQuery, songError } from '../../src/index.ts'

const fieldNames = ['id', 'gnosId', 'fileName', 'projectCode', 'access'] as const
const legalNames: ReadonlySet<string> = new Set([...fieldNames, 'fields', 'page', 'size'])

/** Song's limits (song.md 1.1). */
const defaultSize = 10
const largestSize = 2000

export interface EntityPageRequest {
  readonly query: EntityQuery
  /** Keys to show; empty = all. */
  readonly fields: readonly string[]
  readonly page: number
  readonly size: number
}

function wholeNumber(text: string | null, least: number, fallback: number): number {
  const value = text !== null && /^-?\d{1,15}$/.test(text) ? Number(text) : fallback
  return value < least ? fallback : value
}

/** @throws `invalid-request` for a name that Song does not know (`illegal.query.parameter`, `illegal.filter.parameter`). */
export function parseEntityPageRequest(search: URLSearchParams): EntityPageRequest {
  const foreign = [...new Set(search.keys())].filter((name) => !legalNames.has(name))
  if (foreign.length > 0)
    throw songError('illegal.query.parameter', `unknown query parameters: ${foreign.join(', ')}; known are ${[...legalNames].join(', ')}`)
  const fields = search.getAll('fields')
  const wrong = fields.filter((name) => !fieldNames.some((known) => known === name))
  if (wrong.length > 0)
    throw songError(
      'illegal.filter.parameter',
      `unknown fields: ${wrong.join(', ')}; known are ${fieldNames.join(', ')}, each as a parameter of its own`,
    )
  const query = Object.fromEntries(fieldNames.flatMap((name) => (search.has(name) ? [[name, search.get(name) as string]] : [])))
  return {
    query,
    fields,
    page: wholeNumber(search.get('page'), 0, 0),
    size: Math.min(wholeNumber(search.get('size'), 1, defaultSize), largestSize),
  }
}

type Row = Readonly<Record<string, unknown>>

/** Song's page envelope; readers look at `content` and `last`, a few at `totalPages` and `number`. */
export function entityPage(request: EntityPageRequest, content: readonly Row[], total: number): Row {
  const { page, size, fields } = request
  const totalPages = Math.ceil(total / size)
  const sort = { sorted: true, empty: false, unsorted: false }
  const shown =
    fields.length === 0 ? content : content.map((row) => Object.fromEntries(Object.entries(row).filter(([key]) => fields.includes(key))))
  return {
    content: shown,
    pageable: { sort, pageNumber: page, pageSize: size, offset: page * size, paged: true, unpaged: false },
    totalElements: total,
    totalPages,
    last: page + 1 >= totalPages,
    size,
    number: page,
    sort,
    numberOfElements: content.length,
    first: page === 0,
    empty: content.length === 0,
  }
}
