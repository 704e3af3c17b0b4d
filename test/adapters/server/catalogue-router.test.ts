import * as assert from 'uvu/assert'
import { songObjectId } from '../../../src/core/object-id.ts'
import { recordedCalls } from '../../client/recorded-calls.ts'
import { type CatalogueServer, goodToken, startCatalogueServer } from '../../metadata/catalogue-server.ts'
import { md5Of, payloadOf } from '../../metadata/submissions.ts'
import { suite } from '../../support/suite.ts'

type Json = Record<string, unknown>

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly json: Json
}

type Call = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>

function callOf(server: CatalogueServer, token: string | undefined): Call {
  return async (method, path, body, headers = {}) => {
    const sent = new Headers(headers)
    if (token !== undefined) sent.set('authorization', `Bearer ${token}`)
    if (body !== undefined && !sent.has('content-type')) sent.set('content-type', 'application/json')
    const text = typeof body === 'string' || body === undefined ? body : JSON.stringify(body)
    const response = await fetch(server.url + path, { method, headers: sent, ...(text === undefined ? {} : { body: text }) })
    return { status: response.status, headers: response.headers, json: (await response.json()) as Json }
  }
}

async function withServer(
  body: (call: Call, server: CatalogueServer) => Promise<void>,
  options: Parameters<typeof startCatalogueServer>[0] = {},
): Promise<void> {
  const server = await startCatalogueServer(options)
  try {
    await body(callOf(server, goodToken), server)
  } finally {
    await server.close()
  }
}

function rowsOf(value: unknown): readonly Json[] {
  return value as readonly Json[]
}

const errorKeys = [
  'errorId',
  'httpStatusCode',
  'httpStatusName',
  'requestUrl',
  'datetime',
  'timestamp',
  'message',
  'debugMessage',
  'stackTrace',
]

function assertError(answer: Answer, status: number, errorId: string): void {
  assert.is(answer.status, status, JSON.stringify(answer.json))
  assert.is(answer.json['errorId'], errorId)
  assert.equal(Object.keys(answer.json), errorKeys)
  assert.is(answer.json['httpStatusCode'], status)
  assert.equal(answer.json['stackTrace'], [])
  assert.match(String(answer.headers.get('content-type')), /^application\/json/)
}

const example = {
  studyId: 'HARBOUR-1',
  analysisType: { name: 'sequencingRead' },
  experiment: { libraryStrategy: 'WGS', aligned: true, referenceGenome: 'GRCh38' },
  samples: [
    {
      submitterSampleId: 'HG7731-SA1',
      sampleType: 'Total DNA',
      matchedNormalSubmitterSampleId: null,
      specimen: {
        submitterSpecimenId: 'HG7731-SP1',
        specimenType: 'Primary tumour',
        specimenTissueSource: 'Solid tissue',
        tumourNormalDesignation: 'Tumour',
      },
      donor: { submitterDonorId: 'HG7731-D', gender: 'Other' },
    },
  ],
  files: [
    {
      fileName: 'HG7731.bam',
      fileSize: 734003200,
      fileMd5sum: md5Of(0xa1).toUpperCase(),
      fileType: 'BAM',
      fileAccess: 'controlled',
      dataType: 'Aligned Reads',
      info: { lane: 'L2' },
      colour: 'blue',
    },
    {
      fileName: 'HG7731.bam.bai',
      fileSize: 2097152,
      fileMd5sum: md5Of(0xa2),
      fileType: 'BAI',
      fileAccess: 'open',
      dataType: 'Index',
    },
  ],
}

async function submitExample(call: Call): Promise<{ readonly analysisId: string; readonly bam: string; readonly bai: string }> {
  await call('POST', '/studies/HARBOUR-1/', { studyId: 'HARBOUR-1', name: 'Harbour' })
  const { status, json } = await call('POST', '/submit/HARBOUR-1', example)
  assert.is(status, 200, JSON.stringify(json))
  const analysisId = String(json['analysisId'])
  return { analysisId, bam: songObjectId(analysisId, 'HG7731.bam'), bai: songObjectId(analysisId, 'HG7731.bam.bai') }
}

