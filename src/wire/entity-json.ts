import type { Entity } from '../metadata/metadata-service.ts'
import { readArray, readObject, readString } from './json-reader.ts'

/** Song's entity, in its key order (song.md 1.1). */
export interface EntityJson {
  readonly id: string
  readonly gnosId: string
  readonly fileName: string
  readonly projectCode: string
  readonly access: string
}

/** One page of `GET /entities`; only what is read of it. */
export interface EntityPage {
  readonly entities: readonly Entity[]
  /** Whether no page follows. */
  readonly last: boolean
}

export function entityToJson(entity: Entity): EntityJson {
  return {
    id: entity.objectId,
    gnosId: entity.analysisId,
    fileName: entity.fileName,
    projectCode: entity.study,
    access: entity.access,
  }
}

/** Unknown fields are passed over; an absent or null `access` becomes `''`, which counts as controlled. @throws `invalid-format`. */
export function entityFromJson(value: unknown, what: string): Entity {
  const json = readObject(value, what)
  const access = json['access']
  return {
    objectId: readString(json, 'id', what),
    analysisId: readString(json, 'gnosId', what),
    fileName: readString(json, 'fileName', what),
    study: readString(json, 'projectCode', what),
    access: typeof access === 'string' ? access : '',
  }
}

/** @throws `invalid-format`. */
export function entityPageFromJson(value: unknown, what: string): EntityPage {
  const json = readObject(value, what)
  const entities = readArray(json, 'content', what).map((entity) => entityFromJson(entity, what))
  return { entities, last: json['last'] !== false || entities.length === 0 }
}
