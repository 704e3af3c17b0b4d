import { problems } from '../../../src/index.ts'
import { arrayOf, type Json, record, ref, text, whole } from './json-schema.ts'

const objectId = '5be58fbb-775b-5259-bbbd-555e07fbdf24'
const analysisId = '9a8b7c6d-0000-4000-8000-000000000001'
const md5 = '9e107d9d372bb6826bd81d3542a419d6'

export const examples = { objectId, analysisId, md5, study: 'DEMO', uploadId: 'c2f1b6a4-3d5e-4f70-8a91-b2c3d4e5f607' } as const

const nullableText: Json = { type: ['string', 'null'] }

const part: Json = {
  description: 'A numbered range of an object that moves in one request.',
  ...record(
    {
      partNumber: { type: 'integer', minimum: 1 },
      partSize: { type: 'integer', minimum: -1, description: 'Bytes; -1 where the answer to `external=true` does not tell.' },
      offset: { type: 'integer', minimum: 0, description: 'Where the part begins in the object.' },
      url: {
        ...nullableText,
        description: 'Signed: to PUT the part to, or to GET it from with exactly its Range. Null when URLs were excluded.',
      },
      md5: { ...nullableText, description: 'Of a part that the store holds, in progress; null in specs.' },
      sourceMd5: { ...text, description: 'Hex MD5 of the part as it was uploaded, where it is known.' },
      dialect: {
        ...text,
        enum: ['azure-block'],
        description:
          'How the part is sent, for a client that asked for it: azure-block is a Put Block of Azure with Content-MD5, whose block id has the MD5 and the time put into it. Absent: a plain PUT.',
      },
    },
    ['sourceMd5', 'dialect'],
  ),
}

const objectSpecification: Json = {
  description: 'What a client needs to move one object.',
  ...record({
    objectKey: { ...text, description: 'Key in the bucket.' },
    objectId: text,
    uploadId: text,
    parts: arrayOf(ref('Part')),
    objectSize: { type: 'integer', minimum: -1, description: 'Bytes of the object, or of the range that was asked for; -1 = to the end.' },
    objectMd5: { ...nullableText, description: 'Hex MD5 of the whole object.' },
  }),
  examples: [
    {
      objectKey: `data/${objectId}`,
      objectId,
      uploadId: objectId,
      parts: [
        {
          partNumber: 1,
          partSize: 43,
          offset: 0,
          url: `https://store.example.org/objects/data/${objectId}?signature=...`,
          md5: null,
          sourceMd5: md5,
        },
      ],
      objectSize: 43,
      objectMd5: md5,
    },
  ],
}

const errorBody: Json = {
  description: 'A failure on the routes of the original. Its client stops at 400, 401, 403, 404 and 500 and repeats the rest.',
  ...record({
    timestamp: { ...text, format: 'date-time' },
    status: whole,
    error: { ...text, description: 'Reason phrase of the status.' },
    message: { ...text, description: 'For people: what was wrong, and the way out.' },
    path: text,
  }),
  examples: [
    {
      timestamp: '2026-01-31T12:00:00.000+00:00',
      status: 400,
      error: 'Bad Request',
      message: "query parameter 'offset' is missing",
      path: `/download/${objectId}`,
    },
  ],
}

const problem: Json = {
  description: 'A failure on a route that the original does not have (RFC 9457).',
  ...record({
    type: { ...text, format: 'uri-reference' },
    title: text,
    status: whole,
    detail: text,
    instance: text,
    code: { ...text, enum: Object.keys(problems) },
  }),
  examples: [
    {
      type: 'about:blank',
      title: 'Not Found',
      status: 404,
      detail: 'there is no such file in the documentation',
      instance: '/swagger-ui/x.js',
      code: 'object-not-found',
    },
  ],
}

const songError: Json = {
  description: "A failure on the catalogue's routes, as Song words it.",
  ...record({
    errorId: { ...text, examples: ['analysis.id.not.found'] },
    httpStatusCode: whole,
    httpStatusName: text,
    requestUrl: text,
    datetime: text,
    timestamp: whole,
    message: text,
    debugMessage: text,
    stackTrace: { type: 'array' },
  }),
}

const entityFields: Json = { id: text, gnosId: text, fileName: text, projectCode: text, access: text }

const entity: Json = {
  description: 'An object as the catalogue knows it. `gnosId` is its analysis, `projectCode` its study.',
  ...record(entityFields),
  examples: [{ id: objectId, gnosId: analysisId, fileName: 'sample.bam', projectCode: 'DEMO', access: 'controlled' }],
}

const file: Json = record(
  {
    objectId: text,
    studyId: text,
    analysisId: text,
    fileName: text,
    fileSize: { type: 'integer', minimum: 0 },
    fileType: text,
    fileMd5sum: text,
    fileAccess: { ...text, enum: ['open', 'controlled'] },
    dataType: text,
    info: { type: 'object' },
  },
  ['info', 'dataType', 'fileType'],
)

