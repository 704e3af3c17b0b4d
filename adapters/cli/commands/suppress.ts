import { changeState } from '../analysis-state-change.ts'
import type { Run } from '../command-run.ts'

export const run: Run<'suppress'> = (values, [analysisId], context) =>
  changeState('suppress', { analysisId: analysisId as string, study: values.study }, context)
