import { join } from 'node:path'
import type { CallOptions, Entity, MetadataService, ScoreError } from '../../src/index.ts'
import { isScoreErrorLike } from './error-report.ts'
import { printable } from './format.ts'
import { indexOf } from './index-of.ts'

export type OutputLayout = 'bundle' | 'filename' | 'id'

/** One object and where it goes. */
export interface DownloadTarget {
  readonly objectId: string
  /** As the catalogue names it; the object id where it was not asked. */
  readonly fileName: string
  readonly path: string
}

export interface DownloadPlan {
  readonly targets: readonly DownloadTarget[]
  /** What a person should know before it begins. */
  readonly warnings: readonly string[]
  /** Entities whose name cannot be one of a file here. */
  readonly refused: readonly RefusedEntity[]
}

export interface RefusedEntity {
  readonly objectId: string
  readonly name: string
  readonly error: ScoreError
}

export interface EntityQuery {
  readonly metadata: Pick<MetadataService, 'entity' | 'entities'>
  readonly objectIds: readonly string[]
  /** Also the index of each. */
  readonly index: boolean
  /** Index names beyond the original's. */
  readonly wide: boolean
  /** Entities asked for at once; default 6. */
  readonly concurrency?: number
}

async function collect(entities: AsyncIterable<Entity>): Promise<Entity[]> {
  const held: Entity[] = []
  for await (const entity of entities) held.push(entity)
  return held
}

/** The entities of an analysis. */
export function entitiesOf(
  metadata: Pick<MetadataService, 'entities'>,
  filter: { readonly study: string; readonly analysisId: string },
  options: CallOptions = {},
): Promise<Entity[]> {
  return collect(metadata.entities(filter, options))
}

/** The entities of the ids, each followed by its index; every analysis is listed once. */
export async function findEntities(query: EntityQuery, options: CallOptions = {}): Promise<Entity[]> {
  const { metadata, objectIds, index, wide } = query
  const analyses = new Map<string, Promise<Entity[]>>()
  const siblingsOf = (entity: Entity): Promise<Entity[]> => {
    const known = analyses.get(entity.analysisId)
    if (known) return known
    const listed = collect(metadata.entities({ analysisId: entity.analysisId }, options))
    analyses.set(entity.analysisId, listed)
    return listed
  }
  const { runPool } = await import('../../src/index.ts')
  const ids = [...new Set(objectIds)]
  const found = new Map<string, readonly Entity[]>()
  await runPool(
    ids,
    async (objectId, { signal }) => {
      const entity = await metadata.entity(objectId, { signal })
      const partner = index ? indexOf(entity, await siblingsOf(entity), wide) : undefined
      found.set(objectId, partner ? [entity, partner] : [entity])
    },
    { concurrency: query.concurrency ?? 6, ...options },
  )
  return withoutRepeats(ids.flatMap((id) => found.get(id) ?? []))
}

/** Each object once, at its first place. */
export function withoutRepeats(entities: readonly Entity[]): Entity[] {
  const seen = new Map<string, Entity>()
  for (const entity of entities) if (!seen.has(entity.objectId)) seen.set(entity.objectId, entity)
  return [...seen.values()]
}

export interface PlanOptions {
  readonly directory: string
  readonly layout: OutputLayout
  /** Refuses a name that would leave its folder or break it; `safeFileName` of the library. */
  readonly safeName: (name: string, entity: string) => string
}

function pathOf(entity: Entity, { directory, layout, safeName }: PlanOptions): string {
  const { objectId, analysisId, fileName } = entity
  if (layout === 'id') return join(directory, objectId)
  const name = safeName(fileName, `object ${objectId}`)
  return layout === 'bundle' ? join(directory, safeName(analysisId, `the analysis of object ${objectId}`), name) : join(directory, name)
}

/**
 * Where each entity goes. Two that would share a path: the first one stays, the other is told about. One among several
 * whose name cannot be used is left out as a failure; a single one is refused.
 */
export function planDownload(entities: readonly Entity[], options: PlanOptions): DownloadPlan {
  const taken = new Map<string, DownloadTarget>()
  const warnings: string[] = []
  const refused: RefusedEntity[] = []
  for (const entity of entities) {
    const { objectId, fileName } = entity
    let path: string
    try {
      path = pathOf(entity, options)
    } catch (error) {
      if (entities.length === 1 || !isScoreErrorLike(error)) throw error
      refused.push({ objectId, name: fileName, error })
      continue
    }
    const other = taken.get(path)
    if (other) {
      warnings.push(
        `File '${printable(fileName)}' (with object id '${other.objectId}') already scheduled for download. Omitting file with duplicate name (and object id '${objectId}')`,
      )
      continue
    }
    taken.set(path, { objectId, fileName, path })
  }
  return { targets: [...taken.values()], warnings, refused }
}
