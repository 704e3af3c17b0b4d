import type { BlobServiceClient, Pipeline } from '@azure/storage-blob'
import { createStoreAgents } from '../store-agents.ts'
import { type AzureBackendOptions, azureEndpoint, requireAzureCredential } from './azure-options.ts'

type Sdk = typeof import('@azure/storage-blob')

/** The SDK, loaded, and a client of one account. */
export interface AzureSession {
  readonly sdk: Sdk
  readonly client: BlobServiceClient
}

/** Requests go the way that the options say; the SDK alone would ask the environment for proxies. */
function routeThrough(pipeline: Pipeline, agent: unknown): void {
  pipeline.factories.push({
    create: (next) => ({
      sendRequest(request) {
        Reflect.set(request, 'agent', agent)
        return next.sendRequest(request)
      },
    }),
  })
}

/**
 * Loads the SDK when it is first needed: it is large, and most users of the package have no Azure.
 *
 * @throws at once `invalid-configuration` for an account, address or key that is none.
 */
export function createAzureSession(options: AzureBackendOptions): () => Promise<AzureSession> {
  const endpoint = azureEndpoint(options)
  requireAzureCredential(options)
  const { accountName, credential, network } = options
  let session: Promise<AzureSession> | undefined
  const open = async (): Promise<AzureSession> => {
    const [sdk, agents] = await Promise.all([import('@azure/storage-blob'), createStoreAgents(endpoint, network)])
    const signer = 'accountKey' in credential ? new sdk.StorageSharedKeyCredential(accountName, credential.accountKey) : credential
    // src/core/retry.ts is the only loop.
    const pipeline = sdk.newPipeline(signer, { retryOptions: { maxTries: 1 } })
    routeThrough(pipeline, endpoint.startsWith('https:') ? agents.httpsAgent : agents.httpAgent)
    return { sdk, client: new sdk.BlobServiceClient(endpoint, pipeline) }
  }
  return () => {
    session ??= open()
    return session
  }
}
