import { UsageError } from 'clipanion'
import type { ProblemCode } from '../../src/index.ts'

/** Which frame the original puts around a refusal (score-client.md 1.3). */
export type RefusalFrame = 'parameters' | 'missing-command' | 'plain'

/** A refusal by the program itself, before or instead of asking a server. */
export interface Refusal extends UsageError {
  readonly frame: RefusalFrame
  readonly code: ProblemCode
}

export interface RefusalOptions {
  /** Default `parameters`. */
  readonly frame?: RefusalFrame
  /** Decides the exit code of `score`; default `invalid-request`. */
  readonly code?: ProblemCode
}

/** Makes the error that a command throws when it will not do what it was told. */
export function refusal(message: string, options: RefusalOptions = {}): Refusal {
  return Object.assign(new UsageError(message), {
    frame: options.frame ?? ('parameters' as const),
    code: options.code ?? ('invalid-request' as const),
  })
}

export function isRefusal(error: unknown): error is Refusal {
  return error instanceof UsageError && 'frame' in error
}
