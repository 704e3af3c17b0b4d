import { arrayOf, type Json, pathNames, ref, templateOf, text } from './json-schema.ts'
import { examples } from './schemas.ts'
import type { OperationRow } from './score-operations.ts'

interface CatalogueDoc {
  readonly id: string
  readonly summary: string
  readonly description?: string
  /** Query parameters; none of them is required unless it says so. */
  readonly query?: Readonly<Record<string, Json>>
  readonly body?: string
  readonly answer: Json
  readonly writes?: true
}

const flag: Json = { schema: { type: 'string', enum: ['true', 'false'], default: 'false' } }
const several = (items: Json): Json => ({ schema: { type: 'array', items }, style: 'form', explode: false })
const message = ref('Message')

/** Keyed by method and path of the router, so that a route without a row is seen (openapi.test.ts). */
const docs: Readonly<Record<string, CatalogueDoc>> = {
  'GET /isAlive': { id: 'isAlive', summary: 'Does the catalogue answer?', answer: { const: true } },
  'GET /entities': {
    id: 'listEntities',
    summary: 'Objects that match, a page of them in order of id',
    description: 'Filters are exact and hold together. Any other parameter is refused.',
    query: {
      id: { schema: text },
      gnosId: { description: 'Of the analysis.', schema: text },
      fileName: { schema: text },
      projectCode: { description: 'Of the study.', schema: text },
      access: { schema: text },
      fields: {
        description: 'Keys to show.',
        schema: { type: 'array', items: { type: 'string', enum: ['id', 'gnosId', 'fileName', 'projectCode', 'access'] } },
        style: 'form',
        explode: true,
      },
      page: { schema: { type: 'integer', minimum: 0, default: 0 } },
      size: { schema: { type: 'integer', minimum: 1, default: 10 } },
    },
    answer: ref('EntityPage'),
  },
  'GET /entities/:objectId': { id: 'getEntity', summary: 'One object', answer: ref('Entity') },
  'GET /studies/all': { id: 'listStudies', summary: 'Ids of all studies', answer: arrayOf(text) },
  'GET /studies/:study': { id: 'getStudy', summary: 'One study', answer: ref('Study') },
  'POST /studies/:study': { id: 'createStudy', summary: 'Create a study', body: 'Study', answer: message, writes: true },
  'GET /studies/:study/analysis': {
    id: 'listAnalyses',
    summary: 'Analyses of a study',
    query: { analysisStates: several({ type: 'string', enum: ['PUBLISHED', 'UNPUBLISHED', 'SUPPRESSED'] }) },
    answer: arrayOf(ref('Analysis')),
  },
  'GET /studies/:study/analysis/search/id': {
    id: 'findAnalyses',
    summary: 'Analyses that have a file',
    query: { fileId: { description: 'Id of the object.', required: true, schema: text, example: examples.objectId } },
    answer: arrayOf(ref('Analysis')),
  },
  'GET /studies/:study/analysis/:analysis': { id: 'getAnalysis', summary: 'One analysis', answer: ref('Analysis') },
  'GET /studies/:study/analysis/:analysis/files': { id: 'listFiles', summary: 'Files of an analysis', answer: arrayOf(ref('File')) },
  'GET /studies/:study/files/:objectId': { id: 'getFile', summary: 'One file, with size and MD5', answer: ref('File') },
  'PUT /studies/:study/files/:objectId': {
    id: 'updateFile',
    summary: "Correct a file's record",
    body: 'FileUpdate',
    answer: ref('FileUpdated'),
    writes: true,
  },
  'POST /submit/:study': {
    id: 'submit',
    summary: 'Register files as an analysis',
    query: { allowDuplicates: { description: 'Also when the same files are registered already.', ...flag } },
    body: 'Payload',
    answer: ref('Submitted'),
    writes: true,
  },
  'PUT /studies/:study/analysis/publish/:analysis': {
    id: 'publish',
    summary: 'Publish: the objects can be downloaded',
    description: 'Every object must be in the store, with the registered size and MD5.',
    query: { ignoreUndefinedMd5: { description: 'Objects whose MD5 the store does not know are no hindrance.', ...flag } },
    answer: message,
    writes: true,
  },
  'PUT /studies/:study/analysis/unpublish/:analysis': { id: 'unpublish', summary: 'Take it back', answer: message, writes: true },
  'PUT /studies/:study/analysis/suppress/:analysis': { id: 'suppress', summary: 'Suppress it for good', answer: message, writes: true },
  'GET /schemas': {
    id: 'listTypes',
    summary: 'Analysis types, the newest versions first',
    query: {
      names: several(text),
      versions: several({ type: 'integer' }),
      hideSchema: flag,
      unrenderedOnly: flag,
      limit: { schema: { type: 'integer', minimum: 0, maximum: 999_999_999, default: 20 } },
      offset: { schema: { type: 'integer', minimum: 0, maximum: 999_999_999, default: 0 } },
    },
    answer: ref('AnalysisTypePage'),
  },
  'GET /schemas/:name': {
    id: 'getType',
    summary: 'One analysis type',
    query: {
      version: { description: 'Absent or 0 = the newest.', schema: { type: 'integer', minimum: 0, maximum: 999_999_999 } },
      unrenderedOnly: flag,
    },
    answer: ref('AnalysisType'),
  },
  'POST /schemas': {
    id: 'registerType',
    summary: 'Register an analysis type',
    body: 'TypeRegistration',
    answer: ref('AnalysisType'),
    writes: true,
  },
  'GET /export/analysis/:analyses': {
    id: 'exportPayloads',
    summary: 'Payloads of analyses, by study',
    description: 'Several ids are parted by commas.',
    answer: ref('Exported'),
  },
}

