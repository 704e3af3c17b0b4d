import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { AnalysisPayload, Registration } from '../../src/index.ts'
import type { CommandContext } from './context.ts'
import { describeFiles } from './local-files.ts'
import { refusal } from './refusal.ts'
import type { Session } from './session.ts'

export interface RegistrationWishes {
  readonly study: string
  readonly paths: readonly string[]
  readonly access: 'open' | 'controlled'
  readonly analysisType: string | undefined
  /** Path of a JSON file. */
  readonly payload: string | undefined
  readonly allowDuplicates: boolean
  /** Whether an analysis that an earlier run has published will do. */
  readonly acceptPublished: boolean
}

async function readPayload(path: string, context: CommandContext): Promise<AnalysisPayload> {
  let content: unknown
  try {
    content = JSON.parse(await readFile(resolve(context.cwd, path), 'utf8'))
  } catch (error) {
    throw refusal(`--payload ${path} is not valid JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    throw refusal(`--payload ${path} must hold one JSON object`)
  return content as AnalysisPayload
}

/** Registers files, or finds the unpublished analysis that an earlier run made of the same ones. */
export async function register(wishes: RegistrationWishes, session: Session, context: CommandContext): Promise<Registration> {
  const { study, access, analysisType, allowDuplicates, acceptPublished } = wishes
  const payload = wishes.payload === undefined ? undefined : await readPayload(wishes.payload, context)
  const files = await describeFiles(wishes.paths, session, context)
  const { registerFiles } = await import('../../src/index.ts')
  const registration = await registerFiles(
    {
      registry: session.catalogue(),
      study,
      files,
      access,
      allowDuplicates,
      acceptPublished,
      ...(payload === undefined ? {} : { payload }),
      ...(analysisType === undefined ? {} : { analysisType }),
    },
    { signal: context.signal },
  )
  const { analysisId, continued, published } = registration
  context.output.event({ type: 'registered', study, analysisId, continued, published, files: registration.files })
  if (!published)
    context.output.say(
      continued ? `Going on with analysis ${analysisId} of study ${study}` : `Registered analysis ${analysisId} in study ${study}`,
    )
  return registration
}
