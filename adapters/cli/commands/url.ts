import type { Run } from '../command-run.ts'
import { openSession } from '../session.ts'

export const run: Run<'url'> = async (values, _args, context) => {
  const { output, strict, signal } = context
  const session = await openSession(context)
  try {
    if (strict) output.say(`Resolving URL for object: ${values.objectId}`)
    const { url, expiresAt, size, md5 } = await session.api().objectUrl(values.objectId, { signal })
    if (output.json) output.event({ type: 'url', objectId: values.objectId, url, expiresAt: expiresAt.toISOString(), size, md5 })
    else output.data(`${url}\n`)
    return 0
  } finally {
    await session.close()
  }
}
