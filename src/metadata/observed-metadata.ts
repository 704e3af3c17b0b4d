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
  const one = async <T>(operation: CatalogueCall['operation'], call: () => Promise<T>): Promise<T> => {
    const started = now()
    let failed = true
    try {
      const result = await call()
      failed = false
      return result
    } finally {
      onCall({ operation, durationMs: now() - started, failed })
    }
  }
  return {
    entity: (objectId, options) => one('entity', () => metadata.entity(objectId, options)),
    async *entities(filter, options) {
      const started = now()
      let failed = false
      try {
        yield* metadata.entities(filter, options)
      } catch (error) {
        failed = true
        throw error
      } finally {
        onCall({ operation: 'entities', durationMs: now() - started, failed })
      }
    },
    analysisState: (entity, options) => one('analysisState', () => metadata.analysisState(entity, options)),
    file: (entity, options) => one('file', () => metadata.file(entity, options)),
  }
}
