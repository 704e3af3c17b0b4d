import type { Run } from '../command-run.ts'
import { requireObjectIdArgument } from '../object-id-argument.ts'
import { openSession } from '../session.ts'

export const run: Run<'cancel'> = async (_values, [text], context) => {
  const objectId = requireObjectIdArgument(text)
  const session = await openSession(context)
  try {
    await session.api().cancelUpload(objectId, { signal: context.signal })
    context.output.event({ type: 'cancelled', objectId })
    context.output.say(`The upload of ${objectId} is given up; its parts are discarded.`)
    return 0
  } finally {
    await session.close()
  }
}
