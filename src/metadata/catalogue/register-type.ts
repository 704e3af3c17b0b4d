import type { CallOptions } from '../../core/call-options.ts'
import { songError } from '../song-error.ts'
import { isJsonObject, type JsonObject } from '../song-json.ts'
import { reservedKeys } from './base-schema.ts'
import { songTime, type TypeRecord } from './catalogue-event.ts'
import { asEvent, type CatalogueStore } from './catalogue-store.ts'
import { typeDocument } from './documents.ts'
import type { PayloadCheck } from './payload-check.ts'

function nameOf(body: JsonObject): string {
  const name = body['name']
  if (typeof name !== 'string' || !/^[a-zA-Z0-9._-]+$/.test(name))
    throw songError('malformed.parameter', '#/name: must be letters, digits and . _ - only')
  if (name === 'registration' || name === '.' || name === '..')
    throw songError('illegal.analysis.type.name', `'${name}' cannot be the name of an analysis type; choose another`)
  return name
}

function schemaOf(body: JsonObject): JsonObject {
  const schema = body['schema']
  if (!isJsonObject(schema) || schema['type'] !== 'object' || !isJsonObject(schema['properties']))
    throw songError('schema.violation', '#/schema: must be an object schema: {"type": "object", "properties": {…}, "required": […]}')
  const taken = Object.keys(schema['properties']).filter((key) => reservedKeys.includes(key))
  if (taken.length > 0)
    throw songError('schema.violation', `#/schema/properties: must not define ${taken.join(', ')}; the base schema does`)
  return schema
}

function fileTypesOf(body: JsonObject, earlier: TypeRecord | undefined): readonly string[] {
  const given = isJsonObject(body['options']) ? body['options']['fileTypes'] : undefined
  if (given === undefined || given === null || (Array.isArray(given) && given.length === 0)) return earlier?.fileTypes ?? []
  if (!Array.isArray(given) || !given.every((type) => typeof type === 'string'))
    throw songError('schema.violation', '#/options/fileTypes: must be an array of texts')
  return given
}

export type RegisterType = (body: unknown, options?: CallOptions) => Promise<JsonObject>

/** Registers an analysis type, or the next version of one (song.md 1.5). */
export function createRegisterType(store: CatalogueStore, check: PayloadCheck): RegisterType {
  return async (body, options = {}) => {
    if (!isJsonObject(body)) throw songError('malformed.parameter', '#: the analysis type is not a JSON object')
    const name = nameOf(body)
    const schema = schemaOf(body)
    let registered: TypeRecord | undefined
    await store.log.append(() => {
      const earlier = store.index.typeVersions(name).at(-1)
      const version = (earlier?.version ?? 0) + 1
      registered = { name, version, schema, fileTypes: fileTypesOf(body, earlier), createdAt: songTime(store.now()) }
      check.schema(registered)
      return asEvent({ type: 'analysis-type', record: registered })
    }, options)
    return typeDocument(registered as unknown as TypeRecord)
  }
}
