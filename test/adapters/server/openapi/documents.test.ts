import { createHash } from 'node:crypto'
import type Router from '@koa/router'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { Middleware } from 'koa'
import * as assert from 'uvu/assert'
import { addReads, addWrites } from '../../../../adapters/server/catalogue-routes.ts'
import { openApiDocument } from '../../../../adapters/server/openapi/open-api-document.ts'
import { swaggerDocument } from '../../../../adapters/server/openapi/swagger-document.ts'
import { createScoreRouter } from '../../../../adapters/server/score-router.ts'
import type { Catalogue, ScoreService } from '../../../../src/index.ts'
import { type ServedFolder, serveFolder, study } from '../../../support/embedded-subject.ts'
import { suite } from '../../../support/suite.ts'

type Json = Readonly<Record<string, unknown>>
type Paths = Readonly<Record<string, Readonly<Record<string, Operation>>>>

interface Operation {
  readonly operationId: string
  readonly security: readonly Json[]
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: Json }[]
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { readonly schema: Json }>> }>>
}

const document = openApiDocument({ catalogueReads: 'open', home: true })
const paths = document['paths'] as Paths

const template = (path: string): string => path.replace(/:(\w+)/g, '{$1}')

function routesOf(router: Router): string[] {
  return router.stack.flatMap((layer) =>
    layer.methods.filter((method) => method !== 'HEAD').map((method) => `${method} ${template(String(layer.path))}`),
  )
}

function catalogueRoutes(): string[] {
  const found: string[] = []
  const { documents } = { documents: {} } as unknown as Catalogue
  addReads((path) => found.push(`GET ${template(path)}`), { documents } as Catalogue)
  addWrites((method, path) => found.push(`${method.toUpperCase()} ${template(path)}`), { documents } as Catalogue)
  return found
}

function documented(from: Json): string[] {
  return Object.entries(from['paths'] as Paths).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
  )
}

const ajv = new Ajv2020({ strict: false, validateFormats: false })
ajv.addSchema({ ...document, $id: 'score' } as object, 'score')

function pointer(...steps: readonly string[]): string {
  return `score#/${steps.map((step) => encodeURIComponent(step.replaceAll('~', '~0').replaceAll('/', '~1'))).join('/')}`
}

/** Fails unless the answer's status, type and body are among those of the operation. */
async function checkAnswer(method: string, path: string, response: Response): Promise<void> {
  const what = `${method} ${path}`
  const answer = paths[path]?.[method]?.responses[String(response.status)]
  if (!answer) throw new Error(`${what} answered ${response.status}, which is not documented`)
  const body = await response.text()
  const type = (response.headers.get('content-type') ?? '').split(';')[0] as string
  if (!answer.content) return assert.is(body, '', what)
  if (!answer.content[type]) throw new Error(`${what} answered '${type}', which is not documented for ${response.status}`)
  const validate = ajv.getSchema(pointer('paths', path, method, 'responses', String(response.status), 'content', type, 'schema'))
  if (!validate) throw new Error(`${what} has no schema for ${response.status}`)
  const value: unknown = type.includes('json') ? JSON.parse(body) : body
  if (!validate(value)) throw new Error(`${what} ${response.status}: ${ajv.errorsText(validate.errors)}\n${body}`)
}

