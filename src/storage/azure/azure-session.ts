import * as tls from 'node:tls'
import type { BlobServiceClient } from '@azure/storage-blob'
import { type AzureBackendOptions, azureEndpoint, requireAzureCredential } from './azure-options.ts'

type Sdk = typeof import('@azure/storage-blob')

/** The SDK, loaded, and a client of one account. */
export interface AzureSession {
  readonly sdk: Sdk
  readonly client: BlobServiceClient
}

/** Node takes `ca` for the whole list, so what it trusts anyway (from 22.15 on also `NODE_EXTRA_CA_CERTS`) goes before. */
function trusted(ca: string | readonly string[]): string[] {
  const listed: unknown =
    'getCACertificates' in tls && typeof tls.getCACertificates === 'function' ? tls.getCACertificates('default') : undefined
  const standard = Array.isArray(listed) ? listed.filter((one) => typeof one === 'string') : tls.rootCertificates
  return [...standard, ...(typeof ca === 'string' ? [ca] : ca)]
}

/**
 * Loads the SDK when it is first needed: it is large, and most users of the package have no Azure.
 *
 * @throws at once `invalid-configuration` for an account, address or key that is none.
 */
export function createAzureSession(options: AzureBackendOptions): () => Promise<AzureSession> {
  const endpoint = azureEndpoint(options)
  requireAzureCredential(options)
  const { accountName, credential, ca } = options
  let session: Promise<AzureSession> | undefined
  const open = async (): Promise<AzureSession> => {
    const sdk = await import('@azure/storage-blob')
    const pipelineOptions = {
      // src/core/retry.ts is the only loop.
      retryOptions: { maxTries: 1 },
      ...(ca === undefined ? {} : { tlsOptions: { ca: trusted(ca).join('\n') } }),
    }
    const signer = 'accountKey' in credential ? new sdk.StorageSharedKeyCredential(accountName, credential.accountKey) : credential
    return { sdk, client: new sdk.BlobServiceClient(endpoint, sdk.newPipeline(signer, pipelineOptions)) }
  }
  return () => {
    session ??= open()
    return session
  }
}
