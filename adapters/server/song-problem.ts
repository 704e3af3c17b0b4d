import { STATUS_CODES } from 'node:http'
import { isScoreError, type ProblemCode, problems, publicMessage, redactText, songErrorId, songErrors } from '../../src/index.ts'

/** Song's error body (song.md 5): every key present, in its order; no stack and no class names. */
export interface SongProblem {
  readonly errorId: string
  readonly httpStatusCode: number
  readonly httpStatusName: string
  readonly requestUrl: string
  readonly datetime: string
  readonly timestamp: number
  readonly message: string
  readonly debugMessage: 'N/A'
  readonly stackTrace: readonly []
}

const errorIds: Readonly<Partial<Record<ProblemCode, string>>> = {
  unauthenticated: 'unauthorized.token',
  'access-denied': 'forbidden.token',
  unavailable: 'service.unavailable',
  'invalid-request': 'malformed.parameter',
}

export function songProblem(problem: {
  readonly errorId: string
  readonly status: number
  readonly message: string
  readonly requestUrl: string
  readonly now: Date
}): SongProblem {
  const { errorId, status, message, requestUrl, now } = problem
  return {
    errorId,
    httpStatusCode: status,
    httpStatusName: (STATUS_CODES[status] ?? 'Unknown').toUpperCase().replace(/[^A-Z]+/g, '_'),
    requestUrl,
    datetime: `${now.toISOString()}[UTC]`,
    timestamp: now.getTime(),
    message: redactText(message),
    debugMessage: 'N/A',
    stackTrace: [],
  }
}

/** Song's id, the status and the words for a failure; what is no error of ours tells nothing of its inside. */
export function describeProblem(error: unknown): { readonly errorId: string; readonly status: number; readonly message: string } {
  if (!isScoreError(error))
    return { errorId: 'unknown.error', status: 500, message: 'something went wrong inside the server; its log says what' }
  const errorId = songErrorId(error)
  if (errorId !== undefined) return { errorId, status: songErrors[errorId].status, message: publicMessage(error) }
  return { errorId: errorIds[error.code] ?? 'unknown.error', status: problems[error.code].status, message: publicMessage(error) }
}
