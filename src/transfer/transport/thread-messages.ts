import type { ByteRange } from '../../core/byte-range.ts'
import { isScoreError, type ProblemCode, ScoreError, toScoreError } from '../../core/errors.ts'
import type { FetchedPart, FetchPart, SendPart, SentPart } from '../part-transport.ts'

/** A part of a file; sources live in the caller's thread. */
export interface SendFilePart extends SendPart {
  readonly from: { readonly path: string }
}

export type Task =
  | { readonly type: 'fetch'; readonly part: FetchPart }
  | { readonly type: 'send'; readonly part: SendFilePart; readonly expectContinue: boolean }
  | { readonly type: 'hash'; readonly path: string; readonly range: ByteRange }
  /** `hashed`: one 64-bit count of the bytes hashed so far, written by the worker. */
  | { readonly type: 'trail'; readonly path: string; readonly partEnds: readonly number[]; readonly hashed: SharedArrayBuffer }
  | { readonly type: 'sync'; readonly path: string }
  | { readonly type: 'release'; readonly path: string }

export interface TaskResults {
  readonly fetch: FetchedPart
  readonly send: SentPart
  readonly hash: string
  readonly trail: string
  readonly sync: undefined
  readonly release: undefined
}

/** To a worker: one message per task, none per chunk. */
export type Order =
  | { readonly id: number; readonly task: Task }
  | { readonly id: number; readonly abort: true }
  /** A part that a `trail` waits for is there. */
  | { readonly id: number; readonly partIndex: number }

/** From a worker. `bytes` come at most ten times a second per task. */
export type Report =
  | { readonly id: number; readonly bytes: number }
  | { readonly id: number; readonly result: TaskResults[Task['type']] }
  | { readonly id: number; readonly failure: Failure }

/** A {@link ScoreError} as plain data: errors of one thread are no errors of another. */
export interface Failure {
  readonly code: ProblemCode
  readonly message: string
  readonly retryAfterSeconds?: number
  /** What of the cause is asked for later: the answer's status, the name of a system or store error. */
  readonly cause: { readonly status?: number; readonly code?: string }
}

function field<T extends 'number' | 'string'>(from: unknown, name: string, type: T): (T extends 'number' ? number : string) | undefined {
  if (typeof from !== 'object' || from === null || !(name in from)) return undefined
  const value: unknown = from[name as keyof typeof from]
  return typeof value === type ? (value as T extends 'number' ? number : string) : undefined
}

export function failureOf(thrown: unknown): Failure {
  const error = toScoreError(thrown)
  const status = field(error.cause, 'status', 'number')
  const code = field(error.cause, 'code', 'string')
  return {
    code: error.code,
    message: isScoreError(thrown) ? error.message : `a transfer worker failed: ${error.stack ?? error.message}`,
    ...(error.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: error.retryAfterSeconds }),
    cause: { ...(status === undefined ? {} : { status }), ...(code === undefined ? {} : { code }) },
  }
}

export function errorOf({ code, message, retryAfterSeconds, cause }: Failure): ScoreError {
  return new ScoreError(code, message, { cause, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) })
}
