import type { RouterContext } from '@koa/router'
import { type AnalysisState, type Catalogue, songError } from '../../src/index.ts'
import { entityPage, parseEntityPageRequest } from './entity-page.ts'

function param(ctx: RouterContext, name: string): string {
  return String(ctx.params[name])
}

function flag(search: URLSearchParams, name: string): boolean {
  const text = (search.get(name) ?? '').toLowerCase()
  if (['true', 'on', 'yes', '1'].includes(text)) return true
  if (['', 'false', 'off', 'no', '0'].includes(text)) return false
  throw songError('malformed.parameter', `'${name}=${text}' is neither true nor false`)
}

function list(search: URLSearchParams, name: string): string[] | undefined {
  const values = search
    .getAll(name)
    .flatMap((text) => text.split(','))
    .filter((text) => text !== '')
  return values.length === 0 ? undefined : values
}

const stateNames: readonly AnalysisState[] = ['PUBLISHED', 'UNPUBLISHED', 'SUPPRESSED']

function statesOf(search: URLSearchParams): readonly AnalysisState[] {
  return (list(search, 'analysisStates') ?? ['PUBLISHED']).map((text) => {
    const state = stateNames.find((name) => name === text)
    if (!state) throw songError('malformed.parameter', `'${text}' is no analysis state; there are ${stateNames.join(', ')}`)
    return state
  })
}

function wholeNumber(search: URLSearchParams, name: string, fallback: number): number {
  const text = search.get(name) ?? ''
  if (text === '') return fallback
  if (!/^\d{1,9}$/.test(text)) throw songError('malformed.parameter', `'${name}=${text}' is not a whole number`)
  return Number(text)
}

/** What a handler gives: the body of a 200. */
export type Handler = (ctx: RouterContext, search: URLSearchParams) => Promise<unknown>

/** Song's reads, as far as they are served (song.md 8). */
export function addReads(get: (path: string, handler: Handler) => void, { documents }: Catalogue): void {
  get('/isAlive', async () => true)
  get('/entities', async (_ctx, search) => {
    const request = parseEntityPageRequest(search)
    const { content, total } = await documents.entities(request.query, request)
    return entityPage(request, content, total)
  })
  get('/entities/:objectId', (ctx) => documents.entity(param(ctx, 'objectId')))
  get('/studies/all', () => documents.studies())
  get('/studies/:study', (ctx) => documents.study(param(ctx, 'study')))
  get('/studies/:study/analysis', (ctx, search) => documents.analyses(param(ctx, 'study'), statesOf(search)))
  get('/studies/:study/analysis/search/id', (ctx, search) => {
    const fileId = search.get('fileId')
    const others = [...search.keys()].filter((name) => name !== 'fileId')
    if (fileId === null || others.length > 0) throw songError('malformed.parameter', 'this catalogue searches by fileId alone')
    return documents.analysesWithFile(param(ctx, 'study'), fileId)
  })
  get('/studies/:study/analysis/:analysis', (ctx) => documents.analysis(param(ctx, 'study'), param(ctx, 'analysis')))
  get('/studies/:study/analysis/:analysis/files', (ctx) => documents.files(param(ctx, 'study'), param(ctx, 'analysis')))
  get('/studies/:study/files/:objectId', (ctx) => documents.file(param(ctx, 'study'), param(ctx, 'objectId')))
  get('/schemas', async (_ctx, search) => {
    const names = list(search, 'names')
    const versions = list(search, 'versions')?.map(Number)
    const view = { hideSchema: flag(search, 'hideSchema'), unrenderedOnly: flag(search, 'unrenderedOnly') }
    const all = [...(await documents.types({ ...view, ...(names ? { names } : {}), ...(versions ? { versions } : {}) }))]
    all.sort((left, right) => Number(right['version']) - Number(left['version']))
    const [limit, offset] = [wholeNumber(search, 'limit', 20), wholeNumber(search, 'offset', 0)]
    return { limit, offset, count: all.length, resultSet: all.slice(offset, offset + limit) }
  })
  get('/schemas/:name', (ctx, search) => {
    const version = wholeNumber(search, 'version', 0)
    const view = { unrenderedOnly: flag(search, 'unrenderedOnly'), ...(version > 0 ? { version } : {}) }
    return documents.type(param(ctx, 'name'), view)
  })
  get('/export/analysis/:analyses', (ctx) => documents.payloads(param(ctx, 'analyses').split(',')))
}

export type AddWrite = (
  method: 'post' | 'put',
  path: string,
  body: 'json' | 'none',
  handler: (ctx: RouterContext, search: URLSearchParams, body: unknown) => Promise<unknown>,
) => void

/** Song's writes, as far as they are served. */
export function addWrites(write: AddWrite, catalogue: Catalogue): void {
  const { documents } = catalogue
  write('post', '/studies/:study', 'json', async (ctx, _search, body) => {
    await documents.createStudy(param(ctx, 'study'), body)
    return { message: `Successfully created study '${param(ctx, 'study')}'` }
  })
  write('post', '/submit/:study', 'json', async (ctx, search, body) => {
    const allowDuplicates = flag(search, 'allowDuplicates')
    const { analysisId } = await catalogue.submit(param(ctx, 'study'), body as Record<string, unknown>, { allowDuplicates })
    return { analysisId, status: 'OK' }
  })
  write('put', '/studies/:study/analysis/publish/:analysis', 'none', async (ctx, search) => {
    const ignoreUndefinedMd5 = flag(search, 'ignoreUndefinedMd5')
    await catalogue.publish(param(ctx, 'study'), param(ctx, 'analysis'), { ignoreUndefinedMd5 })
    return { message: `AnalysisId ${param(ctx, 'analysis')} successfully published` }
  })
  write('put', '/studies/:study/analysis/unpublish/:analysis', 'none', async (ctx) => {
    await catalogue.unpublish(param(ctx, 'study'), param(ctx, 'analysis'))
    return { message: `AnalysisId ${param(ctx, 'analysis')} successfully unpublished` }
  })
  write('put', '/studies/:study/analysis/suppress/:analysis', 'none', async (ctx) => {
    await catalogue.suppress(param(ctx, 'study'), param(ctx, 'analysis'))
    return { message: `AnalysisId ${param(ctx, 'analysis')} was suppressed` }
  })
  write('put', '/studies/:study/files/:objectId', 'json', (ctx, _search, body) =>
    documents.updateFile(param(ctx, 'study'), param(ctx, 'objectId'), body),
  )
  write('post', '/schemas', 'json', (_ctx, _search, body) => documents.registerType(body))
}
