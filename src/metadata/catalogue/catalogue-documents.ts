import { songError } from '../song-error.ts'
import { entityToJson, type JsonObject } from '../song-json.ts'
import type { CatalogueDocuments, EntityQuery } from './catalogue.ts'
import type { TypeRecord } from './catalogue-event.ts'
import { songTime } from './catalogue-event.ts'
import type { AnalysisRecord, CatalogueIndex, FileRecordOfAnalysis } from './catalogue-index.ts'
import { asEvent, type CatalogueStore, filesOf, requireAnalysis, requireStudy, restOf } from './catalogue-store.ts'
import { analysisDocument, entityOf, fileDocument, payloadDocument, typeDocument } from './documents.ts'
import type { PayloadCheck } from './payload-check.ts'
import { createRegisterType } from './register-type.ts'
import { studyRecord } from './study.ts'
import { createUpdateFile, requireFile } from './update-file.ts'

/** Ids that can match, in order: few when an id or an analysis is named, else all. */
function candidates(index: CatalogueIndex, query: EntityQuery): readonly string[] {
  if (query.id !== undefined) return [query.id]
  if (query.gnosId !== undefined) return [...(index.analysis(query.gnosId)?.objectIds ?? [])].sort()
  return index.objectIds()
}

function matches(query: EntityQuery, entry: FileRecordOfAnalysis): boolean {
  const { id, gnosId, fileName, projectCode, access } = query
  return (
    (id === undefined || id === entry.file.objectId) &&
    (gnosId === undefined || gnosId === entry.analysisId) &&
    (fileName === undefined || fileName === entry.file.fileName) &&
    (projectCode === undefined || projectCode === entry.study) &&
    (access === undefined || access === entry.file.fileAccess)
  )
}

/** The records of the objects that match, in order of id. */
export function* matchingObjects(index: CatalogueIndex, query: EntityQuery): Generator<FileRecordOfAnalysis> {
  for (const objectId of candidates(index, query)) {
    const entry = index.object(objectId)
    if (entry && matches(query, entry)) yield entry
  }
}

function pageOf(
  index: CatalogueIndex,
  query: EntityQuery,
  { page, size }: { readonly page: number; readonly size: number },
): { readonly entries: readonly FileRecordOfAnalysis[]; readonly total: number } {
  const start = page * size
  if (Object.keys(query).length === 0) {
    const ids = index.objectIds()
    return { entries: ids.slice(start, start + size).map((objectId) => requireObject(index, objectId)), total: ids.length }
  }
  const entries: FileRecordOfAnalysis[] = []
  let total = 0
  for (const entry of matchingObjects(index, query)) {
    if (total >= start && entries.length < size) entries.push(entry)
    total++
  }
  return { entries, total }
}

export function requireObject(index: CatalogueIndex, objectId: string): FileRecordOfAnalysis {
  const entry = index.object(objectId)
  if (!entry)
    throw songError('legacy.entity.not.found', `object ${objectId} is not in the catalogue; check the id, or register its file first`)
  return entry
}

function typeVersion(index: CatalogueIndex, name: string, version: number | undefined): TypeRecord {
  const versions = index.typeVersions(name)
  const found = version === undefined ? versions.at(-1) : versions.find((record) => record.version === version)
  if (!found)
    throw songError(
      'analysis.type.not.found',
      `there is no analysis type '${name}'${version === undefined ? '' : ` of version ${version}`}`,
    )
  return found
}

type DocumentPart<Key extends keyof CatalogueDocuments> = Pick<CatalogueDocuments, Key>

function createStudyDocuments({ index, log, now }: CatalogueStore): DocumentPart<'studies' | 'study' | 'createStudy'> {
  return {
    async studies(options) {
      await log.refresh(options)
      return index.studies()
    },
    async study(study, options) {
      await log.refresh(options)
      requireStudy(index, study)
      return { ...index.study(study) }
    },
    async createStudy(study, body, options = {}) {
      const record = studyRecord(study, body)
      await log.append(() => {
        if (index.study(study)) throw songError('study.already.exists', `study '${study}' exists already`)
        return asEvent({ type: 'study', at: songTime(now()), study: record })
      }, options)
    },
  }
}

function createFileDocuments(store: CatalogueStore): DocumentPart<'entity' | 'entities' | 'files' | 'file' | 'updateFile'> {
  const { index, log } = store
  return {
    async entity(objectId, options) {
      await log.refresh(options)
      return entityToJson(entityOf(requireObject(index, objectId)))
    },
    async entities(query, page, options) {
      await log.refresh(options)
      const { entries, total } = pageOf(index, query, page)
      return { content: entries.map((entry) => entityToJson(entityOf(entry))), total }
    },
    async files(study, analysisId, options) {
      await log.refresh(options)
      return filesOf(index, requireAnalysis(index, study, analysisId)).map(fileDocument)
    },
    async file(study, objectId, options) {
      await log.refresh(options)
      return fileDocument(requireFile(index, study, objectId))
    },
    updateFile: createUpdateFile(store),
  }
}

function createAnalysisDocuments(store: CatalogueStore): DocumentPart<'analysis' | 'analyses' | 'analysesWithFile' | 'payloads'> {
  const { index, log } = store
  const whole = async (record: AnalysisRecord): Promise<JsonObject> =>
    analysisDocument(record, filesOf(index, record), await restOf(store, record))
  return {
    async analysis(study, analysisId, options) {
      await log.refresh(options)
      return whole(requireAnalysis(index, study, analysisId))
    },
    async analyses(study, states, options) {
      await log.refresh(options)
      requireStudy(index, study)
      const documents: JsonObject[] = []
      for (const record of index.analysesOf(study)) if (states.includes(record.state)) documents.push(await whole(record))
      return documents
    },
    async analysesWithFile(study, fileId, options) {
      await log.refresh(options)
      requireStudy(index, study)
      const entry = index.object(fileId)
      const record = entry?.study === study ? index.analysis(entry.analysisId) : undefined
      return record ? [await whole(record)] : []
    },
    async payloads(analysisIds, options) {
      await log.refresh(options)
      const byStudy = new Map<string, JsonObject[]>()
      for (const analysisId of new Set(analysisIds)) {
        const record = index.analysis(analysisId)
        if (!record) throw songError('analysis.id.not.found', `there is no analysis '${analysisId}'; check the id`)
        const payload = payloadDocument(record, filesOf(index, record), await restOf(store, record))
        byStudy.set(record.study, [...(byStudy.get(record.study) ?? []), payload])
      }
      return [...byStudy].map(([studyId, payloads]) => ({ studyId, payloads }))
    },
  }
}

function createTypeDocuments(store: CatalogueStore, check: PayloadCheck): DocumentPart<'types' | 'type' | 'registerType'> {
  const { index, log } = store
  return {
    async types(view, options) {
      await log.refresh(options)
      const { names, versions } = view
      return index
        .typeNames()
        .filter((name) => names === undefined || names.includes(name))
        .flatMap((name) => index.typeVersions(name))
        .filter((record) => versions === undefined || versions.includes(record.version))
        .map((record) => typeDocument(record, view))
    },
    async type(name, view, options) {
      await log.refresh(options)
      return typeDocument(typeVersion(index, name, view.version), view)
    },
    registerType: createRegisterType(store, check),
  }
}

export function createCatalogueDocuments(store: CatalogueStore, check: PayloadCheck): CatalogueDocuments {
  return {
    ...createStudyDocuments(store),
    ...createFileDocuments(store),
    ...createAnalysisDocuments(store),
    ...createTypeDocuments(store, check),
  }
}
