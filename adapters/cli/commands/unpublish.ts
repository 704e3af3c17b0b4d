import { changeState } from '../analysis-state-change.ts'
import type { Run } from '../command-run.ts'

export const run: Run<'unpublish'> = (values, [analysisId], context) =>
  changeState('unpublish', { analysisId: analysisId as string, study: values.study }, context)