const state: Json = { ...text, enum: ['UNPUBLISHED', 'PUBLISHED', 'SUPPRESSED'] }

const analysis: Json = {
  description: 'Files that were registered together, and are published together. Further keys are those of its payload.',
  ...record({
    analysisId: text,
    studyId: text,
    analysisState: state,
    createdAt: text,
    updatedAt: text,
    firstPublishedAt: nullableText,
    publishedAt: nullableText,
    analysisStateHistory: arrayOf(record({ initialState: state, updatedState: state, updatedAt: text })),
    files: arrayOf(ref('File')),
    analysisType: record({ name: text, version: whole }),
  }),
}

const analysisType: Json = record(
  {
    name: text,
    version: { type: 'integer', minimum: 1 },
    createdAt: text,
    options: { type: ['object', 'null'] },
    schema: { type: 'object' },
  },
  ['options', 'schema', 'createdAt'],
)

const payload: Json = {
  description: 'What is submitted: a study, an analysis type, its files, and what the type asks for.',
  ...record(
    {
      studyId: text,
      analysisType: record({ name: text, version: { type: ['integer', 'null'] } }, ['version']),
      files: {
        type: 'array',
        minItems: 1,
        items: record(
          {
            fileName: { ...text, pattern: '^[A-Za-z0-9_.\\-\\[\\]()]+$' },
            fileSize: { type: 'integer', minimum: 0 },
            fileMd5sum: { ...text, pattern: '^[0-9a-fA-F]{32}$' },
            fileType: text,
            fileAccess: { ...text, enum: ['open', 'controlled'] },
            dataType: text,
            info: { type: 'object' },
          },
          ['info'],
        ),
      },
    },
    [],
  ),
  examples: [
    {
      studyId: 'DEMO',
      analysisType: { name: 'fileSet' },
      files: [{ fileName: 'sample.bam', fileSize: 43, fileMd5sum: md5, fileType: 'BAM', fileAccess: 'controlled', dataType: 'alignment' }],
    },
  ],
}

const page: Json = record({
  content: arrayOf({ type: 'object', properties: entityFields }),
  totalElements: whole,
  totalPages: whole,
  last: { type: 'boolean' },
  first: { type: 'boolean' },
  empty: { type: 'boolean' },
  size: whole,
  number: whole,
  numberOfElements: whole,
})

/** `components.schemas` of the document. */
export const schemas: Json = {
  ObjectSpecification: objectSpecification,
  Part: part,
  UploadProgress: {
    description: 'An upload in progress. Parts with an MD5 are held by the store; the others are missing.',
    ...record({ objectId: text, uploadId: text, parts: arrayOf(ref('Part')) }),
  },
  ObjectInfo: {
    ...record({ id: text, lastModified: { ...whole, description: 'Milliseconds since 1970.' }, size: { type: 'integer', minimum: 0 } }),
    examples: [{ id: objectId, lastModified: 1769860800000, size: 43 }],
  },
  Error: errorBody,
  Problem: problem,
  SongError: songError,
  Entity: entity,
  EntityPage: page,
  File: file,
  Analysis: analysis,
  AnalysisType: analysisType,
  AnalysisTypePage: record({ limit: whole, offset: whole, count: whole, resultSet: arrayOf(ref('AnalysisType')) }),
  Study: record({ studyId: text, name: text, organization: text, description: text, info: { type: 'object' } }, [
    'name',
    'organization',
    'description',
    'info',
  ]),
  Payload: payload,
  Message: record({ message: text }),
  Submitted: record({ analysisId: text, status: { const: 'OK' } }),
  FileUpdate: record(
    {
      fileSize: { type: 'integer', minimum: 1 },
      fileMd5sum: { ...text, pattern: '^[0-9a-fA-F]{32}$' },
      fileAccess: { ...text, enum: ['open', 'controlled'] },
      dataType: text,
      info: { type: 'object' },
    },
    ['fileSize', 'fileMd5sum', 'fileAccess', 'dataType', 'info'],
  ),
  FileUpdated: record({
    fileUpdateType: { ...text, enum: ['NO_UPDATE', 'METADATA_UPDATE', 'CONTENT_UPDATE'] },
    originalAnalysisState: state,
    unpublishedAnalysis: { type: 'boolean' },
    message: text,
    originalFile: ref('File'),
  }),
  TypeRegistration: record({ name: { ...text, pattern: '^[a-zA-Z0-9._-]+$' }, schema: { type: 'object' }, options: { type: 'object' } }, [
    'options',
  ]),
  Exported: arrayOf(record({ studyId: text, payloads: arrayOf({ type: 'object' }) })),
  Health: record({ status: text }),
}
