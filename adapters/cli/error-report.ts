import type { ProblemCode, ScoreError } from '../../src/index.ts'
import { isRefusal, type RefusalFrame } from './refusal.ts'

/** How a failed command is told: the line after `ERROR: `, the exit code, the stable code for `--json`. */
export interface FailureReport {
  readonly message: string
  readonly exitCode: number
  readonly code: ProblemCode
}

const frames: Readonly<Record<RefusalFrame, string>> = {
  parameters: 'Bad parameter(s): ',
  'missing-command': 'Missing command: ',
  plain: '',
}

export function isScoreErrorLike(error: unknown): error is ScoreError {
  return error instanceof Error && error.name === 'ScoreError' && 'code' in error
}

const catalogueCodes: readonly ProblemCode[] = ['entity-not-found', 'analysis-not-found']

function originalMessage(error: unknown): string {
  if (isRefusal(error)) return frames[error.frame] + error.message
  const message = error instanceof Error ? error.message : String(error)
  if (isScoreErrorLike(error) && catalogueCodes.includes(error.code)) return `Entity not found: ${message}`
  return `Command error: ${message}`
}

function codeOf(error: unknown): ProblemCode {
  return isRefusal(error) || isScoreErrorLike(error) ? error.code : 'internal'
}

/** `exitCodes`: the table of `problems`; loaded only when something failed, because it comes with the whole library. */
export function failureReport(
  error: unknown,
  strict: boolean,
  exitCodes: Readonly<Record<ProblemCode, { readonly exitCode: number }>>,
): FailureReport {
  const code = codeOf(error)
  if (strict) return { message: originalMessage(error), exitCode: 1, code }
  const message = error instanceof Error ? error.message : String(error)
  return { message, exitCode: exitCodes[code].exitCode, code }
}

/** Where it came from, causes included: for `--debug` alone. */
export function debugTrail(error: unknown): string {
  const lines: string[] = []
  for (let at: unknown = error; at instanceof Error; at = at.cause)
    lines.push(`${lines.length === 0 ? '' : 'caused by '}${at.stack ?? at.message}`)
  return lines.join('\n')
}
