import type { CallOptions } from '../core/call-options.ts'

export type AnalysisState = 'PUBLISHED' | 'UNPUBLISHED' | 'SUPPRESSED'

/** Song's record of an object. On the wire `study` is `projectCode` and `analysisId` is `gnosId`. */
export interface Entity {
  readonly objectId: string
  readonly analysisId: string
  readonly fileName: string
  readonly study: string
  /** As Song says it; empty or absent there counts as `controlled`. Any other word than `open` and `controlled` is an error of the catalogue. */
  readonly access: string
}

/** What Song knows of a file beyond its entity. Absent fields are unknown, not wrong. */
export interface FileRecord {
  readonly objectId: string
  readonly size?: number
  /** Lower-case hex. */
  readonly md5?: string
}

export interface EntityFilter {
  readonly study?: string
  readonly analysisId?: string
  readonly fileName?: string
}

export interface EntityWithState {
  readonly entity: Entity
  readonly state: AnalysisState
}

/** The catalogue: who owns an object, is it published. Spoken by Song over HTTP and by the embedded catalogue. */
export interface MetadataService {
  /** @throws `entity-not-found`; `unavailable` when the catalogue cannot be asked. */
  entity(objectId: string, options?: CallOptions): Promise<Entity>
  /** Each matching entity once, in order of object id; an empty filter gives all. */
  entities(filter?: EntityFilter, options?: CallOptions): AsyncIterable<Entity>
  /**
   * An entity and the state of its analysis, both as they are after the call began. Of catalogues that are asked for both at
   * once; absent where that takes two questions.
   *
   * @throws as `entity`.
   */
  entityWithState?(objectId: string, options?: CallOptions): Promise<EntityWithState>
  /** @throws `analysis-not-found`; `unavailable`. */
  analysisState(entity: Pick<Entity, 'study' | 'analysisId'>, options?: CallOptions): Promise<AnalysisState>
  /** Size and MD5 that were registered; `undefined` when the catalogue has no such record. */
  file(entity: Pick<Entity, 'study' | 'objectId'>, options?: CallOptions): Promise<FileRecord | undefined>
}
