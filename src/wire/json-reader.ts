import { ScoreError } from '../core/errors.ts'

export type JsonObject = Readonly<Record<string, unknown>>

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}

function unreadable(what: string, rule: string): ScoreError {
  return new ScoreError('invalid-format', `${what} can't be read: ${rule}`)
}

/** @throws `invalid-format` naming `what` when the value is no JSON object. */
export function readObject(value: unknown, what: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject
  throw unreadable(what, `a JSON object was expected, it is ${kindOf(value)}`)
}

/** @throws `invalid-format` when the field is missing or no array. */
export function readArray(object: JsonObject, field: string, what: string): readonly unknown[] {
  const value = object[field]
  if (Array.isArray(value)) return value
  throw unreadable(what, `field '${field}' must be an array, it is ${kindOf(value)}`)
}

/** @throws `invalid-format` when the field is missing or no string. */
export function readString(object: JsonObject, field: string, what: string): string {
  const value = object[field]
  if (typeof value === 'string') return value
  throw unreadable(what, `field '${field}' must be a string, it is ${kindOf(value)}`)
}

/** @throws `invalid-format` when the field is missing or no whole number that JavaScript holds exactly. */
export function readInteger(object: JsonObject, field: string, what: string): number {
  const value = object[field]
  if (Number.isSafeInteger(value)) return value as number
  throw unreadable(what, `field '${field}' must be a whole number, it is ${kindOf(value)}`)
}

/** @throws `invalid-format` when the text is no JSON. */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ScoreError('invalid-format', `${what} can't be read: it is not JSON`, { cause })
  }
}
