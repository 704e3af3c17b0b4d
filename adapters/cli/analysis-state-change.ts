import type { CommandContext } from './context.ts'
import { openSession } from './session.ts'

const done = { publish: 'published', unpublish: 'unpublished', suppress: 'suppressed' } as const

interface StateChange {
  readonly analysisId: string
  /** Asked of the catalogue when absent. */
  readonly study: string | undefined
}

/** `score publish | unpublish | suppress`. */
export async function changeState(verb: keyof typeof done, change: StateChange, context: CommandContext): Promise<number> {
  const { output, signal } = context
  const { analysisId } = change
  const session = await openSession(context)
  try {
    const catalogue = session.catalogue()
    const study = change.study ?? (await catalogue.studyOf(analysisId, { signal }))
    await catalogue[verb](study, analysisId, { signal })
    output.event({ type: done[verb], study, analysisId })
    output.say(`Analysis ${analysisId} of study ${study} is ${done[verb]}.`)
    return 0
  } finally {
    await session.close()
  }
}
