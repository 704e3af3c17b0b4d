import type { Authorizer } from '../auth/authorizer.ts'
import { type AuthDecision, createObservedAuthorizer } from '../auth/observed-authorizer.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import type { Network } from '../http/network.ts'
import { createNetworkFetch } from '../http/network-fetch.ts'
import { createPooledFetch } from '../http/pooled-fetch.ts'
import { createCachedMetadata } from '../metadata/cached-metadata.ts'
import type { Catalogue } from '../metadata/catalogue/catalogue.ts'
import { openCatalogue } from '../metadata/catalogue/open-catalogue.ts'
import type { MetadataService } from '../metadata/metadata-service.ts'
import { type CatalogueCall, observeMetadata } from '../metadata/observed-metadata.ts'
import { createSongMetadata } from '../metadata/song-metadata.ts'
import { createObjectStates } from '../objects/object-states.ts'
import { createPresignService } from '../objects/presign-service.ts'
import { createScoreService, type ScoreService } from '../objects/score-service.ts'
import { sweepStaleUploadsOnce } from '../objects/stale-uploads.ts'
import type { LocalDataPlane } from '../storage/local/data-plane.ts'
import { observeBackend, type StoreCall } from '../storage/observed-backend.ts'
import { type DataFolder, loadOrCreateToken, openDataFolder } from './data-folder.ts'
import { createScoreAuth } from './score-auth.ts'
import { createScoreChecks, type ScoreCheck } from './score-checks.ts'
import { openScoreStore, type ScoreStore } from './score-store.ts'
import type { ServerConfig } from './server-settings.ts'

export interface OpenScoreOptions {
  /** Address under which the server listens, for a local store's URLs where `score.public-url` says nothing. */
  readonly url: string
  /** For Song and the identity provider, in place of `network`. */
  readonly fetch?: typeof fetch
  /** Proxies and authorities of certificates, towards store, Song and identity provider; default: node's. */
  readonly network?: Network
  readonly userAgent?: string
  /** Milliseconds since 1970. */
  readonly now?: () => number
  /** Told of failures of the store that no caller hears of: a local one's own, such as a full disk, and those behind an answer. */
  readonly onStoreFailure?: (error: ScoreError) => void
  /** Told of every decision about access, for an audit. */
  readonly onDecision?: (decision: AuthDecision) => void
  /** Told of every call of the service to its store; not of the bytes that a local data plane moves. */
  readonly onStoreCall?: (call: StoreCall) => void
  /** Told of every call to Song: what is remembered of it is not asked for, and the catalogue of a data folder is not told of. */
  readonly onSongCall?: (call: CatalogueCall) => void
}

/** A whole service, as its configuration says: store, catalogue and access. */
export interface OpenedScore {
  readonly service: ScoreService
  readonly authorizer: Authorizer
  /** Of a local store. */
  readonly dataPlane?: LocalDataPlane
  /** Of a data folder, where no Song is named. */
  readonly catalogue?: Catalogue
  /** File of the token, where access is by one. */
  readonly tokenPath?: string
  /** What is not safe about the configuration. */
  readonly warnings: readonly string[]
  /** What can be tried before the service is trusted with data. */
  readonly checks: readonly ScoreCheck[]
  /** Ends uploads left alone, unless the configuration says otherwise; of servers that share a store one does it, twice a day at most. */
  sweep(options?: CallOptions): Promise<void>
  /** Waits for what is still done behind answers that were given. */
  close(): Promise<void>
}

const day = 86_400

interface ScoreCatalogue {
  readonly metadata: MetadataService
  readonly catalogue?: Catalogue
}

async function openMetadata(
  config: ServerConfig,
  { backend, layout }: ScoreStore,
  folder: DataFolder | undefined,
  { fetch: given, network, userAgent, now = Date.now, onSongCall }: OpenScoreOptions,
): Promise<ScoreCatalogue> {
  const url = config.text('metadata.url')
  if (url !== undefined) {
    // Asked with every request. Where node itself looks for proxies, what is node's own does.
    const nodesOwn = network === undefined && process.env['NODE_USE_ENV_PROXY'] !== undefined
    const fetcher = given ?? (nodesOwn ? globalThis.fetch : createPooledFetch(network))
    // A client waits 60 s for an answer of ours, so Song gets less than that, tries included.
    const song = createSongMetadata({
      url,
      timeoutSeconds: 15,
      retry: { attempts: 3, maximumDelayMs: 1000 },
      fetch: fetcher,
      ...(userAgent ? { userAgent } : {}),
    })
    return { metadata: createCachedMetadata(onSongCall ? observeMetadata(song, onSongCall) : song, { now }) }
  }
  if (folder === undefined)
    throw new ScoreError(
      'invalid-configuration',
      'no catalogue is named: set METADATA_URL to the address of Song, or SCORE_DATA to a data folder',
    )
  const objectState = createObjectStates({ backend, layout })
  const catalogue = await openCatalogue({ folder: folder.catalogue, objectState, now: () => new Date(now()) })
  return { metadata: catalogue, catalogue }
}

