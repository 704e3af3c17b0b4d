import type { AnalysisState } from '../metadata-service.ts'
import type { JsonObject } from '../song-json.ts'

export interface StudyRecord {
  readonly studyId: string
  readonly name?: string
  readonly organization?: string
  readonly description?: string
  readonly info?: JsonObject
}

/** A file as Song's documents have it. */
export interface FileDocument {
  readonly objectId: string
  readonly fileName: string
  readonly fileSize: number
  readonly fileMd5sum: string
  readonly fileType: string
  readonly fileAccess: string
  readonly dataType: string
  readonly info?: JsonObject
}

export type FileChange = Partial<Pick<FileDocument, 'fileSize' | 'fileMd5sum' | 'fileAccess' | 'dataType' | 'info'>>

export interface TypeRecord {
  readonly name: string
  readonly version: number
  /** What was registered, to be merged with the base schema. */
  readonly schema: JsonObject
  /** Empty = any. */
  readonly fileTypes: readonly string[]
  readonly createdAt: string
}

/** Everything that can happen to a catalogue; one line each in its file. Times are ISO 8601 in UTC, without zone as Song writes them. */
export type CatalogueEvent =
  | { readonly type: 'study'; readonly at: string; readonly study: StudyRecord }
  | {
      readonly type: 'analysis'
      readonly at: string
      readonly analysisId: string
      readonly studyId: string
      readonly analysisType: { readonly name: string; readonly version: number }
      readonly files: readonly FileDocument[]
      /** The other top-level keys of the payload. */
      readonly rest: JsonObject
    }
  | {
      readonly type: 'state'
      readonly at: string
      readonly analysisId: string
      readonly from: AnalysisState
      readonly to: AnalysisState
    }
  | { readonly type: 'file'; readonly at: string; readonly objectId: string; readonly change: FileChange }
  | { readonly type: 'analysis-type'; readonly record: TypeRecord }

/** A moment as Song writes it: local date and time without a zone; ours is UTC. */
export function songTime(date: Date): string {
  return date.toISOString().replace('Z', '')
}
