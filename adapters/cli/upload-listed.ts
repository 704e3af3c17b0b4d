import { realpath, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { TransferTask } from '../../src/index.ts'
import type { CommandValues } from './command-run.ts'
import { checkConnection } from './connection-check.ts'
import type { CommandContext } from './context.ts'
import { readUploadRows, type UploadRow } from './manifest-rows.ts'
import { refusal } from './refusal.ts'
import type { Session } from './session.ts'
import { exitCodeOf, report } from './summary.ts'
import { runOriginal, runTransfers } from './transfer-run.ts'

async function rowsOf(values: CommandValues<'upload'>, session: Session, context: CommandContext): Promise<readonly UploadRow[]> {
  const { manifest, objectId, file, md5 } = values
  if (manifest !== undefined) return readUploadRows(manifest, session, context)
  if (file === undefined) throw refusal('--file must be specified if --object-id is specified')
  if (md5 === undefined) throw refusal('--md5 must be specified if --object-id is specified')
  return [{ objectId: objectId as string, path: resolve(context.cwd, file), md5 }]
}

async function checkFile({ path }: UploadRow, strict: boolean): Promise<void> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw refusal(`file '${path}' cannot be read (${error.code}); check its permissions`, { code: 'local-storage' })
  })
  if (!found && !strict) throw refusal(`file '${path}' does not exist; check the name, or the folder the manifest was made in`)
  if (found && !found.isFile()) throw refusal(`'${path}' is not a regular file`)
  // The original takes a file that is not there for an empty one.
  if (!found?.size)
    throw refusal(`File '${found ? await realpath(path) : path}' is empty. Uploads of empty files are not permitted. Aborting...`)
}

async function checkObject({ objectId }: UploadRow, force: boolean, session: Session, context: CommandContext): Promise<void> {
  if (!(await session.api().objectExists(objectId, { signal: context.signal }))) return
  if (!force)
    throw refusal(`Object id ${objectId} already exists remotely and --force was not specified. Aborting...`, { code: 'object-exists' })
  context.output.warn(`Object ${objectId} exists and --force specified. Overwriting...`)
}

function taskOf(row: UploadRow, force: boolean, session: Session): TransferTask {
  const stateDir = session.config.text('client.uploadStateDir')
  return {
    upload: {
      objectId: row.objectId,
      from: { path: row.path },
      ...(row.md5 === '' ? {} : { md5: row.md5 }),
      overwrite: force,
      ...(stateDir === '' ? {} : { stateDir }),
    },
  }
}

/** `upload --manifest` and `upload --object-id`: objects that were registered before. */
export async function uploadListed(values: CommandValues<'upload'>, session: Session, context: CommandContext): Promise<number> {
  const { strict, output, now } = context
  const { force } = values
  const rows = await rowsOf(values, session, context)
  if (!strict) for (const row of rows) await checkFile(row, strict)
  await checkConnection(values.verifyConnection, session, context)
  const run = {
    engine: session.engine(),
    concurrency: Math.max(1, session.config.integer('transport.parallel')),
    files: values.files,
    wait: values.wait,
  }
  if (strict) {
    for (const row of rows) {
      await checkFile(row, strict)
      await checkObject(row, force, session, context)
      output.say(`Uploading object: '${row.path}' using the object id ${row.objectId}`)
      await runOriginal(taskOf(row, force, session), run, context)
      output.say('Upload completed')
    }
    return 0
  }
  const started = now()
  const { problems } = await import('../../src/index.ts')
  const summary = await runTransfers(
    rows.map((row) => taskOf(row, force, session)),
    run,
    context,
  )
  report(summary, (now() - started) / 1000, output)
  for (const { objectId, name } of summary.receipts) if (!output.json) output.data(`${objectId}\t${name}\n`)
  return exitCodeOf(summary, problems)
}
