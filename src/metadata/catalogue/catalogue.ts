import type { CallOptions } from '../../core/call-options.ts'
import type { AnalysisRegistry } from '../analysis-registry.ts'
import type { AnalysisState, MetadataService } from '../metadata-service.ts'
import type { JsonObject } from '../song-json.ts'
import type { TypeView } from './documents.ts'

/** What the store says of an object when its analysis is to be published. */
export interface StoredObjectState {
  /** The object is whole and can be downloaded. */
  readonly exists: boolean
  /** Bytes; where `exists`. */
  readonly size?: number
  /** Of the whole, hex; absent when the store does not know it. */
  readonly md5?: string
  /** An upload of it is under way, so what is stored may be replaced any moment. */
  readonly uploadOpen?: boolean
}

export interface CatalogueOptions {
  /** Made where it is missing; several processes may share it. */
  readonly folder: string
  readonly objectState: { describe(objectId: string, options?: CallOptions): Promise<StoredObjectState> }
  readonly now?: () => Date
  /** Ids of analyses; default random UUIDs. */
  readonly randomId?: () => string
  /** Leave suppressed analyses out of the rule that a content is registered once; default false, as Song. */
  readonly suppressedMayRepeat?: boolean
}

/** Exact matches, all of which must hold; names as in Song's entity document. */
export interface EntityQuery {
  readonly id?: string
  readonly gnosId?: string
  readonly fileName?: string
  readonly projectCode?: string
  readonly access?: string
}

/** Song's documents, for whoever serves the catalogue over HTTP. Errors carry Song's error id ({@link songErrorId}). */
export interface CatalogueDocuments {
  studies(options?: CallOptions): Promise<readonly string[]>
  study(study: string, options?: CallOptions): Promise<JsonObject>
  /** `body` is checked: `studyId` must equal `study`, the rest is text. */
  createStudy(study: string, body: unknown, options?: CallOptions): Promise<void>
  entity(objectId: string, options?: CallOptions): Promise<JsonObject>
  /** A page in order of id. @param page - from 0 */
  entities(
    query: EntityQuery,
    page: { readonly page: number; readonly size: number },
    options?: CallOptions,
  ): Promise<{ readonly content: readonly JsonObject[]; readonly total: number }>
  analysis(study: string, analysisId: string, options?: CallOptions): Promise<JsonObject>
  /** In order of submission. */
  analyses(study: string, states: readonly AnalysisState[], options?: CallOptions): Promise<readonly JsonObject[]>
  analysesWithFile(study: string, fileId: string, options?: CallOptions): Promise<readonly JsonObject[]>
  files(study: string, analysisId: string, options?: CallOptions): Promise<readonly JsonObject[]>
  file(study: string, objectId: string, options?: CallOptions): Promise<JsonObject>
  /** Answers as song.md 1.4. */
  updateFile(study: string, objectId: string, change: unknown, options?: CallOptions): Promise<JsonObject>
  types(
    view: TypeView & { readonly names?: readonly string[]; readonly versions?: readonly number[] },
    options?: CallOptions,
  ): Promise<readonly JsonObject[]>
  type(name: string, view: TypeView & { readonly version?: number }, options?: CallOptions): Promise<JsonObject>
  registerType(body: unknown, options?: CallOptions): Promise<JsonObject>
  /** The payloads of analyses, by study. */
  payloads(analysisIds: readonly string[], options?: CallOptions): Promise<readonly JsonObject[]>
}

/** A catalogue kept in a folder: the read side, the write side, and both as Song's documents. */
export interface Catalogue extends MetadataService, AnalysisRegistry {
  readonly documents: CatalogueDocuments
  close(): Promise<void>
}
