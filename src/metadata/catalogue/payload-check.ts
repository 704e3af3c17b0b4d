import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { fileNameRule } from '../file-name.ts'
import { songError } from '../song-error.ts'
import { isJsonObject, type JsonObject } from '../song-json.ts'
import { renderedSchema } from './base-schema.ts'
import type { TypeRecord } from './catalogue-event.ts'

/** Checks documents against the schemas of analysis types. */
export interface PayloadCheck {
  /** @throws `invalid-request` (`schema.violation`); each complaint begins with a JSON pointer such as `#/files/0`. */
  payload(payload: JsonObject, record: TypeRecord): void
  /** @throws `invalid-request` (`malformed.json.schema`) when the schema cannot be used. */
  schema(record: TypeRecord): void
}

function complaint(error: ErrorObject): string {
  const at = `#${error.instancePath}`
  if (error.keyword === 'required') return `${at}: required key [${String(error.params['missingProperty'])}] not found`
  if (error.keyword === 'enum') return `${at}: must be one of ${JSON.stringify(error.params['allowedValues'])}`
  if (error.keyword === 'false schema') return `${at}: must not be there`
  if (error.keyword === 'pattern' && error.instancePath.endsWith('/fileName')) return `${at}: ${fileNameRule}`
  return `${at}: ${error.message ?? `breaks the rule '${error.keyword}'`}`
}

function duplicateNames(payload: JsonObject): string[] {
  const files = Array.isArray(payload['files']) ? payload['files'] : []
  const seen = new Set<unknown>()
  return files.flatMap((file: unknown, index) => {
    const name = isJsonObject(file) ? file['fileName'] : undefined
    if (name === undefined || !seen.has(name)) {
      seen.add(name)
      return []
    }
    return [`#/files/${index}/fileName: '${String(name)}' is in the payload twice; an analysis holds a name once`]
  })
}

function foreignFileTypes(payload: JsonObject, fileTypes: readonly string[]): string[] {
  if (fileTypes.length === 0 || !Array.isArray(payload['files'])) return []
  return payload['files'].flatMap((file: unknown, index) => {
    const type = isJsonObject(file) ? file['fileType'] : undefined
    return typeof type === 'string' && !fileTypes.includes(type)
      ? [`#/files/${index}/fileType: must be one of ${JSON.stringify(fileTypes)}`]
      : []
  })
}

function matchedNormals(payload: JsonObject): string[] {
  const samples = Array.isArray(payload['samples']) ? payload['samples'] : []
  return samples.flatMap((sample: unknown, index) => {
    if (!isJsonObject(sample) || !isJsonObject(sample['specimen'])) return []
    const isNormal = sample['specimen']['tumourNormalDesignation'] === 'Normal'
    return isNormal && typeof sample['matchedNormalSubmitterSampleId'] === 'string'
      ? [`#/samples/${index}/matchedNormalSubmitterSampleId: must be null, for the specimen is Normal itself`]
      : []
  })
}

export function createPayloadCheck(): PayloadCheck {
  // Registered schemas may carry words of their own (Song's has `min`), so unknown keywords pass.
  const ajv = new Ajv({ allErrors: true, strict: false, validateFormats: false })
  const compiled = new WeakMap<TypeRecord, ValidateFunction>()
  const validatorOf = (record: TypeRecord): ValidateFunction => {
    const known = compiled.get(record)
    if (known) return known
    const validator = compile(ajv, record)
    compiled.set(record, validator)
    return validator
  }
  return {
    payload(payload, record) {
      const validate = validatorOf(record)
      const errors = validate(payload) ? [] : (validate.errors ?? []).map(complaint)
      const all = [...errors, ...duplicateNames(payload), ...foreignFileTypes(payload, record.fileTypes), ...matchedNormals(payload)]
      if (all.length > 0) throw songError('schema.violation', all.join(','))
    },
    schema(record) {
      compile(new Ajv({ strict: false, validateFormats: false }), record)
    },
  }
}

function compile(ajv: Ajv, record: TypeRecord): ValidateFunction {
  try {
    const { $id: _, ...schema } = renderedSchema(record)
    return ajv.compile(schema)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw songError('malformed.json.schema', `the schema of '${record.name}' cannot be used: ${reason}`)
  }
}
