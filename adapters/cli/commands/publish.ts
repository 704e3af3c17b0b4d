import { changeState } from '../analysis-state-change.ts'
import type { Run } from '../command-run.ts'

export const run: Run<'publish'> = (values, [analysisId], context) =>
  changeState('publish', { analysisId: analysisId as string, study: values.study }, context)
