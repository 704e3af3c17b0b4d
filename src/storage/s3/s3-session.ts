import { isIP } from 'node:net'
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3'
import { createStoreAgents, type StoreAgents } from '../store-agents.ts'
import { defaultIdleTimeoutMs, regionOfHost, requireStoreUrl, type S3BackendOptions } from './s3-options.ts'

type Sdk = typeof import('@aws-sdk/client-s3')

/** The SDK, loaded, and a client of one store. */
export interface S3Session {
  readonly sdk: Sdk
  readonly client: S3Client
}

const versionWarning = 'AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'

/** Which Node versions the SDK will support some day is no business of whoever runs `score`; all other warnings pass. */
function withoutVersionWarning<Result>(make: () => Result): Result {
  const before = process.env[versionWarning]
  process.env[versionWarning] = 'true'
  try {
    return make()
  } finally {
    if (before === undefined) delete process.env[versionWarning]
    else process.env[versionWarning] = before
  }
}

function silence(): void {}

const quiet = { trace: silence, debug: silence, info: silence, warn: silence, error: silence }

function storeAddress({ endpoint, region = 'us-east-1' }: S3BackendOptions): string {
  return endpoint ?? `https://s3.${region}.amazonaws.com`
}

function clientConfig(options: S3BackendOptions, agents: StoreAgents): S3ClientConfig {
  const { endpoint, forcePathStyle = true, credentials, connectTimeoutMs = 15_000, idleTimeoutMs = defaultIdleTimeoutMs } = options
  const host = endpoint === undefined ? undefined : new URL(endpoint).hostname
  const region = options.region ?? (host === undefined ? undefined : (regionOfHost(host) ?? 'us-east-1'))
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(credentials === undefined ? {} : { credentials }),
    // No bucket can be put before an IP address.
    forcePathStyle: forcePathStyle || (host !== undefined && isIP(host.replace(/^\[|\]$/g, '')) !== 0),
    // The newer default adds checksums that many stores answer with 411 or 501 (backends.md 5), and puts that of an empty
    // body into URLs.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // src/core/retry.ts is the only loop.
    maxAttempts: 1,
    logger: quiet,
    requestHandler: {
      connectionTimeout: connectTimeoutMs,
      socketTimeout: idleTimeoutMs,
      logger: quiet,
      ...agents,
    },
  }
}

/**
 * Loads the SDK when it is first needed: it is large, and most users of the package have no S3.
 *
 * @throws at once `invalid-configuration` for an address that is none.
 */
export function createS3Session(options: S3BackendOptions): () => Promise<S3Session> {
  if (options.endpoint !== undefined) requireStoreUrl('endpoint', options.endpoint)
  let session: Promise<S3Session> | undefined
  const open = async (): Promise<S3Session> => {
    const [sdk, agents] = await Promise.all([import('@aws-sdk/client-s3'), createStoreAgents(storeAddress(options), options.network)])
    return { sdk, client: withoutVersionWarning(() => new sdk.S3Client(clientConfig(options, agents))) }
  }
  return () => {
    session ??= open()
    return session
  }
}