suite('OpenAPI', (test) => {
  test('every route of the routers is documented, and every documented route is there', () => {
    const service = {} as ScoreService
    const router = createScoreRouter({ service, catalogue: {} as Catalogue }, { home: true, catalogueReads: 'open' })
    const served = [...routesOf(router), ...catalogueRoutes()].sort()
    assert.equal(documented(document).sort(), served)
  })

  test('without a catalogue and without a home page, neither is documented', () => {
    const router = createScoreRouter({ service: {} as ScoreService }, { home: false, catalogueReads: 'open' })
    assert.equal(documented(openApiDocument({ home: false })).sort(), routesOf(router).sort())
  })

  test('operation ids are unique, path parameters are those of the path, references lead somewhere', () => {
    const operations = Object.entries(paths).flatMap(([path, item]) => Object.values(item).map((operation) => ({ path, operation })))
    const ids = operations.map(({ operation }) => operation.operationId)
    assert.is(new Set(ids).size, ids.length)
    for (const { path, operation } of operations) {
      const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1])
      const given = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path').map((parameter) => parameter.name)
      assert.equal(given, named, path)
    }
    const { schemas } = document['components'] as { readonly schemas: Json }
    for (const [, name] of JSON.stringify(document).matchAll(/"#\/components\/schemas\/(\w+)"/g)) assert.ok(schemas[String(name)], name)
  })

  test('examples of schemas and of parameters hold to their schemas', () => {
    const { schemas } = document['components'] as { readonly schemas: Readonly<Record<string, Json>> }
    let checked = 0
    for (const [name, schema] of Object.entries(schemas))
      for (const example of (schema['examples'] ?? []) as readonly unknown[]) {
        assert.ok(ajv.validate({ $ref: pointer('components', 'schemas', name) }, example), `${name}: ${ajv.errorsText()}`)
        checked++
      }
    assert.ok(checked >= 6)
  })

  test('the Swagger 2.0 form has the same operations and nothing that 2.0 does not know', () => {
    const old = swaggerDocument(document, '/score')
    assert.is(old['swagger'], '2.0')
    assert.is(old['basePath'], '/score')
    assert.equal(documented(old), documented(document))
    const text = JSON.stringify(old)
    assert.not.match(text, '#/components/')
    assert.not.match(text, /"type":\[/)
    assert.not.match(text, /"content":\{"\w+\//)
    for (const word of ['"const":', '"examples":', '"requestBody":', '"explode":']) assert.not.ok(text.includes(word), word)
    const { definitions } = old as { readonly definitions: Json }
    for (const [, name] of text.matchAll(/"#\/definitions\/(\w+)"/g)) assert.ok(definitions[String(name)], name)
    const upload = (old['paths'] as Paths)['/submit/{study}']?.['post'] as unknown as { readonly parameters: readonly Json[] }
    assert.equal(
      upload.parameters.map((parameter) => [parameter['in'], parameter['name']]),
      [
        ['path', 'study'],
        ['query', 'allowDuplicates'],
        ['body', 'body'],
      ],
    )
  })
})

suite('OpenAPI, live', (test) => {
  let folder: ServedFolder
  const bytes = Buffer.from('The quick brown fox jumps over the lazy dog')
  const md5 = createHash('md5').update(bytes).digest('hex')

  test.before(async () => {
    folder = await serveFolder()
  })
  test.after(async () => folder.close())

  const call = async (
    method: string,
    path: string,
    values: Readonly<Record<string, string>>,
    init: RequestInit = {},
  ): Promise<Response> => {
    const { query = '', token = folder.score.token, ...named } = values
    const target = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(named[name] ?? ''))
    const headers = {
      ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
      ...(init.headers as Record<string, string> | undefined),
    }
    return fetch(`${folder.url}${target}${query}`, { ...init, method: method.toUpperCase(), headers })
  }

  test('answers of a whole life of an object hold to their schemas, and so do refusals', async () => {
    const seen = new Set<string>()
    const check = async (method: string, path: string, status: number, values: Readonly<Record<string, string>>, init?: RequestInit) => {
      const response = await call(method, path, values, init)
      const copy = response.clone()
      assert.is(response.status, status, `${method} ${path}: ${await response.text()}`)
      seen.add(`${method} ${path}`)
      await checkAnswer(method, path, copy.clone())
      return copy
    }
    const json = (value: unknown): RequestInit => ({ body: JSON.stringify(value), headers: { 'content-type': 'application/json' } })
    const file = {
      fileName: 'fox.txt',
      fileSize: bytes.length,
      fileMd5sum: md5,
      fileType: 'TXT',
      fileAccess: 'controlled',
      dataType: 'test',
    }
    const payload = { studyId: study, analysisType: { name: 'fileSet' }, files: [file] }
    await check('post', '/studies/{study}', 200, { study: 'OTHER' }, json({ studyId: 'OTHER', name: 'Other' }))
    await check('post', '/studies/{study}', 409, { study: 'OTHER' }, json({ studyId: 'OTHER' }))
    await check('post', '/studies/{study}', 415, { study: 'X' }, { body: 'x', headers: { 'content-type': 'text/plain' } })
    await check('post', '/submit/{study}', 422, { study }, { body: '{', headers: { 'content-type': 'application/json' } })
    await check('post', '/submit/{study}', 400, { study }, json({}))
    await check('post', '/submit/{study}', 401, { study, token: '' }, json(payload))
    const { analysisId } = (await (await check('post', '/submit/{study}', 200, { study }, json(payload))).json()) as { analysisId: string }
    const analysis = analysisId
    const files = (await (await check('get', '/studies/{study}/analysis/{analysis}/files', 200, { study, analysis })).json()) as {
      objectId: string
    }[]
    const objectId = String(files[0]?.objectId)

    await check('get', '/upload/test/{objectId}', 200, { objectId })
    await check('get', '/upload/{objectId}', 200, { objectId })
    await check('get', '/upload/{objectId}/status', 404, { objectId, query: `?fileSize=${bytes.length}` })
    await check('post', '/upload/{objectId}/uploads', 400, { objectId })
    await check('post', '/upload/{objectId}/uploads', 401, { objectId, query: '?fileSize=43', token: 'wrong' })
    const opened = await check('post', '/upload/{objectId}/uploads', 200, { objectId, query: `?fileSize=${bytes.length}&md5=${md5}` })
    const spec = (await opened.json()) as { uploadId: string; parts: { url: string; partNumber: number }[] }
    const { uploadId } = spec
    await check('put', '/studies/{study}/analysis/publish/{analysis}', 409, { study, analysis })
    await check('post', '/upload/{objectId}/recovery', 200, { objectId, query: `?fileSize=${bytes.length}` })
    const put = await fetch(String(spec.parts[0]?.url), { method: 'PUT', body: bytes })
    const etag = (put.headers.get('etag') ?? '').replaceAll('"', '')
    const part = `?uploadId=${uploadId}&partNumber=1&md5=${md5}&etag=${etag}`
    await check('post', '/upload/{objectId}/parts', 200, { objectId, query: part })
    await check('get', '/upload/{objectId}/status', 200, { objectId, query: `?fileSize=${bytes.length}` })
    await check('delete', '/upload/{objectId}/parts', 200, { objectId, query: `?uploadId=${uploadId}&partNumber=1` })
    await check('post', '/upload/{objectId}', 400, { objectId, query: `?uploadId=${uploadId}` })
    await check('post', '/upload/{objectId}/parts', 200, { objectId, query: part })
    await check('post', '/upload/{objectId}', 200, { objectId, query: `?uploadId=${uploadId}` })
    await check('delete', '/upload/{objectId}', 404, { objectId })
    await check('post', '/upload/{objectId}/uploads', 400, { objectId, query: '?fileSize=43' })
    await check('post', '/upload/cancel', 400, {})

    const whole = '?offset=0&length=-1'
    await check('get', '/download/{objectId}', 400, { objectId, query: whole })
    await check('get', '/download/{objectId}', 200, { objectId, query: `${whole}&exclude-urls=true` })
    await check('put', '/studies/{study}/analysis/publish/{analysis}', 200, { study, analysis })
    await check('get', '/download/{objectId}', 200, { objectId, query: whole })
    await check('get', '/download/{objectId}', 200, { objectId, query: `${whole}&external=true` })
    await check('get', '/download/{objectId}', 200, { objectId, query: '?offset=4&length=5' })
    await check('get', '/download/{objectId}', 403, { objectId, query: whole, token: '' })
    await check('get', '/download/{objectId}', 401, { objectId, query: whole, token: 'wrong' })
    await check('get', '/download/{objectId}', 404, { objectId: 'no-uuid', query: whole })
    await check('get', '/download/ping', 200, {})
    await check('get', '/listing', 200, {})
    await check('get', '/listing', 401, { token: '' })
    await check('get', '/profile', 200, {})

    await check('get', '/isAlive', 200, {})
    await check('get', '/entities', 200, {})
    await check('get', '/entities', 200, { query: '?fields=id&size=1' })
    await check('get', '/entities', 400, { query: '?wrong=1' })
    await check('get', '/entities/{objectId}', 200, { objectId })
    await check('get', '/entities/{objectId}', 404, { objectId: 'none' })
    await check('get', '/studies/all', 200, {})
    await check('get', '/studies/{study}', 200, { study: 'OTHER' })
    await check('get', '/studies/{study}/analysis', 200, { study })
    await check('get', '/studies/{study}/analysis/search/id', 200, { study, query: `?fileId=${objectId}` })
    await check('get', '/studies/{study}/analysis/{analysis}', 200, { study, analysis })
    await check('get', '/studies/{study}/files/{objectId}', 200, { study, objectId })
    await check('put', '/studies/{study}/files/{objectId}', 200, { study, objectId }, json({ dataType: 'fox' }))
    await check('get', '/export/analysis/{analyses}', 200, { analyses: analysis })
    const schema = { type: 'object', required: ['experiment'], properties: { experiment: { type: 'object' } } }
    await check('post', '/schemas', 200, {}, json({ name: 'foxes', schema }))
    await check('get', '/schemas', 200, {})
    await check('get', '/schemas/{name}', 200, { name: 'foxes' })
    await check('get', '/schemas/{name}', 404, { name: 'none' })
    await check('put', '/studies/{study}/analysis/unpublish/{analysis}', 200, { study, analysis })
    await check('post', '/upload/{objectId}/uploads', 200, { objectId, query: `?fileSize=${bytes.length}&md5=${md5}&overwrite=true` })
    await check('delete', '/upload/{objectId}', 200, { objectId })
    await check('put', '/studies/{study}/analysis/suppress/{analysis}', 200, { study, analysis })

    for (const path of ['/healthz', '/readyz', '/actuator/health', '/', '/swagger-ui.html', '/v3/api-docs', '/v2/api-docs'])
      await check('get', path, 200, { token: '' })
    const page = await (await call('get', '/swagger-ui.html', {})).text()
    const version = String(/swagger-ui\/([\d.]+)\//.exec(page)?.[1])
    for (const name of ['swagger-ui.min.css', 'swagger-ui-bundle.js', 'favicon-32x32.png'])
      await check('get', '/swagger-ui/{version}/{file}', 200, { version, file: name, token: '' })
    await check('get', '/swagger-ui/{version}/{file}', 404, { version, file: '../package.json' })
    await check('get', '/swagger-ui/{version}/{file}', 404, { version: '1.0.0', file: 'swagger-ui-bundle.js' })
    const all = documented(document).map((row) => row.replace(/^\w+/, (method) => method.toLowerCase()))
    assert.equal(
      all.filter((row) => !seen.has(row)),
      [],
      'operations that were not called',
    )
  })

  test('the explorer fetches nothing from elsewhere, and its policy lets its own scripts run and no others', async () => {
    const response = await fetch(`${folder.url}/swagger-ui.html`)
    const page = await response.text()
    const policy = response.headers.get('content-security-policy') ?? ''
    assert.not.match(page, /(?:src|href)="(?:https?:)?\/\//)
    assert.not.match(page, /\sstyle="/)
    assert.not.match(policy, 'unsafe')
    for (const [, tag, inline] of page.matchAll(/<(script|style)>([\s\S]*?)<\/\1>/g)) {
      const hash = createHash('sha256').update(String(inline)).digest('base64')
      assert.match(policy, new RegExp(`${tag}-src [^;]*'sha256-${hash.replace(/[+/]/g, '\\$&')}'`))
    }
    assert.match(await (await fetch(folder.url)).text(), 'href="swagger-ui.html"')
  })

  test('answers carry security headers; those with URLs in them are kept by no cache', async () => {
    for (const path of ['/', '/profile', '/nowhere', '/download/ping', '/entities', '/v3/api-docs']) {
      const { headers } = await fetch(`${folder.url}${path}`)
      assert.is(headers.get('x-content-type-options'), 'nosniff', path)
      assert.is(headers.get('x-frame-options'), 'DENY', path)
      assert.is(headers.get('cache-control'), 'no-store', path)
    }
  })
})

suite('OpenAPI in an app of one’s own', (test) => {
  test('under a prefix, every address is relative to it; at the root, / is left to the app', async () => {
    const { createScoreMiddleware } = await import('../../../../adapters/server/index.ts')
    const { default: Koa } = await import('koa')
    const listen = async (middleware: Middleware): Promise<{ readonly url: string; close(): Promise<void> }> => {
      const app = new Koa()
      app.use(middleware)
      app.use((ctx) => {
        ctx.body = 'the app'
      })
      const server = app.listen(0, '127.0.0.1')
      await new Promise((resolve) => server.once('listening', resolve))
      const { port } = server.address() as { port: number }
      return {
        url: `http://127.0.0.1:${port}`,
        close: () =>
          new Promise((resolve) => {
            server.close(() => resolve())
            server.closeAllConnections()
          }),
      }
    }
    const service = {} as ScoreService
    const mounted = await listen(createScoreMiddleware({ service }, { prefix: '/score', home: true }))
    const home = await fetch(`${mounted.url}/score`)
    assert.is(home.url, `${mounted.url}/score/`)
    assert.match(await home.text(), 'swagger-ui.html')
    const old = (await (await fetch(`${mounted.url}/score/v2/api-docs`)).json()) as Json
    assert.is(old['basePath'], '/score')
    const open = (await (await fetch(`${mounted.url}/score/v3/api-docs`)).json()) as { servers: { url: string }[] }
    assert.is(new URL(String(open.servers[0]?.url), `${mounted.url}/score/v3/api-docs`).pathname, '/score/')
    await mounted.close()
    const bare = await listen(createScoreMiddleware({ service }))
    assert.is(await (await fetch(bare.url)).text(), 'the app')
    await bare.close()
  })
})
