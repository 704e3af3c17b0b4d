import type { QuickCheck } from '../../../src/index.ts'
import type { Run } from '../command-run.ts'
import { isScoreErrorLike } from '../error-report.ts'
import { printable } from '../format.ts'
import { withReads } from '../reads-input.ts'
import { openSession } from '../session.ts'

const allBad = 2
const someBad = 8

/** What is wrong with a file; an input that is not there is told like one that is damaged, where there are others. */
export const run: Run<'quickcheck'> = async (_values, args, context) => {
  const { output, signal } = context
  const { quickCheck } = await import('../../../src/index.ts')
  let bad = 0
  for (const argument of args) {
    const check = await withReads(argument, context, openSession, ({ name, data }) => quickCheck(data, name, { signal })).catch(
      (error: unknown): QuickCheck => {
        signal.throwIfAborted()
        if (args.length === 1 || !(isScoreErrorLike(error) || error instanceof Error)) throw error
        return { size: 0, problems: [error.message] }
      },
    )
    const { problems } = check
    if (problems.length > 0) bad += 1
    output.event({ type: 'quickcheck', input: argument, ...check })
    if (!output.json) output.data(`${printable(argument)}\t${problems.length === 0 ? 'ok' : printable(problems.join('; '))}\n`)
  }
  if (bad === 0) return 0
  return bad === args.length ? allBad : someBad
}
