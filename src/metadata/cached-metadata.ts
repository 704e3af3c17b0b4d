import type { CallOptions } from '../core/call-options.ts'
import { createSharedCalls } from '../core/shared-calls.ts'
import type { Entity, MetadataService } from './metadata-service.ts'

export interface CachedMetadataOptions {
  /** How long an entity is believed without asking again; default 30. */
  readonly entitySeconds?: number
  /** Entities kept at a time, the oldest go first; default 10000. */
  readonly maximumEntries?: number
  /** Clock in ms since 1970; default the system's. */
  readonly now?: () => number
}

interface Kept {
  readonly entity: Entity
  readonly until: number
}

/**
 * A catalogue that is asked for an entity once in a while, however many parts of it are moved; callers who want the same one
 * at the same time share one call. What the catalogue does not know, and failures, are never kept. The state of an analysis
 * is asked for each time: it decides whether bytes move, and it changes.
 */
export function createCachedMetadata(metadata: MetadataService, options: CachedMetadataOptions = {}): MetadataService {
  const { entitySeconds = 30, maximumEntries = 10_000, now = Date.now } = options
  const kept = new Map<string, Kept>()
  const calls = createSharedCalls<Entity>()

  const ask = async (objectId: string): Promise<Entity> => {
    // From when it was asked: the answer may be as old as that.
    const until = now() + entitySeconds * 1000
    const entity = await metadata.entity(objectId)
    kept.delete(objectId)
    kept.set(objectId, { entity, until })
    if (kept.size > maximumEntries) kept.delete(kept.keys().next().value as string)
    return entity
  }

  return {
    async entity(objectId: string, call: CallOptions = {}) {
      const known = kept.get(objectId)
      if (known !== undefined && now() < known.until) return known.entity
      kept.delete(objectId)
      return calls.share(objectId, () => ask(objectId), call)
    },
    entities: (filter, call) => metadata.entities(filter, call),
    analysisState: (entity, call) => metadata.analysisState(entity, call),
    file: (entity, call) => metadata.file(entity, call),
  }
}
