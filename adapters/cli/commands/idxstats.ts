import type { Run } from '../command-run.ts'
import { withReads } from '../reads-input.ts'
import { openSession } from '../session.ts'

export const run: Run<'idxstats'> = async ({ scan }, [argument = ''], context) => {
  const { output, signal } = context
  const { formatReferenceCounts } = await import('../../../src/index.ts')
  return withReads(argument, context, openSession, async ({ slicer }) => {
    const counts = await slicer.referenceCounts({ scan, signal })
    for (const count of counts) output.event({ type: 'reference', ...count })
    if (!output.json) output.data(formatReferenceCounts(counts))
    return 0
  })
}
