import type { ScoreApi } from '../api/score-api.ts'
import type { Authorizer } from '../auth/authorizer.ts'
import type { CallOptions } from '../core/call-options.ts'
import { isScoreError, ScoreError } from '../core/errors.ts'
import { isObjectId } from '../core/object-id.ts'
import type { PartPlanOptions } from '../core/part-plan.ts'
import type { Entity, MetadataService } from '../metadata/metadata-service.ts'
import type { ObjectLayout } from '../storage/object-layout.ts'
import type { StorageBackend } from '../storage/storage-backend.ts'
import { createDownloads, type Downloads } from './downloads.ts'
import { guardBackend } from './guarded-backend.ts'
import { listStoredObjects, listVisibleObjects } from './listing.ts'
import { createPresignService, type PresignService } from './presign-service.ts'
import { createRegistration, type Registration } from './registration.ts'
import { createSpecStore } from './spec-store.ts'
import { createStateRemovals } from './state-removals.ts'
import { createUploadJournal } from './upload-journal.ts'
import { createUploads, type Uploads } from './uploads.ts'

export interface ScoreServiceOptions {
  readonly backend: StorageBackend
  readonly layout: ObjectLayout
  readonly metadata: MetadataService
  readonly authorizer: Authorizer
  /** Default: URLs signed by the backend, with the original's lifetimes. */
  readonly presign?: PresignService
  readonly partPlan?: PartPlanOptions
  /** Of the largest object that the store takes: an upload of a larger one is refused when it begins. Default: what the part plan allows. */
  readonly largestObjectBytes?: number
  /** Default `md5chksum`; see `SpecStoreOptions`. */
  readonly customMd5Property?: string
  /** Leave the states of analyses unasked; default false. */
  readonly legacyMode?: boolean
  /** Told of failures of the store behind answers that were given, which are made good later: by no caller they are heard of. */
  readonly onStoreFailure?: (error: ScoreError) => void
  /** Milliseconds since 1970; default the system's clock. */
  readonly now?: () => number
}

/** The service, before it is told who is asking. It keeps no state: any number of them may serve one store. */
export interface ScoreService {
  /** The service as the bearer of this token sees it; `undefined` is an anonymous caller. */
  as(token: string | undefined): ScoreApi
  /**
   * Asks the store for the sentinel.
   *
   * @throws `invalid-configuration` when it is missing or the store refuses us; `unavailable`.
   */
  ready(options?: CallOptions): Promise<void>
  /** Waits for what is still done behind answers that were given, 30 seconds at most: before a process ends. */
  settle(): Promise<void>
}

interface ServiceParts {
  readonly backend: StorageBackend
  readonly layout: ObjectLayout
  readonly metadata: MetadataService
  readonly authorizer: Authorizer
  readonly registration: Registration
  readonly uploads: Uploads
  readonly downloads: Downloads
}

/** Resolves to false when the right is missing, instead of throwing; everything else still throws. */
async function isAllowed(authorized: Promise<unknown>): Promise<boolean> {
  try {
    await authorized
    return true
  } catch (error) {
    if (isScoreError(error, 'access-denied')) return false
    throw error
  }
}

/** The result of one call, however often it is asked for. */
function once<Result>(call: () => Promise<Result>): () => Promise<Result> {
  let asked: Promise<Result> | undefined
  return () => {
    asked ??= call()
    return asked
  }
}

function createCaller(parts: ServiceParts, token: string | undefined) {
  const { authorizer } = parts
  const requireObject = async (objectId: string, options?: CallOptions): Promise<void> => {
    if (isObjectId(objectId)) return
    if (token !== undefined) await authorizer.authorize({ token, action: 'identify' }, options)
    throw new ScoreError(
      'entity-not-found',
      `'${objectId}' is no object id: object ids are UUIDs such as 5be58fbb-775b-5259-bbbd-555e07fbdf24`,
    )
  }
  return {
    async requireUpload(objectId: string, options?: CallOptions): Promise<void> {
      await requireObject(objectId, options)
      await authorizer.authorize({ token, action: 'upload', objectId }, options)
    },
    async requireDownload(objectId: string, options?: CallOptions): Promise<void> {
      await requireObject(objectId, options)
      const registered = once(() => parts.registration.find(objectId, options))
      const entity = async (): Promise<Entity> => (await registered()).entity
      await authorizer.authorize({ token, action: 'download', objectId, entity }, options)
      await parts.registration.requireDownloadable(await registered(), options)
    },
    mayReadStudy: (study: string, options?: CallOptions) => isAllowed(authorizer.authorize({ token, action: 'download', study }, options)),
    /**
     * Sizes and MD5s of what is not published are for those who may read all of the study, or fill it
     * (score-server.md 10.C2); the system scope asks the catalogue nothing.
     */
    async requireDescription(objectId: string, options?: CallOptions): Promise<void> {
      await requireObject(objectId, options)
      if (await isAllowed(authorizer.authorize({ token, action: 'download' }, options))) return
      const entity = await parts.metadata.entity(objectId, options)
      if (await parts.registration.isPublished(entity, options)) {
        await authorizer.authorize({ token, action: 'download', objectId, entity: async () => entity }, options)
        return
      }
      const { study } = entity
      if (await isAllowed(authorizer.authorize({ token, action: 'upload', study }, options))) return
      await authorizer.authorize({ token, action: 'download', study }, options)
    },
  }
}

