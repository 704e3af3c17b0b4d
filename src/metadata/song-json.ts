import { normalizeMd5 } from '../core/checksum.ts'
import { ScoreError } from '../core/errors.ts'
import type { Analysis, RegisteredFile } from './analysis-registry.ts'
import type { AnalysisState, Entity, FileRecord } from './metadata-service.ts'

/** A JSON object whose fields are not checked yet. */
export type JsonObject = Readonly<Record<string, unknown>>

/** An answer of the catalogue that is not what its documents are like: the catalogue's fault, or another program's. */
function unexpected(what: string, problem: string): ScoreError {
  return new ScoreError('unavailable', `the catalogue's answer (${what}) ${problem}; is that address a Song, and of a version that fits?`)
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** @throws `unavailable` */
export function jsonObject(value: unknown, what: string): JsonObject {
  if (isJsonObject(value)) return value
  throw unexpected(what, 'is not a JSON object')
}

/** @throws `unavailable` */
export function jsonArray(value: unknown, what: string): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw unexpected(what, 'is not a JSON array')
}

/** @throws `unavailable` */
export function textField(object: JsonObject, name: string, what: string): string {
  const value = object[name]
  if (typeof value === 'string' && value !== '') return value
  throw unexpected(what, `has no '${name}'`)
}

// Absent and empty count as controlled: what is not said to be open is not.
function accessOf(value: unknown): string {
  return typeof value === 'string' && value !== '' ? value : 'controlled'
}

/** @throws `unavailable` when a field is missing. */
export function entityFromJson(value: unknown): Entity {
  const object = jsonObject(value, 'entity')
  return {
    objectId: textField(object, 'id', 'entity'),
    analysisId: textField(object, 'gnosId', 'entity'),
    fileName: textField(object, 'fileName', 'entity'),
    study: textField(object, 'projectCode', 'entity'),
    access: accessOf(object['access']),
  }
}

export function entityToJson(entity: Entity): JsonObject {
  const { objectId, analysisId, fileName, study, access } = entity
  return { id: objectId, gnosId: analysisId, fileName, projectCode: study, access }
}

const states: ReadonlySet<unknown> = new Set<AnalysisState>(['PUBLISHED', 'UNPUBLISHED', 'SUPPRESSED'])

export function isAnalysisState(value: unknown): value is AnalysisState {
  return states.has(value)
}

/** @throws `unavailable` when there is no state, or one that is not known. */
export function analysisStateFromJson(value: unknown): AnalysisState {
  const state = textField(jsonObject(value, 'analysis'), 'analysisState', 'analysis')
  if (isAnalysisState(state)) return state
  throw unexpected('analysis', `says '${state}' for its state`)
}

/** Size and MD5 where they are given; a record without them is an unchecked one, not a wrong one. */
export function fileRecordFromJson(value: unknown): FileRecord {
  const object = jsonObject(value, 'file')
  const size = object['fileSize']
  const md5 = typeof object['fileMd5sum'] === 'string' ? normalizeMd5(object['fileMd5sum']) : undefined
  return {
    objectId: textField(object, 'objectId', 'file'),
    ...(typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 ? { size } : {}),
    ...(md5 === undefined ? {} : { md5 }),
  }
}

/** @throws `unavailable` when a field is missing. */
export function registeredFileFromJson(value: unknown): RegisteredFile {
  const object = jsonObject(value, 'file')
  const { objectId, size, md5 } = fileRecordFromJson(value)
  if (size === undefined) throw unexpected(`file ${objectId}`, "has no 'fileSize'")
  if (md5 === undefined) throw unexpected(`file ${objectId}`, "has no 'fileMd5sum' in hex")
  return {
    objectId,
    fileName: textField(object, 'fileName', 'file'),
    size,
    md5,
    access: accessOf(object['fileAccess']),
    type: typeof object['fileType'] === 'string' ? object['fileType'] : '',
  }
}

/** @throws `unavailable` when a field is missing. */
export function analysisFromJson(value: unknown): Analysis {
  const object = jsonObject(value, 'analysis')
  const type = object['analysisType']
  return {
    analysisId: textField(object, 'analysisId', 'analysis'),
    study: textField(object, 'studyId', 'analysis'),
    state: analysisStateFromJson(object),
    type: isJsonObject(type) && typeof type['name'] === 'string' ? type['name'] : '',
    files: jsonArray(object['files'], 'files of the analysis').map(registeredFileFromJson),
  }
}
