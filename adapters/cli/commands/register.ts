import type { Run } from '../command-run.ts'
import { register } from '../registration.ts'
import { openSession } from '../session.ts'

export const run: Run<'register'> = async (values, paths, context) => {
  const session = await openSession(context)
  try {
    const { analysisId, files } = await register({ ...values, paths, acceptPublished: false }, session, context)
    const { formatUploadManifest } = await import('../../../src/index.ts')
    if (!context.output.json) context.output.data(formatUploadManifest(analysisId, files))
    return 0
  } finally {
    await session.close()
  }
}
