import type { BlockBlobClient, ContainerClient } from '@azure/storage-blob'
import type { CallOptions } from '../../core/call-options.ts'
import { ScoreError } from '../../core/errors.ts'
import type { ObjectAddress } from '../storage-backend.ts'
import { type AzureBackendOptions, azureEndpoint, requireAzureKey } from './azure-options.ts'
import { type AzureSession, createAzureSession } from './azure-session.ts'
import { type AzureErrorContext, mapAzureError } from './error-map.ts'

/** Options of one request in the SDK's words. */
export interface AzureRequestOptions {
  readonly abortSignal: AbortSignal
}

/** What a request was for, for the words of its failure. */
export type AzureCallContext = Pick<AzureErrorContext, 'doing' | 'subject'>

/** The one way to the store: opens the session, carries the signal, ends silence, translates failures. */
export interface AzureCalls {
  readonly idleTimeoutMs: number
  open(): Promise<AzureSession>
  container(name: string): Promise<ContainerClient>
  blob(address: ObjectAddress): Promise<BlockBlobClient>
  /** @throws the signal's reason when aborted, else what `mapAzureError` makes of the failure. */
  run<Result>(context: AzureCallContext, work: (request: AzureRequestOptions) => Promise<Result>, options?: CallOptions): Promise<Result>
  translate(error: unknown, context: AzureCallContext): Error
  silent(context: AzureCallContext): ScoreError
}

export function createAzureCalls(options: AzureBackendOptions): AzureCalls {
  const { idleTimeoutMs = 120_000, now = Date.now } = options
  const endpoint = azureEndpoint(options)
  const open = createAzureSession(options)
  const translate = (error: unknown, context: AzureCallContext): Error => mapAzureError(error, { ...context, endpoint, now })
  const silent = ({ doing }: AzureCallContext): ScoreError =>
    new ScoreError(
      'unavailable',
      `the Azure store at ${endpoint} did not ${doing}: it fell silent for ${Math.round(idleTimeoutMs / 1000)} s`,
    )
  const container = async (name: string): Promise<ContainerClient> => (await open()).client.getContainerClient(name)

  return {
    idleTimeoutMs,
    open,
    container,
    translate,
    silent,
    blob: async ({ bucket, key }) => (await container(bucket)).getBlockBlobClient(requireAzureKey(key)),
    async run(context, work, { signal } = {}) {
      signal?.throwIfAborted()
      const silence = new AbortController()
      const timer = setTimeout(() => silence.abort(), idleTimeoutMs)
      try {
        await open()
        signal?.throwIfAborted()
        return await work({ abortSignal: signal === undefined ? silence.signal : AbortSignal.any([signal, silence.signal]) })
      } catch (error) {
        signal?.throwIfAborted()
        throw silence.signal.aborted ? silent(context) : translate(error, context)
      } finally {
        clearTimeout(timer)
      }
    },
  }
}