const pathExamples: Readonly<Record<string, string>> = {
  objectId: examples.objectId,
  study: examples.study,
  analysis: examples.analysisId,
  analyses: examples.analysisId,
  name: 'fileSet',
}

function json(description: string, schema: Json): Json {
  return { description, content: { 'application/json': { schema } } }
}

const refusal = (description: string): Json => json(description, ref('SongError'))

function answersOf(doc: CatalogueDoc): Json {
  return {
    200: json('What was asked for.', doc.answer),
    400: refusal('A parameter or the body is wrong, or the state of the analysis forbids it.'),
    401: refusal('No good token: writes need one, and reads where the site says so.'),
    404: refusal('There is no such study, analysis, file or type.'),
    500: refusal('The server itself failed.'),
    503: refusal('The store cannot be reached; try again.'),
    ...(doc.writes
      ? {
          403: refusal('The token does not allow writing to this study.'),
          409: refusal('It exists already, or the objects in the store are not what was registered.'),
          502: refusal('The store behind the server failed.'),
        }
      : {}),
    ...(doc.body === undefined
      ? {}
      : {
          413: refusal('The body is too large.'),
          415: refusal('The body must be application/json.'),
          422: refusal('The body cannot be read as JSON.'),
        }),
  }
}

/** Song's routes, as far as this server has them. `reads` says whether reading needs a token. */
export function catalogueOperations(reads: 'open' | 'token'): readonly OperationRow[] {
  return Object.entries(docs).map(([key, doc]) => {
    const [method = '', path = ''] = key.split(' ')
    const inPath = pathNames(path).map((name) => ({ name, in: 'path', required: true, schema: text, example: pathExamples[name] }))
    const inQuery = Object.entries(doc.query ?? {}).map(([name, parameter]) => ({ name, in: 'query', ...parameter }))
    const parameters = [...inPath, ...inQuery]
    const operation = {
      operationId: doc.id,
      tags: ['catalogue'],
      summary: doc.summary,
      ...(doc.description === undefined ? {} : { description: doc.description }),
      ...(parameters.length === 0 ? {} : { parameters }),
      ...(doc.body === undefined ? {} : { requestBody: { required: true, content: { 'application/json': { schema: ref(doc.body) } } } }),
      responses: answersOf(doc),
      security: doc.writes || reads === 'token' ? [{ bearer: [] }] : [{}, { bearer: [] }],
    }
    return [method.toLowerCase(), templateOf(path), operation]
  })
}
