import type { CommandContext } from './context.ts'
import type { Session } from './session.ts'
import { verifyConnection } from './verify-connection.ts'

/** The check before a transfer, unless `--verify-connection false`. */
export async function checkConnection(wanted: boolean, session: Session, context: CommandContext): Promise<void> {
  if (!wanted) return
  if (context.strict) context.output.say('Validating repository connection...')
  const { isScoreError } = await import('../../src/index.ts')
  try {
    await verifyConnection({ api: session.api(), fetch: session.reach.fetch, advice: !context.strict }, { signal: context.signal })
  } catch (error) {
    // A site without the sentinel object can be transferred with all the same; the original could not.
    if (!isScoreError(error, 'object-not-found', 'invalid-request')) throw error
    if (!context.strict) context.output.warn(`the connection could not be checked: ${error.message}`)
  }
}
