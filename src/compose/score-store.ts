import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import type { Network } from '../http/network.ts'
import type { AzureBackendOptions } from '../storage/azure/azure-options.ts'
import { createLocalBackend } from '../storage/local/backend.ts'
import { createLocalDataPlane, type LocalDataPlane } from '../storage/local/data-plane.ts'
import { loadOrCreateSigningKey } from '../storage/local/signed-url.ts'
import { createObjectLayout, type ObjectLayout } from '../storage/object-layout.ts'
import { createRetryingBackend } from '../storage/retrying-backend.ts'
import type { S3BackendOptions } from '../storage/s3/s3-options.ts'
import type { StorageBackend } from '../storage/storage-backend.ts'
import type { DataFolder } from './data-folder.ts'
import type { ServerConfig } from './server-settings.ts'

/** The store that a configuration names, and how objects lie in it. */
export interface ScoreStore {
  readonly backend: StorageBackend
  readonly layout: ObjectLayout
  /** Address that the server asks; absent with a local store. */
  readonly endpoint?: string
  /** Answers the signed URLs of a local store. */
  readonly dataPlane?: LocalDataPlane
  /** Removes what crashes left; a bucket needs none. */
  sweep?(options?: CallOptions): Promise<void>
}

export interface ScoreStoreOptions {
  readonly folder: DataFolder | undefined
  /** Under which the data plane of a local store is reached. */
  readonly publicUrl: string
  readonly network?: Network
  readonly now?: () => number
  readonly onStoreFailure?: (error: ScoreError) => void
}

function withScheme(address: string, secured: boolean): string {
  return /^https?:\/\//i.test(address) ? address : `${secured ? 'https' : 'http'}://${address}`
}

/** What the S3 driver is given. */
export function s3OptionsOf(config: ServerConfig): S3BackendOptions & { readonly endpoint: string } {
  const endpoint = withScheme(config.text('s3.endpoint') ?? '', config.boolean('s3.secured'))
  const region = config.text('s3.region')
  const [accessKeyId, secretAccessKey] = [config.text('s3.accessKey'), config.text('s3.secretKey')]
  const keyId = config.text('s3.masterEncryptionKeyId')
  // Behind the original's setting stands a proxy that restores the inner Host: its URLs are good for nothing else.
  const restoring = config.text('s3.preSignedUrl.override.host')
  const publicHost = config.text('s3.publicEndpoint') ?? restoring
  return {
    endpoint,
    // Without a region the name of AWS's oldest endpoint says none.
    ...(region === undefined ? (/s3-external-1\.amazonaws\.com/i.test(endpoint) ? { region: 'us-east-1' } : {}) : { region }),
    ...(accessKeyId === undefined || secretAccessKey === undefined ? {} : { credentials: { accessKeyId, secretAccessKey } }),
    ...(keyId === undefined ? {} : { sse: { algorithm: 'aws:kms' as const, keyId } }),
    ...(publicHost === undefined ? {} : { publicEndpoint: withScheme(publicHost, !endpoint.startsWith('http:')) }),
    ...(publicHost !== undefined && publicHost === restoring ? { signedHost: 'store' as const } : {}),
    connectTimeoutMs: config.integer('s3.connectionTimeout'),
  }
}

function layoutOf(config: ServerConfig): ObjectLayout {
  const objectBucket = config.text('bucket.name.object') ?? ''
  // The original keeps no state on Azure, so that its deployments name no container for it.
  const isOne = config.profiles.includes('azure') && !config.isSet('bucket.name.state')
  return createObjectLayout({
    objectBucket,
    stateBucket: isOne ? objectBucket : (config.text('bucket.name.state') ?? ''),
    dataDirectory: config.text('s3.data.directory') ?? '',
    uploadDirectory: config.text('s3.upload.directory') ?? '',
    sentinel: config.text('object.sentinel') ?? '',
    poolSize: config.integer('bucket.size.pool'),
    poolKeyLength: config.integer('bucket.size.key'),
  })
}

async function openBucket(config: ServerConfig, { now, network }: Pick<ScoreStoreOptions, 'now' | 'network'>): Promise<ScoreStore> {
  const { createS3Backend } = await import('../storage/s3/backend.ts')
  const options = s3OptionsOf(config)
  const driver = createS3Backend({ ...options, ...(now ? { now } : {}), ...(network ? { network } : {}) })
  const backend = createRetryingBackend(driver, { policy: { attempts: config.integer('s3.retryLimit') + 1 } })
  return { backend, layout: layoutOf(config), endpoint: options.endpoint }
}

/** What the Azure driver is given. */
export async function azureOptionsOf(config: ServerConfig): Promise<AzureBackendOptions & { readonly endpoint: string }> {
  const accountName = config.text('azure.accountName') ?? ''
  const accountKey = config.text('azure.accountKey')
  const made = `${config.text('azure.endpointProtocol')}://${accountName}.blob.${config.text('azure.endpointSuffix')}`
  const publicEndpoint = config.text('azure.publicEndpoint')
  const [upload, download] = [config.text('bucket.policy.upload'), config.text('bucket.policy.download')]
  // The original always refers to policies, by default to these; URLs that name their rights need nobody to have made them.
  const named = config.isSet('bucket.policy.upload') && upload !== undefined && download !== undefined
  return {
    accountName,
    // Loaded only where it is used: it is large.
    credential: accountKey === undefined ? new (await import('@azure/identity')).DefaultAzureCredential() : { accountKey },
    endpoint: config.text('azure.endpoint') ?? made,
    ...(publicEndpoint === undefined ? {} : { publicEndpoint }),
    ...(named ? { policies: { upload, download } } : {}),
  }
}

async function openContainer(config: ServerConfig, { now, network }: Pick<ScoreStoreOptions, 'now' | 'network'>): Promise<ScoreStore> {
  const { createAzureBackend } = await import('../storage/azure/backend.ts')
  const options = await azureOptionsOf(config)
  const driver = createAzureBackend({ ...options, ...(now ? { now } : {}), ...(network ? { network } : {}) })
  const backend = createRetryingBackend(driver, { policy: { attempts: config.integer('s3.retryLimit') + 1 } })
  return { backend, layout: layoutOf(config), endpoint: options.endpoint }
}

async function openFolder(folder: DataFolder, { publicUrl, now = Date.now, onStoreFailure }: ScoreStoreOptions): Promise<ScoreStore> {
  const signingKey = await loadOrCreateSigningKey(folder.signingKey)
  const backend = createLocalBackend({ folder: folder.store, publicUrl, signingKey, now })
  const layout = createObjectLayout({ objectBucket: 'objects', stateBucket: 'state' })
  if (!(await backend.head(layout.sentinel))) await backend.put(layout.sentinel, new Uint8Array(0))
  const dataPlane = createLocalDataPlane({ backend, now, ...(onStoreFailure ? { onFailure: onStoreFailure } : {}) })
  const sweep = async (options?: CallOptions): Promise<void> => {
    await backend.sweep(options)
  }
  return { backend, layout, dataPlane, sweep }
}

/** @throws `invalid-configuration` when no store is named, or one that there is not; `local-storage`. */
export async function openScoreStore(config: ServerConfig, options: ScoreStoreOptions): Promise<ScoreStore> {
  if (config.profiles.includes('s3')) return openBucket(config, options)
  if (config.profiles.includes('azure')) return openContainer(config, options)
  if (options.folder === undefined)
    throw new ScoreError('invalid-configuration', 'no store is named: add the profile s3 or azure, or set SCORE_DATA to a data folder')
  return openFolder(options.folder, options)
}
