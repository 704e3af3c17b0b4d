import type { StorageBackend } from '../storage-backend.ts'
import { createS3Presigner } from './presigner.ts'
import { createS3Calls } from './s3-calls.ts'
import { createS3Delete } from './s3-delete.ts'
import { listFolderPrefixes, listObjects } from './s3-listing.ts'
import { createS3Multipart, encryptionInput } from './s3-multipart.ts'
import { readObject } from './s3-object-reader.ts'
import { defaultIdleTimeoutMs, type S3BackendOptions } from './s3-options.ts'
import { createS3SmallReads } from './s3-small-reads.ts'

/**
 * S3 as AWS, Ceph RGW, MinIO, OpenStack Swift, versitygw and others speak it. Loads `@aws-sdk/client-s3` at the first call
 * and never retries: wrap it in `createRetryingBackend`.
 *
 * @throws at once `invalid-configuration` for an address that is none.
 */
export function createS3Backend(options: S3BackendOptions = {}): StorageBackend {
  const { sse, idleTimeoutMs = defaultIdleTimeoutMs } = options
  const calls = createS3Calls(options)
  const { head, readDocument } = createS3SmallReads(calls, options)
  const documentEncryption = sse?.documents === true ? encryptionInput(sse) : {}

  return {
    name: 's3',
    head,
    readDocument,
    get: (address, call) => readObject(calls, idleTimeoutMs, address, call),
    async put(address, body, call) {
      // A copy, because the SDK may load before the bytes are sent.
      const bytes = Buffer.from(body)
      const input = {
        Bucket: address.bucket,
        Key: address.key,
        Body: bytes,
        ContentLength: bytes.length,
        ContentType: 'application/octet-stream',
        ...documentEncryption,
      }
      const context = { doing: `write ${address.bucket}/${address.key}`, subject: 'bucket' } as const
      await calls.run(context, (client, sdk, request) => client.send(new sdk.PutObjectCommand(input), request), call)
    },
    ...createS3Delete(calls),
    list: (prefix, call) => listObjects(calls, prefix, call),
    listFolders: (prefix, call) => listFolderPrefixes(calls, prefix, call),
    presign: createS3Presigner(calls.open, options),
    ...createS3Multipart(calls, { sse, head }),
  }
}
