import { catalogueOperations } from './catalogue-operations.ts'
import type { Json } from './json-schema.ts'
import { ownOperations } from './own-operations.ts'
import { schemas } from './schemas.ts'
import { type OperationRow, scoreOperations } from './score-operations.ts'

export interface OpenApiOptions {
  /** Absent: no catalogue is served. Else whether reading it needs a token. */
  readonly catalogueReads?: 'open' | 'token'
  /** Whether `/` is answered. */
  readonly home: boolean
}

const description = `Moves large files between you and an object store without the bytes passing through this service: it decides who may do what, and signs URLs.

An upload: open it (\`POST /upload/{objectId}/uploads\`), PUT each part to its URL, register each part with its ETag (\`POST /upload/{objectId}/parts\`), join them (\`POST /upload/{objectId}\`). A download: ask for the spec (\`GET /download/{objectId}\`) and GET each part from its URL with exactly its Range. URLs are opaque: where they lead is the store's own matter and not described here.`

const tags = [
  { name: 'upload', description: 'Needs the upload right on the study of the object.' },
  { name: 'download', description: 'Open objects need no token, controlled ones the download right.' },
  { name: 'listing' },
  { name: 'profile' },
  { name: 'catalogue', description: "A subset of Song's API: studies, analyses and their files." },
  { name: 'health' },
  { name: 'documentation' },
]

function pathsOf(rows: readonly OperationRow[]): Json {
  const paths: Record<string, Record<string, Json>> = {}
  for (const [method, path, operation] of rows) {
    const item = paths[path] ?? {}
    item[method] = operation
    paths[path] = item
  }
  return paths
}

/** The one description of what this server answers (OpenAPI 3.1). */
export function openApiDocument({ catalogueReads, home }: OpenApiOptions): Json {
  const rows = [...scoreOperations(), ...(catalogueReads ? catalogueOperations(catalogueReads) : []), ...ownOperations(home)]
  const used = new Set(rows.flatMap(([, , operation]) => operation['tags'] as readonly string[]))
  return {
    openapi: '3.1.0',
    info: { title: 'Score API', description, version: '1.0', license: { name: 'AGPL-3.0-only', identifier: 'AGPL-3.0-only' } },
    // Relative to where this document lies, so that it holds under any prefix and behind any proxy.
    servers: [{ url: '../' }],
    tags: tags.filter(({ name }) => used.has(name)),
    paths: pathsOf(rows),
    components: {
      schemas,
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'The access token, or an API key.' } },
    },
  }
}
