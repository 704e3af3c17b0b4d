import { randomUUID } from 'node:crypto'
import { songError } from '../song-error.ts'
import { isJsonObject, type JsonObject } from '../song-json.ts'
import { builtInTypes } from './base-schema.ts'
import type { CatalogueOptions } from './catalogue.ts'
import type { CatalogueEvent } from './catalogue-event.ts'
import { type AnalysisRecord, type CatalogueIndex, createCatalogueIndex, type FileRecordOfAnalysis } from './catalogue-index.ts'
import { type EventLog, openEventLog } from './event-log.ts'

/** Log, index and surroundings, as the parts of the catalogue share them. */
export interface CatalogueStore {
  readonly log: EventLog
  readonly index: CatalogueIndex
  readonly objectState: CatalogueOptions['objectState']
  readonly now: () => Date
  readonly randomId: () => string
  readonly suppressedMayRepeat: boolean
}

export async function openCatalogueStore(options: CatalogueOptions): Promise<CatalogueStore> {
  const index = createCatalogueIndex(builtInTypes)
  const log = await openEventLog({ folder: options.folder, apply: index.apply, reset: index.reset })
  return {
    log,
    index,
    objectState: options.objectState,
    now: options.now ?? (() => new Date()),
    randomId: options.randomId ?? randomUUID,
    suppressedMayRepeat: options.suppressedMayRepeat ?? false,
  }
}

/** An event as the log takes it. */
export function asEvent(event: CatalogueEvent): JsonObject {
  return { ...event }
}

export function requireStudy(index: CatalogueIndex, study: string): void {
  if (!index.study(study))
    throw songError('study.id.does.not.exist', `study '${study}' does not exist; register a file in it, or create it, first`)
}

/** @throws `analysis-not-found` (three of Song's errors, in its order: song.md 1.2). */
export function requireAnalysis(index: CatalogueIndex, study: string, analysisId: string): AnalysisRecord {
  const record = index.analysis(analysisId)
  if (record?.study === study) return record
  requireStudy(index, study)
  if (!record) throw songError('analysis.id.not.found', `there is no analysis '${analysisId}'; check the id`)
  // Which study it belongs to is left unsaid: who asks may have no right to know.
  throw songError('entity.not.related.to.study', `analysis '${analysisId}' does not belong to study '${study}'`)
}

export function filesOf(index: CatalogueIndex, record: AnalysisRecord): FileRecordOfAnalysis[] {
  return record.objectIds.map((objectId) => index.object(objectId) as FileRecordOfAnalysis)
}

/** The top-level keys of an analysis' payload that the index does not hold. */
export async function restOf(store: CatalogueStore, record: AnalysisRecord): Promise<JsonObject> {
  const event = await store.log.read(record.position)
  return isJsonObject(event['rest']) ? event['rest'] : {}
}
