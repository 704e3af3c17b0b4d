import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3'
import type { CallOptions } from '../../core/call-options.ts'
import { unquoteEtag } from '../../core/checksum.ts'
import { isScoreError, ScoreError } from '../../core/errors.ts'
import type { ObjectAddress, ObjectStat, StorageBackend } from '../storage-backend.ts'
import { createS3Presigner } from './presigner.ts'
import { createS3Calls, type S3Calls } from './s3-calls.ts'
import { createS3Delete } from './s3-delete.ts'
import { listFolderPrefixes, listObjects } from './s3-listing.ts'
import { createS3Multipart, encryptionInput } from './s3-multipart.ts'
import { readObject } from './s3-object-reader.ts'
import { defaultIdleTimeoutMs, type S3BackendOptions } from './s3-options.ts'

/** The MD5 of an object put at once is its ETag, unless it is encrypted by a KMS or by the customer's key. */
function md5Of(etag: string, head: HeadObjectCommandOutput): string | undefined {
  const encrypted = head.ServerSideEncryption?.startsWith('aws:kms') || head.SSECustomerAlgorithm !== undefined
  return !encrypted && /^[0-9a-f]{32}$/i.test(etag) ? etag.toLowerCase() : undefined
}

function statOf(address: ObjectAddress, head: HeadObjectCommandOutput): ObjectStat {
  const { ContentLength, ETag, LastModified, Metadata = {} } = head
  if (ContentLength === undefined || ETag === undefined || LastModified === undefined)
    throw new ScoreError('store-protocol', `the S3 store describes ${address.bucket}/${address.key} without size, ETag or time`)
  const etag = unquoteEtag(ETag)
  const md5 = md5Of(etag, head)
  const metadata = Object.fromEntries(Object.entries(Metadata).map(([name, value]) => [name.toLowerCase(), value]))
  return { size: ContentLength, etag, lastModified: LastModified, metadata, ...(md5 === undefined ? {} : { md5 }) }
}

/**
 * An answer to HEAD has no body, so 404 does not say whether object or bucket is missing. A bucket that was seen once is
 * not asked for again.
 */
function createBucketCheck(calls: S3Calls): (bucket: string, options: CallOptions) => Promise<void> {
  const seen = new Set<string>()
  return async (bucket, options) => {
    if (seen.has(bucket)) return
    try {
      await calls.run(
        { doing: `find the bucket ${bucket}`, subject: 'bucket' },
        (client, sdk, request) => client.send(new sdk.HeadBucketCommand({ Bucket: bucket }), request),
        options,
      )
    } catch (error) {
      // Whoever may not ask for the bucket is told so by the store, and that says that it is there.
      if (!isScoreError(error, 'access-denied')) throw error
    }
    seen.add(bucket)
  }
}

/**
 * S3 as AWS, Ceph RGW, MinIO, OpenStack Swift, versitygw and others speak it. Loads `@aws-sdk/client-s3` at the first call
 * and never retries: wrap it in `createRetryingBackend`.
 *
 * @throws at once `invalid-configuration` for an address that is none.
 */
export function createS3Backend(options: S3BackendOptions = {}): StorageBackend {
  const { sse, idleTimeoutMs = defaultIdleTimeoutMs } = options
  const calls = createS3Calls(options)
  const requireBucket = createBucketCheck(calls)
  const documentEncryption = sse?.documents === true ? encryptionInput(sse) : {}

  const head = async (address: ObjectAddress, call: CallOptions = {}): Promise<ObjectStat | undefined> => {
    try {
      const answer = await calls.run(
        { doing: `describe ${address.bucket}/${address.key}`, subject: 'object' },
        (client, sdk, request) => client.send(new sdk.HeadObjectCommand({ Bucket: address.bucket, Key: address.key }), request),
        call,
      )
      return statOf(address, answer)
    } catch (error) {
      if (!isScoreError(error, 'object-not-found')) throw error
      await requireBucket(address.bucket, call)
      return undefined
    }
  }

  return {
    name: 's3',
    head,
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
