import { createTimedCalls } from '../core/timed-calls.ts'
import type { MetadataService } from './metadata-service.ts'

/** One call to a catalogue. */
export interface CatalogueCall {
  readonly operation: keyof MetadataService
  /** Tries and pauses between them included; of a list until its end, or until its reader had enough. */
  readonly durationMs: number
  readonly failed: boolean
}

/** Tells of every call to a catalogue, for those who measure it. @param now - milliseconds; default a monotonic clock */
export function observeMetadata(
  metadata: MetadataService,
  onCall: (call: CatalogueCall) => void,
  now: () => number = () => performance.now(),
): MetadataService {
  const timed = createTimedCalls(now)
  const one = <T>(operation: CatalogueCall['operation'], call: () => Promise<T>): Promise<T> =>
    timed.one(call, (time) => onCall({ operation, ...time }))
  const { entityWithState } = metadata
  return {
    ...(entityWithState
      ? { entityWithState: (objectId, options) => one('entityWithState', () => entityWithState(objectId, options)) }
      : {}),
    entity: (objectId, options) => one('entity', () => metadata.entity(objectId, options)),
    entities: (filter, options) =>
      timed.many(
        () => metadata.entities(filter, options),
        (time) => onCall({ operation: 'entities', ...time }),
      ),
    analysisState: (entity, options) => one('analysisState', () => metadata.analysisState(entity, options)),
    file: (entity, options) => one('file', () => metadata.file(entity, options)),
  }
}
