import type { ObjectInfo } from '../api/score-api.ts'
import { accessOf } from '../auth/scope-policy.ts'
import type { CallOptions } from '../core/call-options.ts'
import { limitCalls, mapAhead } from '../core/pool.ts'
import type { Entity, MetadataService } from '../metadata/metadata-service.ts'
import type { ObjectLayout } from '../storage/object-layout.ts'
import type { StorageBackend } from '../storage/storage-backend.ts'

async function* objectsOf(backend: StorageBackend, layout: ObjectLayout, root: number, options?: CallOptions): AsyncGenerator<ObjectInfo> {
  const prefix = layout.dataRoots()[root]
  if (!prefix) return
  for await (const { key, size, lastModified } of backend.list(prefix, options)) {
    const objectId = layout.objectIdOf(key)
    if (objectId !== undefined) yield { objectId, size, lastModified }
  }
}

/**
 * Every object of the store once, in order of id, streamed: the sorted listings of all buckets merged. An object in two
 * places is told of as it is in the first, where downloads look first.
 */
export async function* listStoredObjects(
  context: { readonly backend: StorageBackend; readonly layout: ObjectLayout },
  options?: CallOptions,
): AsyncGenerator<ObjectInfo> {
  const sources = context.layout.dataRoots().map((_, root) => objectsOf(context.backend, context.layout, root, options))
  try {
    const heads = await Promise.all(sources.map((source) => source.next()))
    for (;;) {
      let least: ObjectInfo | undefined
      for (const head of heads) if (!head.done && (least === undefined || head.value.objectId < least.objectId)) least = head.value
      if (least === undefined) return
      yield least
      for (const [index, head] of heads.entries())
        if (!head.done && head.value.objectId === least.objectId) heads[index] = await (sources[index] as (typeof sources)[number]).next()
    }
  } finally {
    await Promise.all(sources.map((source) => source.return(undefined)))
  }
}

/** What decides whether a caller without the system scope may see an object. */
export interface ListingRights {
  /** Whether the caller may read all of a study. */
  mayReadStudy(study: string): Promise<boolean>
  isPublished(entity: Entity): Promise<boolean>
}

/** Answers of `ask` by key, each asked once. */
function remembering<Value>(ask: (value: Value) => Promise<boolean>, keyOf: (value: Value) => string): (value: Value) => Promise<boolean> {
  const answers = new Map<string, Promise<boolean>>()
  return (value) => {
    const key = keyOf(value)
    const answer = answers.get(key) ?? ask(value)
    answers.set(key, answer)
    return answer
  }
}

/** States of analyses that are asked for side by side; each costs a call to Song. */
const statesAtOnce = 8
/** Objects that are looked at while the first of them waits for its answer. */
const objectsAhead = 256

interface Listed {
  readonly object: ObjectInfo
  readonly entity: Entity
}

/**
 * Stored objects with their records. Both the store and the catalogue give their rows in order of id, so one pass over both
 * is enough and nothing is held in memory.
 */
async function* registeredObjects(
  objects: AsyncIterable<ObjectInfo>,
  metadata: MetadataService,
  options?: CallOptions,
): AsyncGenerator<Listed> {
  const entities = metadata.entities({}, options)[Symbol.asyncIterator]()
  try {
    let row = await entities.next()
    for await (const object of objects) {
      while (!row.done && row.value.objectId < object.objectId) row = await entities.next()
      if (row.done) return
      if (row.value.objectId === object.objectId) yield { object, entity: row.value }
    }
  } finally {
    await entities.return?.()
  }
}

/**
 * The stored objects that the caller could download now: open ones and those of the caller's studies, published. Each study
 * and each analysis is asked for once, analyses side by side.
 */
export async function* listVisibleObjects(
  objects: AsyncIterable<ObjectInfo>,
  metadata: MetadataService,
  rights: ListingRights,
  options?: CallOptions,
): AsyncGenerator<ObjectInfo> {
  const mayReadStudy = remembering(rights.mayReadStudy, (study) => study)
  const isPublished = remembering(limitCalls(rights.isPublished, statesAtOnce), (entity: Entity) => `${entity.study}\n${entity.analysisId}`)
  const look = async ({ object, entity }: Listed): Promise<ObjectInfo | undefined> => {
    const access = accessOf(entity)
    // A record that is odd cannot be downloaded either; it must not cost everybody the list.
    const readable = access === 'open' || (access === 'controlled' && (await mayReadStudy(entity.study)))
    return readable && (await isPublished(entity)) ? object : undefined
  }
  for await (const visible of mapAhead(registeredObjects(objects, metadata, options), look, objectsAhead)) if (visible) yield visible
}
