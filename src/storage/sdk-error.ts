import type { ProblemCode } from '../core/errors.ts'

/** What a store's own name of a failure means to the service. */
export interface StoreRule {
  /** `missing` is decided by what was asked for. */
  readonly problem: ProblemCode | 'missing'
  /** The way out. */
  readonly hint?: string
}

/** What a 404 says is missing, and a 412 says is there. */
export type StoreSubject = 'object' | 'upload' | 'bucket'

const missing = { object: 'object-not-found', upload: 'upload-not-found', bucket: 'invalid-configuration' } as const

export function problemOf(rule: StoreRule, subject: StoreSubject): ProblemCode {
  return rule.problem === 'missing' ? missing[subject] : rule.problem
}

/** A property of an SDK's error, whose types promise little. */
export function field(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((at, name) => (typeof at === 'object' && at !== null ? Reflect.get(at, name) : undefined), value)
}

/** @returns `undefined` for what is no text, and for an empty one */
export function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** Whether an error's code is node's, or that of its TLS or HTTP parser, for a connection that did not last. */
export function hasConnectionCode(error: Error): boolean {
  return /^(E(?!RR_)|HPE_|ERR_STREAM_PREMATURE_CLOSE|ERR_SSL|ERR_TLS)/.test(text(field(error, 'code')) ?? '')
}
