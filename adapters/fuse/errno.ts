import { constants } from 'node:os'
import { isScoreError, problems } from '../../src/index.ts'

/** The error number of a failure, positive; EIO for what is no `ScoreError`. */
export function errorNumberOf(error: unknown): number {
  return constants.errno[isScoreError(error) ? problems[error.code].errno : 'EIO']
}