async function* listFor(parts: ServiceParts, token: string | undefined, options?: CallOptions): ReturnType<typeof listStoredObjects> {
  const caller = createCaller(parts, token)
  const all = await isAllowed(parts.authorizer.authorize({ token, action: 'list' }, options))
  const stored = listStoredObjects(parts, options)
  if (all) return yield* stored
  const rights = {
    mayReadStudy: (study: string) => caller.mayReadStudy(study, options),
    isPublished: (entity: Parameters<Registration['isPublished']>[0]) => parts.registration.isPublished(entity, options),
  }
  yield* listVisibleObjects(stored, parts.metadata, rights, options)
}

function createApi(parts: ServiceParts, token: string | undefined): ScoreApi {
  const { authorizer, uploads, downloads, backend } = parts
  const caller = createCaller(parts, token)
  return {
    async openUpload(request, options) {
      await caller.requireUpload(request.objectId, options)
      return uploads.open(request, options)
    },
    async resumeUpload(request, options) {
      await caller.requireUpload(request.objectId, options)
      return uploads.resume(request, options)
    },
    async finalizePart(upload, receipt, options) {
      await caller.requireUpload(upload.objectId, options)
      await uploads.finalizePart(upload, receipt, options)
    },
    async deletePart(upload, partNumber, options) {
      await caller.requireUpload(upload.objectId, options)
      await uploads.deletePart(upload, partNumber, options)
    },
    async finalizeUpload(upload, options) {
      await caller.requireUpload(upload.objectId, options)
      await uploads.finalize(upload, options)
    },
    async cancelUpload(objectId, options) {
      await caller.requireUpload(objectId, options)
      await uploads.cancel(objectId, options)
    },
    async objectExists(objectId, options) {
      await caller.requireUpload(objectId, options)
      return uploads.exists(objectId, options)
    },
    async downloadSpec(query, options) {
      await caller.requireDownload(query.objectId, options)
      return downloads.spec(query, options)
    },
    async describeObject(objectId, options) {
      await caller.requireDescription(objectId, options)
      return downloads.describe(objectId, options)
    },
    async objectUrl(objectId, options) {
      await caller.requireDownload(objectId, options)
      return downloads.url(objectId, options)
    },
    listObjects: (options) => listFor(parts, token, options),
    async sentinelUrl(options) {
      if (token !== undefined) await authorizer.authorize({ token, action: 'identify' }, options)
      return downloads.sentinelUrl(options)
    },
    async profile(options) {
      await authorizer.authorize({ token, action: 'identify' }, options)
      return backend.name === 'azure' ? 'az' : 's3'
    },
  }
}

/** Puts a store, a catalogue and an authorizer together to the service that all surfaces speak to. */
export function createScoreService(options: ScoreServiceOptions): ScoreService {
  const { layout, metadata, authorizer } = options
  const backend = guardBackend(options.backend)
  const presign = options.presign ?? createPresignService({ backend })
  const specs = createSpecStore({ backend, layout, ...(options.customMd5Property ? { customMd5Property: options.customMd5Property } : {}) })
  const registration = createRegistration({ metadata, legacyMode: options.legacyMode ?? false })
  const plan = options.partPlan ? { partPlan: options.partPlan } : {}
  const largest = options.largestObjectBytes === undefined ? {} : { largestObjectBytes: options.largestObjectBytes }
  const journal = createUploadJournal({ backend, layout })
  const removals = createStateRemovals({ journal, ...(options.onStoreFailure ? { onFailure: options.onStoreFailure } : {}) })
  const parts: ServiceParts = {
    backend,
    layout,
    metadata,
    authorizer,
    registration,
    uploads: createUploads({
      backend,
      layout,
      journal,
      removals,
      specs,
      registration,
      presign,
      now: options.now ?? Date.now,
      ...plan,
      ...largest,
    }),
    downloads: createDownloads({ layout, specs, presign, ...plan }),
  }
  return {
    as: (token) => createApi(parts, token),
    async ready(call) {
      if (await backend.head(layout.sentinel, call)) return
      const { bucket, key } = layout.sentinel
      throw new ScoreError('invalid-configuration', `bucket '${bucket}' lacks the sentinel object '${key}'; put an empty object there`)
    },
    settle: removals.settle,
  }
}