suite('catalogue over HTTP', (test) => {
  test('a study is made once, read and listed', () =>
    withServer(async (call) => {
      assert.equal((await call('GET', '/isAlive')).json as unknown, true)
      const made = await call('POST', '/studies/S-1/', { studyId: 'S-1', name: 'n', organization: '', description: 'd' })
      assert.equal(made.json, { message: "Successfully created study 'S-1'" })
      assertError(await call('POST', '/studies/S-1/', { studyId: 'S-1' }), 409, 'study.already.exists')
      assertError(await call('POST', '/studies/S-2', { studyId: 'S-3' }), 409, 'study.id.mismatch')
      assertError(await call('POST', '/studies/all/', { studyId: 'all' }), 400, 'malformed.parameter')
      assert.equal((await call('GET', '/studies/S-1')).json, { studyId: 'S-1', name: 'n', description: 'd' })
      assert.equal((await call('GET', '/studies/all')).json as unknown, ['S-1'])
      assertError(await call('GET', '/studies/NOPE'), 404, 'study.id.does.not.exist')
    }))

  test('an analysis is shown as Song shows it', () =>
    withServer(async (call) => {
      const { analysisId, bam, bai } = await submitExample(call)
      const { json } = await call('GET', `/studies/HARBOUR-1/analysis/${analysisId}`)
      assert.equal([json['analysisId'], json['studyId'], json['analysisState']], [analysisId, 'HARBOUR-1', 'UNPUBLISHED'])
      assert.equal([json['firstPublishedAt'], json['publishedAt'], json['analysisStateHistory']], [null, null, []])
      assert.match(String(json['createdAt']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}$/)
      assert.equal(json['experiment'], example.experiment)
      assert.equal(json['analysisType'], { name: 'sequencingRead', version: 1 })
      const [sample] = rowsOf(json['samples'])
      const specimenId = songObjectId('HARBOUR-1', 'HG7731-SP1')
      const donorId = songObjectId('HARBOUR-1', 'HG7731-D')
      assert.equal([sample?.['sampleId'], sample?.['specimenId']], [songObjectId('HARBOUR-1', 'HG7731-SA1'), specimenId])
      assert.equal(sample?.['donor'], { submitterDonorId: 'HG7731-D', gender: 'Other', donorId, studyId: 'HARBOUR-1' })
      const files = rowsOf((await call('GET', `/studies/HARBOUR-1/analysis/${analysisId}/files`)).json)
      assert.equal(json['files'], files)
      assert.equal(files[0], {
        info: { lane: 'L2', colour: 'blue' },
        objectId: bam,
        studyId: 'HARBOUR-1',
        analysisId,
        fileName: 'HG7731.bam',
        fileSize: 734003200,
        fileType: 'BAM',
        fileMd5sum: md5Of(0xa1),
        fileAccess: 'controlled',
        dataType: 'Aligned Reads',
      })
      assert.equal((await call('GET', `/studies/HARBOUR-1/files/${bai}`)).json, files[1])
      assert.equal((await call('GET', `/studies/HARBOUR-1/analysis/search/id?fileId=${bai}`)).json as unknown, [json])
      const exported = rowsOf((await call('GET', `/export/analysis/${analysisId}`)).json)
      const [payload] = rowsOf(exported[0]?.['payloads'])
      assert.is(exported[0]?.['studyId'], 'HARBOUR-1')
      assert.equal([payload?.['samples'], payload?.['analysisId']], [example.samples, undefined])
    }))

  test('an analysis walks through its states, with Song’s words and history', () =>
    withServer(async (call, server) => {
      const { analysisId } = await submitExample(call)
      const move = async (verb: string) => (await call('PUT', `/studies/HARBOUR-1/analysis/${verb}/${analysisId}`)).json
      assert.equal((await call('GET', '/studies/HARBOUR-1/analysis')).json as unknown, [])
      for (const file of await server.catalogue.files('HARBOUR-1', analysisId))
        server.stored.set(file.objectId, { exists: true, size: file.size, md5: file.md5 })
      assert.equal(await move('publish'), { message: `AnalysisId ${analysisId} successfully published` })
      const [after] = rowsOf((await call('GET', '/studies/HARBOUR-1/analysis?analysisStates=PUBLISHED,SUPPRESSED')).json)
      const [change] = rowsOf(after?.['analysisStateHistory'])
      assert.equal([change?.['initialState'], change?.['updatedState']], ['UNPUBLISHED', 'PUBLISHED'])
      assert.is(after?.['publishedAt'], change?.['updatedAt'])
      assert.equal(await move('unpublish'), { message: `AnalysisId ${analysisId} successfully unpublished` })
      assert.equal(await move('suppress'), { message: `AnalysisId ${analysisId} was suppressed` })
      const [last] = rowsOf((await call('GET', '/studies/HARBOUR-1/analysis?analysisStates=SUPPRESSED')).json)
      assert.is(rowsOf(last?.['analysisStateHistory']).length, 3)
      assert.is(last?.['firstPublishedAt'], change?.['updatedAt'])
    }))

  test('entities have five keys in order, pages their envelope', () =>
    withServer(async (call) => {
      const { analysisId, bam, bai } = await submitExample(call)
      const entity = { id: bam, gnosId: analysisId, fileName: 'HG7731.bam', projectCode: 'HARBOUR-1', access: 'controlled' }
      const single = await call('GET', `/entities/${bam}`)
      assert.is(JSON.stringify(single.json), JSON.stringify(entity))
      const recorded = recordedCalls('song.jsonl').find((one) => one.url.startsWith('/entities/?fields='))
      const original = JSON.parse(recorded?.responseBody ?? '{}') as Json
      const page = (await call('GET', '/entities/?fields=id&fields=fileName&fields=gnosId&size=2000&page=0')).json
      assert.equal(Object.keys(page).sort(), Object.keys(original).sort())
      for (const key of Object.keys(original)) if (key !== 'content') assert.equal(page[key], original[key], key)
      const names = new Map([
        [bam, 'HG7731.bam'],
        [bai, 'HG7731.bam.bai'],
      ])
      assert.equal(
        page['content'],
        [bam, bai].sort().map((id) => ({ id, gnosId: analysisId, fileName: names.get(id) })),
      )
    }))

  const pages: readonly [query: string, ids: number, last: boolean, size: number, number: number][] = [
    ['', 10, false, 10, 0],
    ['?size=5&page=1', 5, false, 5, 1],
    ['?size=5&page=4', 5, true, 5, 4],
    ['?size=5&page=5', 0, true, 5, 5],
    ['?size=0&page=-3', 10, false, 10, 0],
    ['?size=x&page=y', 10, false, 10, 0],
    ['?size=5000', 25, true, 2000, 0],
    ['?gnosId=', 0, true, 10, 0],
    ['?gnosId=null', 0, true, 10, 0],
    ['?fileName=f3.bam', 1, true, 10, 0],
    ['?fileName=F3.bam', 0, true, 10, 0],
    ['?access=open', 0, true, 10, 0],
    ['?access=controlled&projectCode=S-1&size=100', 25, true, 100, 0],
  ]
  test('pages are cut as Song cuts them', () =>
    withServer(async (call, server) => {
      await server.catalogue.ensureStudy('S-1')
      const names = Array.from({ length: 25 }, (_, n) => `f${n}.bam`)
      await server.catalogue.submit('S-1', payloadOf('S-1', names))
      for (const [query, ids, last, size, number] of pages) {
        const { json } = await call('GET', `/entities${query}`)
        assert.equal([rowsOf(json['content']).length, json['last'], json['size'], json['number']], [ids, last, size, number], query)
      }
    }))

  test('files are updated before publication, their access also after', () =>
    withServer(async (call, server) => {
      const { analysisId, bam, bai } = await submitExample(call)
      const put = (id: string, change: unknown) => call('PUT', `/studies/HARBOUR-1/files/${id}`, change)
      const content = (await put(bai, { fileSize: 7, fileMd5sum: md5Of(0xc).toUpperCase() })).json
      assert.equal(
        [content['fileUpdateType'], content['originalAnalysisState'], content['unpublishedAnalysis']],
        ['CONTENT_UPDATE', 'UNPUBLISHED', false],
      )
      assert.is((content['originalFile'] as Json)['fileSize'], 2097152)
      assert.is((await put(bai, { fileSize: 7 })).json['fileUpdateType'], 'NO_UPDATE')
      assertError(await put(bai, { fileSize: 0, fileAccess: 'Open' }), 400, 'invalid.file.update.request')
      server.stored.set(bam, { exists: true, size: 734003200, md5: md5Of(0xa1) })
      server.stored.set(bai, { exists: true, size: 7, md5: md5Of(0xc) })
      assert.is((await call('PUT', `/studies/HARBOUR-1/analysis/publish/${analysisId}`)).status, 200)
      assertError(await put(bam, { fileSize: 5 }), 400, 'illegal.file.update.request')
      assert.is((await put(bam, { fileAccess: 'open' })).json['fileUpdateType'], 'METADATA_UPDATE')
      assert.is((await call('GET', `/entities/${bam}`)).json['access'], 'open')
      await call('PUT', `/studies/HARBOUR-1/analysis/suppress/${analysisId}`)
      assertError(await put(bam, { fileAccess: 'controlled' }), 400, 'illegal.file.update.request')
      assertError(await put(songObjectId('x', 'y'), { fileSize: 5 }), 404, 'file.not.found')
    }))

  const schema = { type: 'object', required: ['experiment'], properties: { experiment: { type: 'object', required: ['kit'] } } }
  test('analysis types are listed, shown and registered', () =>
    withServer(async (call) => {
      const made = (await call('POST', '/schemas', { name: 'site', schema, options: { fileTypes: ['BAM'] } })).json
      assert.equal([made['name'], made['version'], made['options']], ['site', 1, { fileTypes: ['BAM'] }])
      assert.is((await call('POST', '/schemas', { name: 'site', schema })).json['version'], 2)
      const listed = (await call('GET', '/schemas?hideSchema=true&limit=2')).json
      assert.equal([listed['limit'], listed['offset'], listed['count'], rowsOf(listed['resultSet']).length], [2, 0, 5, 2])
      assert.is(rowsOf(listed['resultSet'])[0]?.['schema'], undefined)
      const shown = (await call('GET', '/schemas/site')).json
      assert.equal([shown['version'], (shown['schema'] as Json)['required']], [2, ['studyId', 'analysisType', 'files', 'experiment']])
      assert.equal((await call('GET', '/schemas/site?version=1&unrenderedOnly=true')).json['schema'], schema)
      assertError(await call('GET', '/schemas/nope'), 404, 'analysis.type.not.found')
      assertError(await call('POST', '/schemas', { name: 'a b', schema }), 400, 'malformed.parameter')
      assertError(await call('POST', '/schemas', { name: 'registration', schema }), 400, 'illegal.analysis.type.name')
      assertError(await call('POST', '/schemas', { name: 'x', schema: { ...schema, properties: { files: {} } } }), 400, 'schema.violation')
      assertError(
        await call('POST', '/schemas', { name: 'x', schema: { ...schema, properties: { a: { type: 5 } } } }),
        400,
        'malformed.json.schema',
      )
    }))

  test('registered analysis types are enforced, file types with them', () =>
    withServer(async (call, server) => {
      await server.catalogue.ensureStudy('S-1')
      await call('POST', '/schemas', { name: 'site', schema, options: { fileTypes: ['BAM'] } })
      await call('POST', '/schemas', { name: 'site', schema })
      const file = { ...example.files[1], fileMd5sum: md5Of(0xe) }
      const payload = { studyId: 'S-1', analysisType: { name: 'site' }, files: [file] }
      const submit = (extra: Json) => call('POST', '/submit/S-1', { ...payload, ...extra })
      const refused = await submit({ experiment: {} })
      assertError(refused, 400, 'schema.violation')
      assert.match(
        String(refused.json['message']),
        /#\/experiment: required key \[kit\] not found,#\/files\/0\/fileType: must be one of \["BAM"\]/,
      )
      assert.is((await submit({ experiment: { kit: 1 }, files: [{ ...file, fileType: 'BAM' }] })).status, 200)
      assertError(await submit({ analysisType: { name: 'site', version: 1 } }), 409, 'analysis.type.incorrect.version')
    }))

  const json = { 'content-type': 'application/json;charset=UTF-8' }
  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  type Refusal = readonly [method: string, path: string, body: unknown, headers: Record<string, string>, status: number, errorId: string]
  const refusals: readonly Refusal[] = [
    ['GET', '/entities/not-a-uuid', undefined, {}, 404, 'legacy.entity.not.found'],
    ['GET', '/entities?bogus=1', undefined, {}, 400, 'illegal.query.parameter'],
    ['GET', '/entities?sort=id', undefined, {}, 400, 'illegal.query.parameter'],
    ['GET', '/entities?fields=id,fileName', undefined, {}, 400, 'illegal.filter.parameter'],
    ['GET', '/studies/S-1/analysis?analysisStates=published', undefined, {}, 400, 'malformed.parameter'],
    ['GET', '/studies/S-1/analysis?analysisStates=PUBLISHED,%20UNPUBLISHED', undefined, {}, 400, 'malformed.parameter'],
    ['GET', '/studies/S-1/analysis/search/id?donorId=x', undefined, {}, 400, 'malformed.parameter'],
    ['GET', '/studies/S-1/analysis/nope', undefined, {}, 404, 'analysis.id.not.found'],
    ['GET', '/studies/S-9/analysis/nope', undefined, {}, 404, 'study.id.does.not.exist'],
    ['GET', '/studies/S-1/files/nope', undefined, {}, 404, 'file.not.found'],
    ['GET', '/export/analysis/nope', undefined, {}, 404, 'analysis.id.not.found'],
    ['GET', '/schemas?limit=many', undefined, {}, 400, 'malformed.parameter'],
    ['GET', '/entities/%zz', undefined, {}, 404, 'legacy.entity.not.found'],
    ['GET', '/studies/S-1/nothing/here', undefined, {}, 404, 'not.found'],
    ['DELETE', '/entities/x', undefined, {}, 405, 'method.not.allowed'],
    ['PUT', '/submit/S-1', {}, {}, 405, 'method.not.allowed'],
    ['POST', '/submit/S-1', undefined, {}, 422, 'payload.parsing'],
    ['POST', '/submit/S-1', '{"a":', {}, 422, 'payload.parsing'],
    ['POST', '/submit/S-1', '[]', {}, 422, 'payload.parsing'],
    ['POST', '/submit/S-1', 'a=1', form, 415, 'unsupported.media.type'],
    ['POST', '/submit/S-1', 'x'.repeat(3000), {}, 413, 'payload.too.large'],
    ['POST', '/submit/S-1?allowDuplicates=perhaps', {}, {}, 400, 'malformed.parameter'],
    ['POST', '/submit/S-1', {}, {}, 400, 'malformed.parameter'],
    ['PUT', '/studies/S-1/analysis/publish/nope', undefined, json, 404, 'analysis.id.not.found'],
    ['PUT', '/studies/CLOSED/analysis/publish/nope', undefined, {}, 403, 'forbidden.token'],
  ]
  test('refuses in Song’s form, whatever the status', () =>
    withServer(
      async (call, server) => {
        await server.catalogue.ensureStudy('S-1')
        for (const [method, path, body, headers, status, errorId] of refusals) {
          const answer = await call(method, path, body, headers)
          assertError(answer, status, errorId)
          assert.is(answer.json['requestUrl'], path)
          assert.not.match(JSON.stringify(answer.json), /::|node_modules|\.ts:/)
          if (status === 405) assert.ok(answer.headers.get('allow'))
        }
      },
      { bodyLimitBytes: 2000 },
    ))

  test('error bodies have the keys of the original, in its order', () => {
    const recorded = recordedCalls('song.jsonl').find((one) => one.status === 404)
    assert.equal(Object.keys(JSON.parse(recorded?.responseBody ?? '{}') as Json), errorKeys)
  })

  test('a duplicate is refused and can be allowed; a PUT without body may name a type', () =>
    withServer(async (call, server) => {
      const { analysisId, bam, bai } = await submitExample(call)
      assertError(await call('POST', '/submit/HARBOUR-1', example), 409, 'info.already.exists')
      assert.is((await call('POST', '/submit/HARBOUR-1?allowDuplicates=true', example)).status, 200)
      const publish = () => call('PUT', `/studies/HARBOUR-1/analysis/publish/${analysisId}`, undefined, json)
      const missing = await publish()
      assertError(missing, 409, 'missing.storage.objects')
      assert.ok([bam, bai].every((id) => String(missing.json['message']).includes(id)))
      server.stored.set(bam, { exists: true, size: 734003200, md5: md5Of(0xa1) })
      server.stored.set(bai, { exists: true, size: 2097152, md5: md5Of(0xa2) })
      assert.is((await publish()).status, 200)
    }))

  const writes: readonly [method: string, path: string][] = [
    ['POST', '/studies/S-7/'],
    ['POST', '/submit/S-7'],
    ['PUT', '/studies/S-7/analysis/publish/x'],
    ['PUT', '/studies/S-7/analysis/unpublish/x'],
    ['PUT', '/studies/S-7/analysis/suppress/x'],
    ['PUT', '/studies/S-7/files/x'],
    ['POST', '/schemas'],
  ]
  test('writes need the token and the study’s right, reads neither', () =>
    withServer(async (call, server) => {
      await submitExample(call)
      const stale = callOf(server, 'stale')
      const anonymous = callOf(server, undefined)
      for (const reader of [stale, anonymous]) assert.is((await reader('GET', '/entities')).status, 200)
      for (const [method, path] of writes) {
        const before = server.asked.length
        const refused = await stale(method, path, {})
        assertError(refused, 401, 'unauthorized.token')
        assert.match(String(refused.headers.get('www-authenticate')), /invalid_token/)
        assert.is((await anonymous(method, path, {})).headers.get('www-authenticate'), 'Bearer')
        const study = path === '/schemas' ? {} : { study: 'S-7' }
        assert.equal(server.asked.slice(before), [
          { token: 'stale', action: 'catalogue-write', ...study },
          { token: undefined, action: 'catalogue-write', ...study },
        ])
      }
      assertError(await call('POST', '/submit/CLOSED', {}), 403, 'forbidden.token')
      assert.equal(await server.catalogue.documents.studies(), ['HARBOUR-1'])
    }))

  test('reads can be closed', () =>
    withServer(
      async (call, server) => {
        assert.is((await call('GET', '/entities')).status, 200)
        assertError(await callOf(server, undefined)('GET', '/entities'), 401, 'unauthorized.token')
        assertError(await callOf(server, 'stale')('GET', '/studies/all'), 401, 'unauthorized.token')
      },
      { reads: 'token' },
    ))

  test('what is not Song’s goes on to the next', () =>
    withServer(async (_call, server) => {
      for (const path of ['/', '/upload/x', '/entitiesx', '/download/ping'])
        assert.is(await (await fetch(server.url + path)).text(), 'next')
    }))

  test('trouble inside tells nothing of the inside', () =>
    withServer(async (call, server) => {
      const { analysisId } = await submitExample(call)
      Object.defineProperty(server.stored, 'get', {
        value: () => {
          throw new TypeError('secret of the house')
        },
      })
      const answer = await call('PUT', `/studies/HARBOUR-1/analysis/publish/${analysisId}`)
      assertError(answer, 500, 'unknown.error')
      assert.not.match(JSON.stringify(answer.json), /secret/)
    }))
})
