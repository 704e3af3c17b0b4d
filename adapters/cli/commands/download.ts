import { resolve } from 'node:path'
import type { Entity } from '../../../src/index.ts'
import type { CommandValues, Run } from '../command-run.ts'
import { checkConnection } from '../connection-check.ts'
import type { CommandContext } from '../context.ts'
import { entitiesOf, findEntities, planDownload } from '../download-plan.ts'
import { downloadTargets, hasRange } from '../download-targets.ts'
import { readDownloadIds } from '../manifest-rows.ts'
import { refusal } from '../refusal.ts'
import { openSession, type Session } from '../session.ts'

type Values = CommandValues<'download'>

const oneSource =
  'Only one of --object-id, --manifest, or --analysis-id may be specified. --study-id may only be used together with --analysis-id, and is required if analysis-id is specified.'

function studyOf({ studyId, programId }: Values): string | undefined {
  return studyId ?? programId
}

function checkSource(values: Values): void {
  const sources = [
    values.objectId.length > 0,
    values.manifest !== undefined,
    values.analysisId !== undefined && studyOf(values) !== undefined,
  ]
  if (sources.filter(Boolean).length !== 1) throw refusal(oneSource)
  if (values.offset < 0) throw refusal(`--offset must not be negative, and is ${values.offset}`)
}

/** What is to be fetched, with names where the layout needs them. */
async function chosen(values: Values, session: Session, context: CommandContext): Promise<readonly Entity[]> {
  const { strict, signal } = context
  const { analysisId, outputLayout } = values
  // A range of a file has no index.
  const index = values.index && !hasRange(values)
  const study = studyOf(values)
  if (analysisId !== undefined && study !== undefined) return entitiesOf(session.catalogue(), { study, analysisId }, { signal })
  const objectIds = values.manifest === undefined ? values.objectId : await readDownloadIds(values.manifest, session, context)
  // Names are the catalogue's; without names and indexes there is nothing to ask it.
  if (outputLayout === 'id' && !index && !strict)
    return [...new Set(objectIds)].map((objectId) => ({ objectId, analysisId: '', fileName: objectId, study: '', access: '' }))
  return findEntities({ metadata: session.catalogue(), objectIds, index, wide: !strict }, { signal })
}

export const run: Run<'download'> = async (values, _args, context) => {
  checkSource(values)
  const { cwd, strict, output } = context
  const directory = resolve(cwd, values.outputDir)
  const session = await openSession(context, { maxRate: values.maxRate })
  try {
    await checkConnection(values.verifyConnection, session, context)
    const { makeFolder, safeFileName } = await import('../../../src/index.ts')
    await makeFolder(directory)
    if (strict) output.say('Downloading...')
    const entities = await chosen(values, session, context)
    const plan = planDownload(entities, { directory, layout: values.outputLayout, safeName: safeFileName })
    for (const warning of plan.warnings) output.warn(warning)
    const exitCode = await downloadTargets({ values, plan, directory, session }, context)
    if (strict && exitCode === 0) output.say('Done.')
    return exitCode
  } finally {
    await session.close()
  }
}
