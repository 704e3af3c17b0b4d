import { createHash } from 'node:crypto'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { ObjectSelection, TreeObjectsDependencies } from '../../src/index.ts'
import type { CommandValues } from './command-run.ts'
import type { CommandContext } from './context.ts'
import { readDownloadIds } from './manifest-rows.ts'
import { refusal } from './refusal.ts'
import type { Session } from './session.ts'

type Values = CommandValues<'mount'>

/** @throws a refusal when two of the options that name objects are given. */
export async function selectionOf(values: Values, session: Session, context: CommandContext): Promise<ObjectSelection> {
  const { manifest, studyId, analysisId } = values
  if (manifest !== undefined && (studyId !== undefined || analysisId !== undefined))
    throw refusal('--manifest names the objects already: leave --study-id and --analysis-id out')
  if (manifest !== undefined) {
    const rows = await readDownloadIds(manifest, session, context, { indexes: true })
    return { kind: 'objects', objectIds: [...new Set(rows)] }
  }
  if (analysisId !== undefined) return { kind: 'analysis', analysisId }
  return studyId === undefined ? { kind: 'everything' } : { kind: 'study', study: studyId }
}

/** Where listings are kept: as the original where it runs, else apart for each service. */
async function listingFolder(session: Session, { strict, cwd, env }: CommandContext): Promise<string> {
  if (strict) return cwd
  const base = env['XDG_CACHE_HOME'] || join(env['HOME'] || homedir(), '.cache')
  const service = `${session.config.text('storage.url')} ${session.config.text('metadata.url')}`
  const folder = join(base, 'score', 'listings', createHash('sha256').update(service).digest('hex').slice(0, 16))
  const { makeFolder } = await import('../../src/index.ts')
  await makeFolder(folder, { mode: 0o700 })
  return folder
}

export interface MountServices {
  readonly services: TreeObjectsDependencies
  /** Has what is kept asked for anew. */
  refresh(): void
}

export async function servicesOf(values: Values, session: Session, context: CommandContext): Promise<MountServices> {
  const services = { metadata: session.catalogue(), api: session.api() }
  if (!values.cacheMetadata) return { services, refresh: () => undefined }
  const { createCachedListing } = await import('../../src/index.ts')
  const folder = await listingFolder(session, context)
  const listing = createCachedListing(services, {
    entitiesPath: join(folder, '.entities.cache'),
    objectsPath: join(folder, '.objects.cache'),
  })
  return { services: listing, refresh: listing.refresh }
}
