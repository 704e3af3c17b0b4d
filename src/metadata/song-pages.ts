import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import type { HttpClient, HttpRequest } from '../http/http-client.ts'
import type { Entity, EntityFilter } from './metadata-service.ts'
import { entityFromJson, type JsonObject, jsonArray, jsonObject } from './song-json.ts'

/** Song's largest page (song.md 1.1); more is cut without a word. */
export const pageSize = 2000

function isLast(page: JsonObject, number: number, rows: number): boolean {
  if (rows === 0 || page['last'] === true) return true
  if (page['last'] === false) return false
  const pages = page['totalPages']
  return typeof pages === 'number' ? number + 1 >= pages : rows < pageSize
}

export function entityPageRequest(filter: EntityFilter, page: number, size: number): HttpRequest {
  return {
    path: '/entities',
    query: [
      ['gnosId', filter.analysisId],
      ['projectCode', filter.study],
      ['fileName', filter.fileName],
      ['size', size],
      ['page', page],
    ],
  }
}

/**
 * All matching entities, page after page, each once: rows move between pages when something is registered meanwhile.
 *
 * @throws `unavailable` when the catalogue gives the same pages again without end.
 */
export async function* songEntities(http: HttpClient, filter: EntityFilter, options: CallOptions): AsyncGenerator<Entity> {
  const seen = new Set<string>()
  for (let number = 0; ; number++) {
    const page = jsonObject(await http.json(entityPageRequest(filter, number, pageSize), options), 'page of entities')
    const rows = jsonArray(page['content'], 'page of entities').map(entityFromJson)
    const fresh = rows.filter((entity) => !seen.has(entity.objectId))
    for (const entity of fresh) {
      seen.add(entity.objectId)
      yield entity
    }
    if (isLast(page, number, rows.length)) return
    if (fresh.length === 0)
      throw new ScoreError(
        'unavailable',
        `the catalogue at ${http.baseUrl} gives page ${number} of its entities with nothing new, and says that more follow`,
      )
  }
}
