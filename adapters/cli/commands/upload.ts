import type { Run } from '../command-run.ts'
import { refusal } from '../refusal.ts'
import { openSession } from '../session.ts'
import { uploadListed } from '../upload-listed.ts'
import { uploadStudy } from '../upload-study.ts'

export const run: Run<'upload'> = async (values, positionals, context) => {
  const { study, file, manifest, objectId } = values
  const registers = study !== undefined
  if (registers && (manifest !== undefined || objectId !== undefined))
    throw refusal('--study registers files by itself: give files with it, not --manifest or --object-id')
  if (!registers && positionals.length > 0) throw refusal(`files by name need --study: score upload --study STUDY ${positionals.join(' ')}`)
  if (!registers && manifest === undefined && objectId === undefined) throw refusal('One of --object-id or --manifest must be specified')
  const paths = file === undefined ? positionals : [file, ...positionals]
  if (registers && paths.length === 0) throw refusal('--study needs the files to upload: score upload --study STUDY FILE...')
  const session = await openSession(context, { maxRate: values.maxRate })
  try {
    return registers ? await uploadStudy({ ...values, study, paths }, session, context) : await uploadListed(values, session, context)
  } finally {
    await session.close()
  }
}
