import { type Json, pathNames, ref, templateOf, text } from './json-schema.ts'
import type { OperationRow } from './score-operations.ts'

function json(description: string, schema: Json, type = 'application/json'): Json {
  return { description, content: { [type]: { schema } } }
}

const problem = (description: string): Json => json(description, ref('Problem'), 'application/problem+json')
const health = ref('Health')
const actuator = 'application/vnd.spring-boot.actuator.v3+json'
const html: Json = { description: 'A page.', content: { 'text/html': { schema: text } } }
const document = json('The document.', { type: 'object' })

interface OwnDoc {
  readonly id: string
  readonly tag: 'health' | 'documentation'
  readonly summary: string
  readonly answers: Json
}

const docs: Readonly<Record<string, OwnDoc>> = {
  '/healthz': { id: 'alive', tag: 'health', summary: 'The process answers', answers: { 200: json('It does.', health) } },
  '/readyz': {
    id: 'ready',
    tag: 'health',
    summary: 'The store can be reached',
    answers: { 200: json('It can.', health), 503: json('It cannot.', health) },
  },
  '/actuator/health': {
    id: 'actuatorHealth',
    tag: 'health',
    summary: "As /readyz, in the original's words",
    answers: { 200: json('UP.', health, actuator), 503: json('DOWN.', health, actuator) },
  },
  '/': { id: 'home', tag: 'documentation', summary: 'What is here', answers: { 200: html } },
  '/swagger-ui.html': { id: 'explorer', tag: 'documentation', summary: 'This document, to be tried out', answers: { 200: html } },
  '/swagger-ui/:version/:file': {
    id: 'explorerFile',
    tag: 'documentation',
    summary: 'Scripts and styles of the explorer',
    answers: {
      200: {
        description: 'The file.',
        content: {
          'text/javascript': { schema: text },
          'text/css': { schema: text },
          'image/png': { schema: { type: 'string', contentEncoding: 'binary' } },
        },
      },
      400: problem('The path cannot be read.'),
      404: problem('There is no such file.'),
    },
  },
  '/v3/api-docs': { id: 'openApi', tag: 'documentation', summary: 'This document (OpenAPI 3.1)', answers: { 200: document } },
  '/v2/api-docs': { id: 'swagger', tag: 'documentation', summary: 'The same for old tools (Swagger 2.0)', answers: { 200: document } },
}

/** Routes that the original does not have, or has in other words. `home` says whether `/` is answered. */
export function ownOperations(home: boolean): readonly OperationRow[] {
  return Object.entries(docs)
    .filter(([path]) => home || path !== '/')
    .map(([path, doc]) => {
      const parameters = pathNames(path).map((name) => ({ name, in: 'path', required: true, schema: text }))
      const operation = {
        operationId: doc.id,
        tags: [doc.tag],
        summary: doc.summary,
        ...(parameters.length === 0 ? {} : { parameters }),
        responses: doc.answers,
        security: [],
      }
      return ['get', templateOf(path), operation]
    })
}
