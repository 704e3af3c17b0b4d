import type { Run } from '../command-run.ts'
import { type ReadsInput, withReads } from '../reads-input.ts'
import { openSession } from '../session.ts'

export const run: Run<'flagstat'> = async ({ referenceFile }, [argument = ''], context) => {
  const { output, signal } = context
  const { flagstat, formatFlagCounts } = await import('../../../src/index.ts')
  const count = async ({ name, slicer }: ReadsInput): Promise<number> => {
    const counts = await flagstat(slicer, 'all', { signal })
    if (output.json) output.event({ type: 'flagstat', input: name, counts })
    else output.data(formatFlagCounts(counts))
    return 0
  }
  return withReads(argument, context, openSession, count, { referenceFile })
}
