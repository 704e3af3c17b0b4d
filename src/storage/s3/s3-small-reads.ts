import type { IncomingHttpHeaders } from 'node:http'
import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3'
import type { CallOptions } from '../../core/call-options.ts'
import { unquoteEtag } from '../../core/checksum.ts'
import { isScoreError, ScoreError } from '../../core/errors.ts'
import type { ObjectAddress, ObjectStat, StorageBackend } from '../storage-backend.ts'
import type { CallContext, S3Calls } from './s3-calls.ts'
import { readObject } from './s3-object-reader.ts'
import { defaultIdleTimeoutMs, type S3BackendOptions } from './s3-options.ts'
import { createS3Questions } from './s3-questions.ts'

type SmallReads = Required<Pick<StorageBackend, 'head' | 'readDocument'>>

/** An answer to HEAD, in the SDK's words. */
type Head = Pick<
  HeadObjectCommandOutput,
  'ContentLength' | 'ETag' | 'LastModified' | 'Metadata' | 'ServerSideEncryption' | 'SSECustomerAlgorithm'
>

const metadataPrefix = 'x-amz-meta-'

function headOf(headers: IncomingHttpHeaders): Head {
  const text = (name: string): string | undefined => (headers[name] === undefined ? undefined : String(headers[name]))
  const length = text('content-length')
  const modified = Date.parse(text('last-modified') ?? '')
  const own = Object.keys(headers).filter((name) => name.startsWith(metadataPrefix))
  return {
    ContentLength: length === undefined ? undefined : Number(length),
    ETag: text('etag'),
    LastModified: Number.isNaN(modified) ? undefined : new Date(modified),
    Metadata: Object.fromEntries(own.map((name) => [name.slice(metadataPrefix.length), text(name) ?? ''])),
    ServerSideEncryption: text('x-amz-server-side-encryption') as Head['ServerSideEncryption'],
    SSECustomerAlgorithm: text('x-amz-server-side-encryption-customer-algorithm'),
  }
}

/** The MD5 of an object put at once is its ETag, unless it is encrypted by a KMS or by the customer's key. */
function md5Of(etag: string, head: Head): string | undefined {
  const encrypted = head.ServerSideEncryption?.startsWith('aws:kms') || head.SSECustomerAlgorithm !== undefined
  return !encrypted && /^[0-9a-f]{32}$/i.test(etag) ? etag.toLowerCase() : undefined
}

function statOf(address: ObjectAddress, head: Head): ObjectStat {
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

/** The reading of descriptions and of small documents: what a service asks of its store with every request. */
export function createS3SmallReads(calls: S3Calls, options: S3BackendOptions): SmallReads {
  const { idleTimeoutMs = defaultIdleTimeoutMs } = options
  const questions = createS3Questions(calls, options)
  const requireBucket = createBucketCheck(calls)

  const describe = async (address: ObjectAddress, call: CallOptions): Promise<Head> => {
    const context: CallContext = { doing: `describe ${address.bucket}/${address.key}`, subject: 'object' }
    const answer = await questions.ask('HEAD', address, context, call)
    if (answer !== undefined) return headOf(answer.headers)
    const input = { Bucket: address.bucket, Key: address.key }
    return calls.run(context, (client, sdk, request) => client.send(new sdk.HeadObjectCommand(input), request), call)
  }
  const read = async (address: ObjectAddress, call: CallOptions): Promise<Uint8Array> => {
    const context: CallContext = { doing: `read ${address.bucket}/${address.key}`, subject: 'object' }
    const answer = await questions.ask('GET', address, context, call)
    if (answer !== undefined) return answer.body
    const pieces: Uint8Array[] = []
    for await (const piece of readObject(calls, idleTimeoutMs, address, call)) pieces.push(piece)
    return Buffer.concat(pieces)
  }

  return {
    async head(address, call = {}) {
      try {
        return statOf(address, await describe(address, call))
      } catch (error) {
        if (!isScoreError(error, 'object-not-found')) throw error
        await requireBucket(address.bucket, call)
        return undefined
      }
    },
    async readDocument(address, call = {}) {
      try {
        return await read(address, call)
      } catch (error) {
        if (!isScoreError(error, 'object-not-found')) throw error
        return undefined
      }
    },
  }
}
