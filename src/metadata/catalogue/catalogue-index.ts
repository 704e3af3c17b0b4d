import type { AnalysisState } from '../metadata-service.ts'
import type { JsonObject } from '../song-json.ts'
import type { CatalogueEvent, FileChange, FileDocument, StudyRecord, TypeRecord } from './catalogue-event.ts'
import type { EventPosition } from './event-reader.ts'

export interface StateChange {
  readonly from: AnalysisState
  readonly to: AnalysisState
  readonly at: string
}

export interface AnalysisRecord {
  readonly analysisId: string
  readonly study: string
  readonly state: AnalysisState
  readonly analysisType: { readonly name: string; readonly version: number }
  readonly createdAt: string
  readonly updatedAt: string
  readonly history: readonly StateChange[]
  readonly objectIds: readonly string[]
  /** Where the rest of its payload stands in the log. */
  readonly position: EventPosition
}

export interface FileRecordOfAnalysis {
  readonly analysisId: string
  readonly study: string
  readonly file: FileDocument
}

/** What all events so far come to, kept in memory; payloads stay in the log. Look-ups by id take one step. */
export interface CatalogueIndex {
  apply(event: JsonObject, position: EventPosition): void
  reset(): void
  studies(): readonly string[]
  study(studyId: string): StudyRecord | undefined
  analysis(analysisId: string): AnalysisRecord | undefined
  /** In order of submission. */
  analysesOf(studyId: string): readonly AnalysisRecord[]
  object(objectId: string): FileRecordOfAnalysis | undefined
  /** All object ids in ascending order; the array is never changed afterwards. */
  objectIds(): readonly string[]
  /** Objects of this content, lower-case hex. */
  objectsWithMd5(md5: string): readonly string[]
  /** All versions, ascending. */
  typeVersions(name: string): readonly TypeRecord[]
  typeNames(): readonly string[]
}

interface Tables {
  readonly studies: Map<string, StudyRecord>
  readonly analyses: Map<string, AnalysisRecord>
  readonly ofStudy: Map<string, string[]>
  readonly objects: Map<string, FileRecordOfAnalysis>
  readonly md5s: Map<string, string[]>
  readonly types: Map<string, TypeRecord[]>
  sorted: readonly string[] | undefined
}

function emptyTables(builtIn: readonly TypeRecord[]): Tables {
  const types = new Map(builtIn.map((record) => [record.name, [record]]))
  return { studies: new Map(), analyses: new Map(), ofStudy: new Map(), objects: new Map(), md5s: new Map(), types, sorted: [] }
}

function pushTo<Value>(map: Map<string, Value[]>, key: string, value: Value): void {
  const values = map.get(key)
  if (values) values.push(value)
  else map.set(key, [value])
}

function addAnalysis(tables: Tables, event: Extract<CatalogueEvent, { type: 'analysis' }>, position: EventPosition): void {
  const { analysisId, studyId: study, analysisType, at } = event
  const objectIds = event.files.map((file) => file.objectId)
  const record = { analysisId, study, analysisType, createdAt: at, updatedAt: at, history: [], objectIds, position }
  tables.analyses.set(analysisId, { ...record, state: 'UNPUBLISHED' })
  pushTo(tables.ofStudy, study, analysisId)
  for (const file of event.files) {
    tables.objects.set(file.objectId, { analysisId, study, file })
    pushTo(tables.md5s, file.fileMd5sum, file.objectId)
  }
  tables.sorted = undefined
}

function changeState(tables: Tables, event: Extract<CatalogueEvent, { type: 'state' }>): void {
  const record = tables.analyses.get(event.analysisId)
  if (!record) return
  const history = [...record.history, { from: event.from, to: event.to, at: event.at }]
  tables.analyses.set(record.analysisId, { ...record, state: event.to, updatedAt: event.at, history })
}

function changeFile(tables: Tables, objectId: string, change: FileChange): void {
  const found = tables.objects.get(objectId)
  if (!found) return
  const file = { ...found.file, ...change }
  tables.objects.set(objectId, { ...found, file })
  if (file.fileMd5sum === found.file.fileMd5sum) return
  const others = (tables.md5s.get(found.file.fileMd5sum) ?? []).filter((id) => id !== objectId)
  tables.md5s.set(found.file.fileMd5sum, others)
  pushTo(tables.md5s, file.fileMd5sum, objectId)
}

function applyTo(tables: Tables, event: CatalogueEvent, position: EventPosition): void {
  switch (event.type) {
    case 'study':
      tables.studies.set(event.study.studyId, event.study)
      return
    case 'analysis':
      addAnalysis(tables, event, position)
      return
    case 'state':
      changeState(tables, event)
      return
    case 'file':
      changeFile(tables, event.objectId, event.change)
      return
    case 'analysis-type':
      pushTo(tables.types, event.record.name, event.record)
      return
  }
}

export function createCatalogueIndex(builtInTypes: readonly TypeRecord[]): CatalogueIndex {
  let tables = emptyTables(builtInTypes)
  return {
    // Only this package writes the log, and its header told the version: the events need no check of their own.
    apply: (event, position) => applyTo(tables, event as unknown as CatalogueEvent, position),
    reset() {
      tables = emptyTables(builtInTypes)
    },
    studies: () => [...tables.studies.keys()].sort(),
    study: (studyId) => tables.studies.get(studyId),
    analysis: (analysisId) => tables.analyses.get(analysisId),
    analysesOf: (studyId) => (tables.ofStudy.get(studyId) ?? []).map((id) => tables.analyses.get(id) as AnalysisRecord),
    object: (objectId) => tables.objects.get(objectId),
    objectIds() {
      tables.sorted ??= [...tables.objects.keys()].sort()
      return tables.sorted
    },
    objectsWithMd5: (md5) => tables.md5s.get(md5) ?? [],
    typeVersions: (name) => tables.types.get(name) ?? [],
    typeNames: () => [...tables.types.keys()].sort(),
  }
}
