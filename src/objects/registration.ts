import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import type { AnalysisState, Entity, EntityWithState, MetadataService } from '../metadata/metadata-service.ts'

export interface RegistrationOptions {
  readonly metadata: MetadataService
  /** Leave the states of analyses unasked, as the original's `metadata.useLegacyMode`; default false. */
  readonly legacyMode?: boolean
}

/** An entity, and the state of its analysis where both were told at once. */
export type Registered = Pick<EntityWithState, 'entity'> & Partial<EntityWithState>

/** What the catalogue has to say before bytes move. */
export interface Registration {
  /** @throws `entity-not-found`; `analysis-state` unless UNPUBLISHED. */
  requireUploadable(objectId: string, options?: CallOptions): Promise<Entity>
  /** @throws `entity-not-found`. */
  find(objectId: string, options?: CallOptions): Promise<Registered>
  /** @throws `analysis-state` unless PUBLISHED. */
  requireDownloadable(registered: Registered, options?: CallOptions): Promise<void>
  isPublished(entity: Entity, options?: CallOptions): Promise<boolean>
  /**
   * Compares with the registered file; what the catalogue does not know is not checked.
   *
   * @throws `size-changed`, `checksum-mismatch`.
   */
  requireAsRegistered(entity: Entity, wanted: { readonly size: number; readonly md5?: string }, options?: CallOptions): Promise<void>
}

const waysOut: Readonly<Record<'UNPUBLISHED' | 'PUBLISHED', string>> = {
  UNPUBLISHED: 'files can be uploaded only while it is UNPUBLISHED: unpublish it first',
  PUBLISHED: 'files can be downloaded only once it is PUBLISHED: publish it first',
}

function wrongState(entity: Entity, state: AnalysisState, wanted: 'UNPUBLISHED' | 'PUBLISHED'): ScoreError {
  return new ScoreError(
    'analysis-state',
    `object ${entity.objectId} (${entity.fileName}) belongs to analysis ${entity.analysisId} of study ${entity.study}, which is ${state}; ${waysOut[wanted]}`,
  )
}

export function createRegistration({ metadata, legacyMode = false }: RegistrationOptions): Registration {
  const requireState = async (registered: Registered, wanted: 'UNPUBLISHED' | 'PUBLISHED', options?: CallOptions): Promise<void> => {
    if (legacyMode) return
    const { entity } = registered
    const state = registered.state ?? (await metadata.analysisState(entity, options))
    if (state !== wanted) throw wrongState(entity, state, wanted)
  }
  return {
    async requireUploadable(objectId, options) {
      const entity = await metadata.entity(objectId, options)
      await requireState({ entity }, 'UNPUBLISHED', options)
      return entity
    },
    async find(objectId, options) {
      if (metadata.entityWithState && !legacyMode) return metadata.entityWithState(objectId, options)
      return { entity: await metadata.entity(objectId, options) }
    },
    requireDownloadable: (registered, options) => requireState(registered, 'PUBLISHED', options),
    isPublished: async (entity, options) => legacyMode || (await metadata.analysisState(entity, options)) === 'PUBLISHED',
    async requireAsRegistered(entity, wanted, options) {
      const file = await metadata.file(entity, options)
      const name = `object ${entity.objectId} (${entity.fileName})`
      if (file?.size !== undefined && file.size !== wanted.size)
        throw new ScoreError(
          'size-changed',
          `${name} is registered with ${file.size} bytes, the file to upload has ${wanted.size}; register it anew or upload the right file`,
        )
      if (file?.md5 !== undefined && wanted.md5 !== undefined && file.md5.toLowerCase() !== wanted.md5)
        throw new ScoreError(
          'checksum-mismatch',
          `${name} is registered with MD5 ${file.md5}, the file to upload has ${wanted.md5}; register it anew or upload the right file`,
        )
    },
  }
}
