import type { ScoreApi } from '../api/score-api.ts'
import type { ByteSource } from '../bytes/byte-source.ts'
import { type CachedSourceOptions, createCachedSource } from '../bytes/cached-source.ts'
import { createHttpSource, type HttpSourceOptions } from '../bytes/http-source.ts'
import type { CallOptions } from '../core/call-options.ts'
import type { Entity, MetadataService } from '../metadata/metadata-service.ts'
import { findReadsIndex } from './reads-index.ts'

export interface ObjectSourceOptions extends Omit<HttpSourceOptions, 'url'> {
  /** Of the blocks that are kept in memory. */
  readonly cache?: CachedSourceOptions
}

/** The bytes of a stored object at any place, over URLs that are signed anew when they run out; nothing is asked before the first read. */
export function createObjectSource(api: Pick<ScoreApi, 'objectUrl'>, objectId: string, options: ObjectSourceOptions = {}): ByteSource {
  const { cache, ...http } = options
  const url = async (call: CallOptions): Promise<{ url: string; expiresAt: number }> => {
    const signed = await api.objectUrl(objectId, call)
    return { url: signed.url, expiresAt: signed.expiresAt.getTime() }
  }
  return createCachedSource(createHttpSource({ name: `object ${objectId}`, ...http, url }), cache)
}

/** A stored file of reads with its index, as a slicer takes them. */
export interface ObjectReads {
  readonly entity: Entity
  readonly data: ByteSource
  /** Both absent when its analysis has no index of it. */
  readonly indexEntity?: Entity
  readonly index?: ByteSource
  close(): Promise<void>
}

export interface ObjectReadsDependencies {
  readonly api: Pick<ScoreApi, 'objectUrl'>
  readonly metadata: Pick<MetadataService, 'entity' | 'entities'>
}

/**
 * Finds a file of reads and its index in the catalogue, and makes both readable. `createBamSlicer(reads, { name:
 * reads.entity.fileName })` slices it.
 *
 * @throws `entity-not-found`; whether the bytes may be had shows at the first read.
 */
export async function openObjectReads(
  { api, metadata }: ObjectReadsDependencies,
  objectId: string,
  options: ObjectSourceOptions & CallOptions = {},
): Promise<ObjectReads> {
  const { signal, ...source } = options
  const call = signal ? { signal } : {}
  const entity = await metadata.entity(objectId, call)
  const indexEntity = await findReadsIndex(metadata, entity, call)
  const open = ({ objectId: id, fileName }: Entity): ByteSource =>
    createObjectSource(api, id, { name: `${fileName} (object ${id})`, ...source })
  const data = open(entity)
  const index = indexEntity && open(indexEntity)
  return {
    entity,
    data,
    ...(indexEntity && index && { indexEntity, index }),
    async close() {
      await Promise.all([data.close(), index?.close()])
    },
  }
}
