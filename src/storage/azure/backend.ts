import { createHash } from 'node:crypto'
import type { BlobGetPropertiesResponse } from '@azure/storage-blob'
import type { CallOptions } from '../../core/call-options.ts'
import { unquoteEtag } from '../../core/checksum.ts'
import { isScoreError, ScoreError } from '../../core/errors.ts'
import type { ObjectAddress, ObjectStat, StorageBackend } from '../storage-backend.ts'
import { createAzureCalls } from './azure-calls.ts'
import { listAzureFolders, listAzureObjects } from './azure-listing.ts'
import { createAzureMultipart, uploadIdMetadata } from './azure-multipart.ts'
import { readAzureObject } from './azure-object-reader.ts'
import type { AzureBackendOptions } from './azure-options.ts'
import { createAzurePresigner } from './presigner.ts'

const largestPage = 5000

function statOf(address: ObjectAddress, found: BlobGetPropertiesResponse): ObjectStat {
  const { contentLength, etag, lastModified, contentMD5, metadata: stored = {} } = found
  if (contentLength === undefined || etag === undefined || lastModified === undefined)
    throw new ScoreError('store-protocol', `the Azure store describes ${address.bucket}/${address.key} without size, ETag or time`)
  const { [uploadIdMetadata]: uploadId, ...metadata } = Object.fromEntries(
    Object.entries(stored).map(([name, value]) => [name.toLowerCase(), value]),
  )
  return {
    size: contentLength,
    etag: unquoteEtag(etag),
    lastModified,
    metadata,
    ...(contentMD5?.length === 16 ? { md5: Buffer.from(contentMD5).toString('hex') } : {}),
    ...(uploadId === undefined ? {} : { uploadId }),
  }
}

/**
 * Azure Blob Storage, with block blobs: a part is an uncommitted block, a completion commits a list of blocks. Loads
 * `@azure/storage-blob` at the first call and never retries: wrap it in `createRetryingBackend`. Parts are sent in the
 * dialect `azure-block`, which the transfer engine speaks (docs/decisions/0030).
 *
 * @throws at once `invalid-configuration` for an account, key or address that is none.
 */
export function createAzureBackend(options: AzureBackendOptions): StorageBackend {
  const calls = createAzureCalls(options)
  const pageSize = Math.min(largestPage, Math.max(1, Math.floor(options.pageSize ?? largestPage)))

  const head = async (address: ObjectAddress, call: CallOptions = {}): Promise<ObjectStat | undefined> => {
    const context = { doing: `describe ${address.bucket}/${address.key}`, subject: 'object' } as const
    try {
      return statOf(address, await calls.run(context, async (request) => (await calls.blob(address)).getProperties(request), call))
    } catch (error) {
      if (isScoreError(error, 'object-not-found')) return undefined
      throw error
    }
  }

  return {
    name: 'azure',
    listsAllParts: true,
    head,
    get: (address, call) => readAzureObject(calls, address, call),
    async put(address, body, call) {
      // A copy, because the SDK may load before the bytes are sent.
      const bytes = Buffer.from(body)
      const md5 = createHash('md5').update(bytes).digest()
      const headers = { blobContentType: 'application/octet-stream', blobContentMD5: md5 }
      const context = { doing: `write ${address.bucket}/${address.key}`, subject: 'bucket' } as const
      await calls.run(
        context,
        async (request) => (await calls.blob(address)).upload(bytes, bytes.length, { ...request, blobHTTPHeaders: headers }),
        call,
      )
    },
    async delete(address, call) {
      const context = { doing: `delete ${address.bucket}/${address.key}`, subject: 'object' } as const
      try {
        await calls.run(context, async (request) => (await calls.blob(address)).delete({ ...request, deleteSnapshots: 'include' }), call)
      } catch (error) {
        if (!isScoreError(error, 'object-not-found')) throw error
      }
    },
    list: (prefix, call) => listAzureObjects(calls, prefix, pageSize, call),
    listFolders: (prefix, call) => listAzureFolders(calls, prefix, pageSize, call),
    ...createAzurePresigner(calls, options),
    ...createAzureMultipart(calls, options, head),
  }
}
