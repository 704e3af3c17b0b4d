import { songObjectId } from '../../core/object-id.ts'
import type { Entity } from '../metadata-service.ts'
import { isJsonObject, type JsonObject } from '../song-json.ts'
import { renderedSchema } from './base-schema.ts'
import type { TypeRecord } from './catalogue-event.ts'
import type { AnalysisRecord, FileRecordOfAnalysis } from './catalogue-index.ts'

/** Song's file document (song.md 1.3); an empty `info` is left out. */
export function fileDocument({ file, study, analysisId }: FileRecordOfAnalysis): JsonObject {
  const { objectId, fileName, fileSize, fileType, fileMd5sum, fileAccess, dataType, info } = file
  const shown = info && Object.keys(info).length > 0 ? { info } : {}
  return { ...shown, objectId, studyId: study, analysisId, fileName, fileSize, fileType, fileMd5sum, fileAccess, dataType }
}

export function entityOf({ file, study, analysisId }: FileRecordOfAnalysis): Entity {
  return { objectId: file.objectId, analysisId, fileName: file.fileName, study, access: file.fileAccess }
}

function submitterId(value: unknown, name: string): string {
  return isJsonObject(value) ? String(value[name]) : ''
}

/** A sample with the ids that Song's formula gives it, its specimen and its donor (song.md 2). */
function sampleDocument(study: string, sample: unknown): unknown {
  if (!isJsonObject(sample)) return sample
  const idOf = (name: string): string => songObjectId(study, name)
  const specimenId = idOf(submitterId(sample['specimen'], 'submitterSpecimenId'))
  const donorId = idOf(submitterId(sample['donor'], 'submitterDonorId'))
  return {
    ...sample,
    sampleId: idOf(String(sample['submitterSampleId'])),
    specimenId,
    specimen: { ...(sample['specimen'] as JsonObject), specimenId, donorId },
    donor: { ...(sample['donor'] as JsonObject), donorId, studyId: study },
  }
}

/** Song's analysis document (song.md 1.2): its own fields, then every other key of the payload. */
export function analysisDocument(record: AnalysisRecord, files: readonly FileRecordOfAnalysis[], rest: JsonObject): JsonObject {
  const { samples, ...others } = rest
  const published = record.history.filter((change) => change.to === 'PUBLISHED')
  return {
    ...others,
    analysisId: record.analysisId,
    studyId: record.study,
    analysisState: record.state,
    createdAt: record.createdAt,
    updatedAt: record.updatedAt,
    firstPublishedAt: published[0]?.at ?? null,
    publishedAt: published.at(-1)?.at ?? null,
    analysisStateHistory: record.history.map(({ from, to, at }) => ({ initialState: from, updatedState: to, updatedAt: at })),
    ...(Array.isArray(samples) ? { samples: samples.map((sample) => sampleDocument(record.study, sample)) } : {}),
    files: files.map(fileDocument),
    analysisType: record.analysisType,
  }
}

/** The payload an analysis was submitted with, facts as they are now (song.md 1, call 23). */
export function payloadDocument(record: AnalysisRecord, files: readonly FileRecordOfAnalysis[], rest: JsonObject): JsonObject {
  return {
    ...rest,
    studyId: record.study,
    analysisType: record.analysisType,
    files: files.map((entry) => {
      const { objectId: _id, studyId: _study, analysisId: _analysis, ...file } = fileDocument(entry)
      return file
    }),
  }
}

export interface TypeView {
  /** The registered part alone, without the base schema. */
  readonly unrenderedOnly?: boolean
  readonly hideSchema?: boolean
}

/** Song's analysis type document (song.md 1.5). */
export function typeDocument(record: TypeRecord, view: TypeView = {}): JsonObject {
  const schema = view.unrenderedOnly ? record.schema : renderedSchema(record)
  return {
    name: record.name,
    version: record.version,
    createdAt: record.createdAt,
    options: { fileTypes: record.fileTypes },
    ...(view.hideSchema ? {} : { schema }),
  }
}
