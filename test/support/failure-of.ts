import { isScoreError, type ScoreError } from '../../src/core/errors.ts'

/** What work fails with, which must be a {@link ScoreError}: whatever else it throws is thrown on. */
export async function failureOf(work: Promise<unknown>): Promise<ScoreError> {
  try {
    await work
  } catch (error) {
    if (isScoreError(error)) return error
    throw error
  }
  throw new Error('it did not fail')
}
