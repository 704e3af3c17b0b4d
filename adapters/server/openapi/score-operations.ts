import { type Route, type RouteName, routes } from '../../../src/index.ts'
import { arrayOf, type Json, pathNames, ref, templateOf, text } from './json-schema.ts'
import { examples } from './schemas.ts'

type QueryName = (typeof routes)[RouteName]['query'][number]

const flag: Json = { type: 'string', enum: ['true', 'false', 'on', 'off', 'yes', 'no', '1', '0', ''], default: 'false' }

const queryDocs: Readonly<Record<QueryName, Json>> = {
  fileSize: { description: 'Bytes of the whole object.', schema: { type: 'integer', minimum: 0 }, example: 43 },
  overwrite: { description: 'Replace an object that exists.', schema: flag },
  md5: { description: 'Hex MD5 of the object, or of the part.', schema: text, example: examples.md5 },
  uploadId: { description: 'Of the upload in progress, as its spec says.', schema: text, example: examples.uploadId },
  partNumber: { schema: { type: 'integer', minimum: 1 }, example: 1 },
  etag: { description: 'As the store answered the PUT, without quotes.', schema: text, example: examples.md5 },
  offset: { description: 'First byte.', schema: { type: 'integer', minimum: 0 }, example: 0 },
  length: { description: 'Bytes; -1 = to the end.', schema: { type: 'integer', minimum: -1 }, example: -1 },
  dialect: {
    description:
      'blocks: the client sends each part as its `dialect` says. Without it, a service of the profile az gives one URL for the whole object, and hears no more of it.',
    schema: { type: 'string', enum: ['blocks'] },
  },
  external: { description: 'One URL for the whole object instead of one for each part.', schema: flag },
  'exclude-urls': { description: 'The spec alone, also of what is not published yet, for those who may read the study.', schema: flag },
}

interface RouteDoc {
  readonly summary: string
  readonly description?: string
  /** Query names that may be left out. */
  readonly optional?: readonly QueryName[]
  readonly answer: Json
  /** Who may call: `none` needs no token but refuses a bad one; `right` may be open for open objects. */
  readonly access: 'token' | 'optional-token'
}

const empty: Json = { description: 'Done; the body is empty.' }

function json(description: string, schema: Json): Json {
  return { description, content: { 'application/json': { schema } } }
}

function plain(description: string, example: string): Json {
  return { description, content: { 'text/plain': { schema: text, example } } }
}

const spec = json('The spec, with one signed URL for each part.', ref('ObjectSpecification'))

const docs: Readonly<Record<RouteName, RouteDoc>> = {
  cancelAll: {
    summary: 'Refused: an upload is cancelled by its object id',
    description: 'The original never succeeds here; it always answers 400.',
    answer: empty,
    access: 'token',
  },
  uploadTest: { summary: 'May I upload this object?', answer: plain('You may.', 'Upload Test Operation executed'), access: 'token' },
  openUpload: {
    summary: 'Begin an upload',
    description:
      'An upload in progress for the same object ends. Size and MD5 must be those of the catalogue; an object that exists is refused without `overwrite`.',
    optional: ['overwrite', 'md5', 'dialect'],
    answer: spec,
    access: 'token',
  },
  deletePart: { summary: 'Forget that a part arrived', answer: empty, access: 'token' },
  finalizePart: { summary: 'Register a part that the store holds', answer: empty, access: 'token' },
  finalizeUpload: { summary: 'Join the parts to the object', description: 'Repeating it is safe.', answer: empty, access: 'token' },
  recoverUpload: { summary: 'Can the upload be resumed?', answer: empty, access: 'token' },
  uploadStatus: {
    summary: 'What of the upload is there, with fresh URLs',
    optional: ['dialect'],
    answer: json('The upload in progress.', ref('UploadProgress')),
    access: 'token',
  },
  objectExists: {
    summary: 'Is the object there and whole?',
    answer: json('Whether it is.', { type: 'boolean', examples: [true] }),
    access: 'token',
  },
  cancelUpload: { summary: 'Cancel the upload in progress', answer: empty, access: 'token' },
  ping: {
    summary: 'A signed URL of an object that is always there',
    description: 'Proves that the store can be reached from the caller. No token is needed, but a bad one is refused.',
    answer: plain('The URL.', 'https://store.example.org/objects/data/heliograph?signature=...'),
    access: 'optional-token',
  },
  download: {
    summary: 'The spec of an object or of a range of it, with signed URLs',
    description: 'Open objects need no token; a bad one is refused. The analysis must be published.',
    optional: ['external', 'exclude-urls'],
    answer: spec,
    access: 'optional-token',
  },
  listing: {
    summary: 'The objects in the store that the caller may download',
    answer: json('In no promised order.', arrayOf(ref('ObjectInfo'))),
    access: 'token',
  },
  profile: { summary: 'Which dialect the URLs of parts speak', answer: plain('`s3` or `az`.', 's3'), access: 'token' },
}

const errorAnswer = (description: string): Json => json(description, ref('Error'))

const unauthenticated: Json = {
  description: 'The token is missing, malformed, run out or unknown; the body is empty.',
  headers: { 'WWW-Authenticate': { schema: text } },
}

const denied: Json = {
  description: 'The token lacks the right.',
  content: {
    'text/plain': { schema: text, example: 'Token missing required scope to update project' },
    'application/json': { schema: {} },
  },
}

function answersOf(route: Route, doc: RouteDoc): Json {
  const object = route.path.includes(':objectId')
  return {
    ...(route === routes.cancelAll ? {} : { 200: doc.answer }),
    400: errorAnswer('A parameter is missing or wrong, or the state of object, upload or analysis forbids it.'),
    401: unauthenticated,
    403: denied,
    ...(object ? { 404: errorAnswer('There is no such object, upload or registered file; ids that are no UUIDs among them.') } : {}),
    500: errorAnswer('The server itself failed.'),
    503: errorAnswer('The store or the catalogue behind the server cannot be reached; try again.'),
  }
}

function parametersOf(route: Route, doc: RouteDoc): readonly Json[] {
  const path = pathNames(route.path).map((name) => ({
    name,
    in: 'path',
    required: true,
    description: 'Id of the object, a UUID.',
    schema: { type: 'string', format: 'uuid' },
    example: examples.objectId,
  }))
  const query = (route.query as readonly QueryName[]).map((name) => ({
    name,
    in: 'query',
    required: !doc.optional?.includes(name),
    ...queryDocs[name],
  }))
  return [...path, ...query]
}

/** One row for each operation: method, OpenAPI path, operation. */
export type OperationRow = readonly [method: string, path: string, operation: Json]

/** The original's routes, from the table that client and server share. */
export function scoreOperations(): readonly OperationRow[] {
  return (Object.entries(routes) as [RouteName, Route][]).map(([name, route]) => {
    const doc = docs[name]
    const parameters = parametersOf(route, doc)
    const operation = {
      operationId: name,
      tags: [route.path.split('/')[1]],
      summary: doc.summary,
      ...(doc.description === undefined ? {} : { description: doc.description }),
      ...(parameters.length === 0 ? {} : { parameters }),
      responses: answersOf(route, doc),
      security: doc.access === 'token' ? [{ bearer: [] }] : [{}, { bearer: [] }],
    }
    return [route.method.toLowerCase(), templateOf(route.path), operation]
  })
}