interface ServiceParts {
  readonly store: ScoreStore
  readonly metadata: MetadataService
  readonly authorizer: Authorizer
  readonly now: () => number
  readonly onStoreFailure?: (error: ScoreError) => void
}

function serviceOf(config: ServerConfig, { store, metadata, authorizer, now, onStoreFailure }: ServiceParts): ScoreService {
  const { backend, layout } = store
  return createScoreService({
    backend,
    layout,
    metadata,
    authorizer,
    presign: createPresignService({
      backend,
      uploadExpirySeconds: config.integer('s3.upload.expiration') * day,
      downloadExpirySeconds: config.integer('s3.download.expiration') * day,
    }),
    partPlan: {
      partSizeBytes: config.integer('upload.partsize'),
      ...(config.text('upload.maximumParts') === undefined ? {} : { maximumParts: config.integer('upload.maximumParts') }),
    },
    ...(config.text('upload.maximumObjectBytes') === undefined ? {} : { largestObjectBytes: config.integer('upload.maximumObjectBytes') }),
    customMd5Property: config.text('s3.customMd5Property') ?? '',
    legacyMode: config.boolean('metadata.useLegacyMode'),
    ...(onStoreFailure ? { onStoreFailure } : {}),
    now,
  })
}

/**
 * Puts a service together from the settings of `readServerConfig`. Nothing is asked of a bucket, of Song or of an identity
 * provider yet: `checks` do that.
 *
 * @throws `invalid-configuration` for settings without sense, which `readServerConfig` has found too; `local-storage`.
 */
export async function openScore(config: ServerConfig, given: OpenScoreOptions): Promise<OpenedScore> {
  const { url, network, now = Date.now, onStoreFailure } = given
  const options = network && !given.fetch ? { ...given, fetch: createNetworkFetch(network) } : given
  const dataDir = config.text('score.data')
  const folder = dataDir === undefined ? undefined : await openDataFolder(dataDir)
  const publicUrl = (config.text('score.public-url') ?? url).replace(/\/+$/, '')
  const store = await openScoreStore(config, {
    folder,
    publicUrl,
    now,
    ...(network ? { network } : {}),
    ...(onStoreFailure ? { onStoreFailure } : {}),
  })
  const { metadata, catalogue } = await openMetadata(config, store, folder, given)
  const close = async (): Promise<void> => catalogue?.close()
  try {
    const token = folder === undefined ? undefined : await loadOrCreateToken(folder.token)
    const fetcher = options.fetch ? { fetch: options.fetch } : {}
    const auth = createScoreAuth(config, { metadata, now, ...fetcher, ...(token === undefined ? {} : { token }) })
    const { onDecision, onStoreCall } = options
    const authorizer = onDecision ? createObservedAuthorizer({ authorizer: auth.authorizer, onDecision }) : auth.authorizer
    const told = onStoreCall ? { ...store, backend: observeBackend(store.backend, onStoreCall) } : store
    const service = serviceOf(config, { store: told, metadata, authorizer, now, ...(onStoreFailure ? { onStoreFailure } : {}) })
    return {
      service,
      authorizer,
      ...(store.dataPlane ? { dataPlane: store.dataPlane } : {}),
      ...(catalogue ? { catalogue } : {}),
      ...(auth.access === 'token' && folder ? { tokenPath: folder.token } : {}),
      warnings: auth.warnings,
      checks: createScoreChecks({ config, store, auth, now, ...fetcher }),
      async sweep(call = {}) {
        const olderThanSeconds = config.integer('s3.upload.expiration') * day
        if (config.boolean('upload.clean.enabled')) await sweepStaleUploadsOnce({ ...store, olderThanSeconds, ...call })
        await store.sweep?.(call)
      },
      async close() {
        await service.settle()
        await close()
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}
