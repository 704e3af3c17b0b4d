import type { ScoreApi } from '../api/score-api.ts'
import type { Authorizer, TokenVerifier } from '../auth/authorizer.ts'
import { type AuthDecision, createObservedAuthorizer } from '../auth/observed-authorizer.ts'
import { createOpenAuthorizer } from '../auth/open-authorizer.ts'
import { createStaticTokenVerifier } from '../auth/static-token-verifier.ts'
import { createStudyAuthorizer } from '../auth/study-authorizer.ts'
import type { CallOptions } from '../core/call-options.ts'
import type { ScoreError } from '../core/errors.ts'
import type { PartPlanOptions } from '../core/part-plan.ts'
import type { Catalogue } from '../metadata/catalogue/catalogue.ts'
import { openCatalogue } from '../metadata/catalogue/open-catalogue.ts'
import type { MetadataService } from '../metadata/metadata-service.ts'
import { createObjectStates } from '../objects/object-states.ts'
import { createPresignService, type PresignServiceOptions } from '../objects/presign-service.ts'
import { createScoreService, type ScoreService } from '../objects/score-service.ts'
import { sweepStaleUploadsOnce } from '../objects/stale-uploads.ts'
import { createLocalBackend } from '../storage/local/backend.ts'
import { createLocalDataPlane, type LocalDataPlane } from '../storage/local/data-plane.ts'
import { loadOrCreateSigningKey } from '../storage/local/signed-url.ts'
import { createObjectLayout } from '../storage/object-layout.ts'
import { observeBackend, type StoreCall } from '../storage/observed-backend.ts'
import { loadOrCreateToken, openDataFolder } from './data-folder.ts'

export interface EmbeddedOptions extends Omit<PresignServiceOptions, 'backend'> {
  /** Made where it is missing, with mode 0700; several processes may share it. */
  readonly dataDir: string
  /** Address under which clients reach the data plane, with its prefix if any: `http://127.0.0.1:5431`. */
  readonly publicUrl: string
  /** `token` (default): writes and controlled files need the token of the folder. `none`: everyone may do everything. */
  readonly access?: 'token' | 'none'
  /** Who may do what, in place of `access`; is given what the embedded server itself would use. */
  readonly authorizer?: (parts: { readonly metadata: MetadataService; readonly folderToken: TokenVerifier }) => Authorizer
  readonly partPlan?: PartPlanOptions
  /** Whether what was acknowledged survives a power cut (fsync); default true. */
  readonly durable?: boolean
  /** Milliseconds since 1970. */
  readonly now?: () => number
  /** Told of the store's own failures, such as a full disk, that a client of the data plane was answered with; and of those behind an answer. */
  readonly onStoreFailure?: (error: ScoreError) => void
  /** Told of every decision about access, for an audit. */
  readonly onDecision?: (decision: AuthDecision) => void
  /** Told of every call of the service to its store; not of the bytes that its data plane moves. */
  readonly onStoreCall?: (call: StoreCall) => void
}

/** The whole system in one process, on one folder: service, catalogue, store and access. */
export interface EmbeddedScore {
  readonly service: ScoreService
  /** The service as the bearer of this token sees it; default the folder's own token. */
  api(token?: string): ScoreApi
  readonly catalogue: Catalogue
  readonly authorizer: Authorizer
  /** Answers the URLs that the service signs; somebody must carry them, such as `createScoreServer`. */
  readonly dataPlane: LocalDataPlane
  /** Of `DIR/token`. */
  readonly token: string
  readonly tokenPath: string
  /**
   * Ends uploads left alone, which one process does twice a day at most however many share the folder, and removes what
   * crashes left; to be called now and then, such as every hour.
   */
  sweep(options?: CallOptions): Promise<void>
  /** Waits for what is still done behind answers that were given. */
  close(): Promise<void>
}

/**
 * Opens a data folder and puts everything together on it, without listening anywhere.
 *
 * @throws `invalid-configuration` for the folder of a newer release, or one that is something else's; `local-storage`
 *   when it cannot be made or read.
 */
export async function openEmbeddedScore(options: EmbeddedOptions): Promise<EmbeddedScore> {
  const { publicUrl, access = 'token', now = Date.now } = options
  const folder = await openDataFolder(options.dataDir)
  const signingKey = await loadOrCreateSigningKey(folder.signingKey)
  const token = await loadOrCreateToken(folder.token)
  const durable = options.durable === undefined ? {} : { durable: options.durable }
  const backend = createLocalBackend({ folder: folder.store, publicUrl, signingKey, now, ...durable })
  const layout = createObjectLayout({ objectBucket: 'objects', stateBucket: 'state' })
  if (!(await backend.head(layout.sentinel))) await backend.put(layout.sentinel, new Uint8Array(0))
  const catalogue = await openCatalogue({
    folder: folder.catalogue,
    objectState: createObjectStates({ backend, layout }),
    now: () => new Date(now()),
  })
  const folderToken = createStaticTokenVerifier({ token })
  const given = options.authorizer?.({ metadata: catalogue, folderToken })
  const ownAuthorizer = access === 'none' ? createOpenAuthorizer() : createStudyAuthorizer({ verifier: folderToken, metadata: catalogue })
  const judge = given ?? ownAuthorizer
  const { onDecision, onStoreCall, onStoreFailure } = options
  const authorizer = onDecision ? createObservedAuthorizer({ authorizer: judge, onDecision }) : judge
  const store = onStoreCall ? observeBackend(backend, onStoreCall) : backend
  const service = createScoreService({
    backend: store,
    layout,
    metadata: catalogue,
    authorizer,
    presign: createPresignService({ ...options, backend: store }),
    ...(options.partPlan ? { partPlan: options.partPlan } : {}),
    ...(onStoreFailure ? { onStoreFailure } : {}),
    now,
  })
  return {
    service,
    api: (bearer = token) => service.as(bearer),
    catalogue,
    authorizer,
    dataPlane: createLocalDataPlane({ backend, now, ...(onStoreFailure ? { onFailure: onStoreFailure } : {}) }),
    token,
    tokenPath: folder.token,
    async sweep(call) {
      await sweepStaleUploadsOnce({ backend, layout, ...call })
      await backend.sweep(call)
    },
    async close() {
      await service.settle()
      await catalogue.close()
    },
  }
}
