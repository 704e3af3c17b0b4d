import { ScoreError } from '../../src/index.ts'

function single(query: URLSearchParams, name: string): string | undefined {
  const values = query.getAll(name)
  if (values.length < 2) return values[0]
  throw new ScoreError('invalid-request', `query parameter '${name}' was given ${values.length} times; give it once`)
}

function missing(name: string): ScoreError {
  return new ScoreError('invalid-request', `query parameter '${name}' is missing`)
}

/** A text that must be given, though it may be empty. @throws `invalid-request`. */
export function requiredText(query: URLSearchParams, name: string): string {
  const value = single(query, name)
  if (value === undefined) throw missing(name)
  return value
}

/** @throws `invalid-request` when it is given more than once. */
export function optionalText(query: URLSearchParams, name: string): string | undefined {
  return single(query, name)
}

/** A whole number, negative ones too. @throws `invalid-request` when it is missing, empty or something else. */
export function requiredInteger(query: URLSearchParams, name: string): number {
  const text = single(query, name)
  if (text === undefined || text.trim() === '') throw missing(name)
  const value = /^[+-]?\d+$/.test(text.trim()) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(value)) return value
  throw new ScoreError('invalid-request', `query parameter '${name}' is '${text}'; it must be a whole number`)
}

const words: Readonly<Record<string, boolean>> = {
  true: true,
  on: true,
  yes: true,
  1: true,
  false: false,
  off: false,
  no: false,
  0: false,
}

/** `true`, `on`, `yes`, `1` and their opposites; absent or empty = false. @throws `invalid-request` for another word. */
export function optionalFlag(query: URLSearchParams, name: string): boolean {
  const text = single(query, name)?.trim().toLowerCase() ?? ''
  if (text === '') return false
  const value = Object.hasOwn(words, text) ? words[text] : undefined
  if (value !== undefined) return value
  throw new ScoreError('invalid-request', `query parameter '${name}' is '${text}'; it must be true or false`)
}
