import type { Run } from '../command-run.ts'
import { printable } from '../format.ts'
import { openSession } from '../session.ts'

export const run: Run<'ls'> = async (values, _args, context) => {
  const { output, signal } = context
  const session = await openSession(context)
  try {
    const filter = {
      ...(values.studyId === undefined ? {} : { study: values.studyId }),
      ...(values.analysisId === undefined ? {} : { analysisId: values.analysisId }),
    }
    for await (const entity of session.catalogue().entities(filter, { signal })) {
      const { objectId, study, analysisId, access, fileName } = entity
      if (output.json) output.event({ type: 'entity', ...entity })
      else output.data(`${[objectId, study, analysisId, access, fileName].map(printable).join('\t')}\n`)
    }
    return 0
  } finally {
    await session.close()
  }
}
