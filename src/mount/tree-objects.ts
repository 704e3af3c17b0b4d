import type { ObjectInfo, ScoreApi } from '../api/score-api.ts'
import type { CallOptions } from '../core/call-options.ts'
import { isScoreError, type ProblemCode, ScoreError } from '../core/errors.ts'
import { requireObjectId } from '../core/object-id.ts'
import { runPool } from '../core/pool.ts'
import type { Entity, EntityFilter, MetadataService } from '../metadata/metadata-service.ts'
import type { TreeObject } from './tree-node.ts'

/** Which objects a tree shows. */
export type ObjectSelection =
  /** These only; nothing else is asked for. The ids of a manifest, those of its index files included. */
  | { readonly kind: 'objects'; readonly objectIds: readonly string[] }
  | { readonly kind: 'analysis'; readonly analysisId: string }
  | { readonly kind: 'study'; readonly study: string }
  | { readonly kind: 'everything' }

/** An object that was asked for, or that the catalogue knows, and that is not in the tree. */
export interface LeftOut {
  readonly objectId: string
  readonly code: ProblemCode
  readonly message: string
}

export interface TreeObjectsDependencies {
  readonly metadata: Pick<MetadataService, 'entity' | 'entities'>
  readonly api: Pick<ScoreApi, 'listObjects' | 'describeObject'>
}

export interface TreeObjectsOptions extends CallOptions {
  readonly selection: ObjectSelection
  /** Time of an object whose store tells none. */
  readonly modifiedOf: (objectId: string, size: number) => Date
  /** Objects asked about at once. */
  readonly concurrency: number
}

export interface FoundObjects {
  readonly objects: readonly TreeObject[]
  readonly leftOut: readonly LeftOut[]
}

/** What is wrong with one object only; anything else ends the listing. */
const ofOneObject: readonly ProblemCode[] = [
  'object-not-found',
  'entity-not-found',
  'analysis-not-found',
  'analysis-state',
  'access-denied',
]

function treeObject(entity: Entity, size: number, modified: Date): TreeObject {
  const { objectId, study, analysisId, fileName } = entity
  return { objectId, study, analysisId, fileName, size, modified }
}

function nothing(selection: ObjectSelection, first: LeftOut | undefined): ScoreError {
  if (selection.kind === 'study')
    return new ScoreError('entity-not-found', `study '${selection.study}' has no stored objects that may be read`)
  if (selection.kind === 'analysis')
    return new ScoreError('analysis-not-found', `analysis '${selection.analysisId}' has no stored objects that may be read`)
  if (first) return new ScoreError(first.code, `none of the objects asked for can be shown; the first: ${first.message}`)
  return new ScoreError('invalid-request', 'a list of objects to show needs at least one object id')
}

/** Joins the listing of the store with the catalogue: two streams of requests, however many objects there are. */
async function joinListing(
  dependencies: TreeObjectsDependencies,
  filter: EntityFilter,
  options: TreeObjectsOptions,
): Promise<FoundObjects> {
  const call: CallOptions = options.signal ? { signal: options.signal } : {}
  const stored = new Map<string, ObjectInfo>()
  for await (const info of dependencies.api.listObjects(call)) stored.set(info.objectId, info)
  const objects: TreeObject[] = []
  const leftOut: LeftOut[] = []
  for await (const entity of dependencies.metadata.entities(filter, call)) {
    const { objectId, fileName } = entity
    const info = stored.get(objectId)
    if (info) objects.push(treeObject(entity, info.size, info.lastModified))
    else
      leftOut.push({
        objectId,
        code: 'object-not-found',
        message: `'${fileName}' (${objectId}) is not among the stored objects that may be read`,
      })
  }
  return { objects, leftOut }
}

/** Asks for each object by itself. */
async function describeEach(
  dependencies: TreeObjectsDependencies,
  wanted: Iterable<string> | AsyncIterable<Entity>,
  options: TreeObjectsOptions,
): Promise<FoundObjects> {
  const objects: TreeObject[] = []
  const leftOut: LeftOut[] = []
  const describe = async (item: string | Entity, call: CallOptions): Promise<void> => {
    const objectId = typeof item === 'string' ? item : item.objectId
    try {
      const entity = typeof item === 'string' ? await dependencies.metadata.entity(item, call) : item
      const { size } = await dependencies.api.describeObject(objectId, call)
      objects.push(treeObject(entity, size, options.modifiedOf(objectId, size)))
    } catch (error) {
      if (!isScoreError(error, ...ofOneObject)) throw error
      leftOut.push({ objectId, code: error.code, message: error.message })
    }
  }
  const { concurrency, signal } = options
  await runPool<string | Entity>(wanted, describe, { concurrency, ...(signal ? { signal } : {}) })
  return { objects, leftOut }
}

/**
 * The objects of a selection, in order of id. One that cannot be shown (unknown, not stored, not allowed) is left out and told of.
 *
 * @throws `entity-not-found`, `analysis-not-found`, or the first object's problem, when nothing of what was named is there;
 *   `invalid-request` for an id that is none, or an empty list; what the services throw.
 */
export async function findTreeObjects(dependencies: TreeObjectsDependencies, options: TreeObjectsOptions): Promise<FoundObjects> {
  const { selection, signal } = options
  const find = async (): Promise<FoundObjects> => {
    if (selection.kind === 'objects') return describeEach(dependencies, new Set(selection.objectIds.map(requireObjectId)), options)
    if (selection.kind === 'study') return joinListing(dependencies, { study: selection.study }, options)
    if (selection.kind === 'everything') return joinListing(dependencies, {}, options)
    const entities = dependencies.metadata.entities({ analysisId: selection.analysisId }, signal ? { signal } : {})
    return describeEach(dependencies, entities, options)
  }
  const found = await find()
  const byId = (a: { readonly objectId: string }, b: { readonly objectId: string }): number => (a.objectId < b.objectId ? -1 : 1)
  const objects = [...found.objects].sort(byId)
  const leftOut = [...found.leftOut].sort(byId)
  if (objects.length === 0 && selection.kind !== 'everything') throw nothing(selection, leftOut[0])
  return { objects, leftOut }
}
