import type { Registration, TransferTask } from '../../src/index.ts'
import type { CommandValues } from './command-run.ts'
import { checkConnection } from './connection-check.ts'
import type { CommandContext } from './context.ts'
import { printable } from './format.ts'
import { register } from './registration.ts'
import type { Session } from './session.ts'
import { exitCodeOf, report } from './summary.ts'
import { runTransfers } from './transfer-run.ts'

type StudyUpload = CommandValues<'upload'> & { readonly study: string; readonly paths: readonly string[] }

type RegisteredHere = Registration['files'][number]

/** Whether an earlier run has brought the very bytes already, or somebody others. */
async function held(file: RegisteredHere, session: Session, signal: AbortSignal): Promise<'same' | 'other' | 'none'> {
  const api = session.api()
  if (!(await api.objectExists(file.objectId, { signal }))) return 'none'
  const spec = await api.describeObject(file.objectId, { signal })
  return spec.size === file.size && spec.md5 === file.md5 ? 'same' : 'other'
}

async function tasksOf(
  registration: Registration,
  force: boolean,
  session: Session,
  context: CommandContext,
): Promise<{ readonly tasks: readonly TransferTask[]; readonly stored: readonly RegisteredHere[] }> {
  const stateDir = session.config.text('client.uploadStateDir')
  const tasks: TransferTask[] = []
  const stored: RegisteredHere[] = []
  for (const file of registration.files) {
    const there = registration.continued && !force ? await held(file, session, context.signal) : 'none'
    if (there === 'same') {
      context.output.say(`${printable(file.path)} is stored already`)
      stored.push(file)
      continue
    }
    const { objectId, path, md5 } = file
    // The analysis is the same person's, so an upload of it that was begun elsewhere may be gone on with.
    tasks.push({
      upload: {
        objectId,
        from: { path },
        md5,
        overwrite: force || there === 'other',
        adopt: true,
        ...(stateDir === '' ? {} : { stateDir }),
      },
    })
  }
  return { tasks, stored }
}

/** A repeat of a command that has done its work. */
function alreadyPublished({ study, analysisId, files }: Registration, seconds: number, { output }: CommandContext): number {
  output.say(`Nothing to do: analysis ${analysisId} of study ${study} holds these files and is published`)
  report({ receipts: [], failures: [], notBegun: 0 }, seconds, output, { study, analysisId, published: true })
  if (!output.json) for (const { objectId, path } of files) output.data(`${objectId}\t${path}\n`)
  return 0
}

/** `upload --study S FILE...`: registers, uploads and publishes; a repeat goes on with what is not published. */
export async function uploadStudy(values: StudyUpload, session: Session, context: CommandContext): Promise<number> {
  const { output, now, signal } = context
  const started = now()
  await checkConnection(values.verifyConnection, session, context)
  const acceptPublished = !values.force && !values.allowDuplicates
  const registration = await register({ ...values, acceptPublished }, session, context)
  const { study, analysisId, files } = registration
  if (registration.published) return alreadyPublished(registration, (now() - started) / 1000, context)
  const { tasks, stored } = await tasksOf(registration, values.force, session, context)
  const run = {
    engine: session.engine(),
    concurrency: Math.max(1, session.config.integer('transport.parallel')),
    files: values.files,
    wait: values.wait,
  }
  const summary = await runTransfers(tasks, run, context)
  const complete = summary.receipts.length + stored.length === files.length
  const published = complete && values.publish
  if (published) {
    await session.catalogue().publish(study, analysisId, { signal })
    output.say(`Published analysis ${analysisId}`)
  } else if (!complete) output.warn(`analysis ${analysisId} is not published: the same command goes on with what is missing`)
  report(summary, (now() - started) / 1000, output, { study, analysisId, published })
  if (!output.json && complete) for (const { objectId, path } of files) output.data(`${objectId}\t${path}\n`)
  const { problems } = await import('../../src/index.ts')
  return exitCodeOf(summary, problems)
}
