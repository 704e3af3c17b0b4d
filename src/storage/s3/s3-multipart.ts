import type { Part } from '@aws-sdk/client-s3'
import type { CallOptions } from '../../core/call-options.ts'
import { unquoteEtag } from '../../core/checksum.ts'
import { isScoreError, ScoreError } from '../../core/errors.ts'
import type { CompleteOptions, ListPartsOptions, MultipartRef, ObjectAddress, StorageBackend, StoredPart } from '../storage-backend.ts'
import type { S3Calls } from './s3-calls.ts'
import { listOpenMultiparts } from './s3-listing.ts'
import type { S3Encryption } from './s3-options.ts'

type Multipart = Pick<StorageBackend, 'createMultipart' | 'listParts' | 'listMultiparts' | 'completeMultipart' | 'abortMultipart'>

const maximumPage = 1000

/** The headers that ask for encryption. */
export function encryptionInput(sse: S3Encryption | undefined): {
  readonly ServerSideEncryption?: S3Encryption['algorithm']
  readonly SSEKMSKeyId?: string
} {
  if (sse === undefined) return {}
  return { ServerSideEncryption: sse.algorithm, ...(sse.keyId === undefined ? {} : { SSEKMSKeyId: sse.keyId }) }
}

function refInput({ bucket, key, uploadId }: MultipartRef): { readonly Bucket: string; readonly Key: string; readonly UploadId: string } {
  return { Bucket: bucket, Key: key, UploadId: uploadId }
}

function storedPart({ PartNumber, ETag, Size }: Part, { bucket, key }: ObjectAddress): StoredPart {
  if (PartNumber === undefined || ETag === undefined)
    throw new ScoreError('store-protocol', `the S3 store lists a part of ${bucket}/${key} without number or ETag`)
  return { number: PartNumber, etag: unquoteEtag(ETag), ...(Size === undefined ? {} : { size: Size }) }
}

/** One page of parts whose numbers are above the marker. */
async function partsPage(
  calls: S3Calls,
  multipart: MultipartRef,
  place: { readonly marker: number; readonly size: number },
  options: CallOptions,
): Promise<{ readonly parts: readonly StoredPart[]; readonly more: boolean }> {
  const context = { doing: `list the parts of ${multipart.bucket}/${multipart.key}`, subject: 'upload' } as const
  const input = { ...refInput(multipart), PartNumberMarker: String(place.marker), MaxParts: Math.min(maximumPage, place.size) }
  const answer = await calls.run(context, (client, sdk, request) => client.send(new sdk.ListPartsCommand(input), request), options)
  const parts = (answer.Parts ?? []).map((part) => storedPart(part, multipart)).filter((part) => part.number > place.marker)
  if (parts.length === 0 && answer.IsTruncated === true)
    throw new ScoreError('store-protocol', `the S3 store says that ${multipart.bucket}/${multipart.key} has more parts, but lists none`)
  return { parts, more: answer.IsTruncated === true }
}

/**
 * Where to begin so that the parts after `after` are seen. MinIO lists nothing after a part that is not there, and parts
 * come in any order: so an empty answer is believed only when it follows a part that is there, or the beginning.
 */
async function beginning(calls: S3Calls, multipart: MultipartRef, after: number, size: number, options: CallOptions) {
  let page = await partsPage(calls, multipart, { marker: after, size }, options)
  for (let step = 1, marker = after; page.parts.length === 0 && marker > 0; step *= 2) {
    marker = Math.max(0, after - step)
    page = await partsPage(calls, multipart, { marker, size: size + step }, options)
  }
  return page
}

async function* listParts(calls: S3Calls, multipart: MultipartRef, options: ListPartsOptions = {}): AsyncIterable<StoredPart> {
  const { after = 0, limit = Number.POSITIVE_INFINITY } = options
  if (limit <= 0) return
  let left = limit
  let last = after
  let page = await beginning(calls, multipart, after, limit, options)
  for (;;) {
    for (const part of page.parts) {
      if (part.number <= after) continue
      yield part
      if (--left <= 0) return
    }
    if (!page.more) return
    // The parts themselves say where to go on: no store's NextPartNumberMarker is needed for it.
    last = page.parts.at(-1)?.number ?? last
    page = await partsPage(calls, multipart, { marker: last, size: left }, options)
  }
}

/** @returns whether the store still knows the upload. */
async function isOpen(calls: S3Calls, multipart: MultipartRef, options: CallOptions): Promise<boolean> {
  try {
    for await (const _part of listParts(calls, multipart, { ...options, limit: 1 })) return true
    return true
  } catch (error) {
    if (isScoreError(error, 'upload-not-found')) return false
    throw error
  }
}

async function requireAbsent(address: ObjectAddress, head: StorageBackend['head'], options: CallOptions): Promise<void> {
  if ((await head(address, options)) === undefined) return
  throw new ScoreError('object-exists', `there is an object at ${address.bucket}/${address.key} already, and it shall not be replaced`)
}

/** The multipart half of the driver. */
export function createS3Multipart(
  calls: S3Calls,
  settings: { readonly sse?: S3Encryption | undefined; readonly head: StorageBackend['head'] },
): Multipart {
  const { sse, head } = settings

  const join = (multipart: MultipartRef, parts: readonly StoredPart[], ifAbsent: boolean, options: CallOptions): Promise<unknown> => {
    const input = {
      ...refInput(multipart),
      MultipartUpload: { Parts: parts.map(({ number, etag }) => ({ PartNumber: number, ETag: etag })) },
      ...(ifAbsent ? { IfNoneMatch: '*' } : {}),
    }
    const context = { doing: `join the parts of ${multipart.bucket}/${multipart.key}`, subject: 'upload' } as const
    return calls.run(context, (client, sdk, request) => client.send(new sdk.CompleteMultipartUploadCommand(input), request), options)
  }

  /** RGW answers 500 for an upload that it does not know (backends.md 5): a repeat would wait for nothing. */
  const explain = async (error: unknown, multipart: MultipartRef, options: CallOptions): Promise<unknown> => {
    if (!isScoreError(error, 'unavailable') || !/\bInternalError\b/.test(error.message)) return error
    if (await isOpen(calls, multipart, options)) return error
    return new ScoreError(
      'upload-not-found',
      `the S3 store knows no upload ${multipart.uploadId} of ${multipart.bucket}/${multipart.key}`,
      {
        cause: error,
      },
    )
  }

  return {
    async createMultipart(address, options = {}) {
      const input = { Bucket: address.bucket, Key: address.key, ContentType: 'application/octet-stream', ...encryptionInput(sse) }
      const context = { doing: `begin an upload to ${address.bucket}/${address.key}`, subject: 'bucket' } as const
      const { UploadId } = await calls.run(
        context,
        (client, sdk, request) => client.send(new sdk.CreateMultipartUploadCommand(input), request),
        options,
      )
      if (UploadId === undefined)
        throw new ScoreError('store-protocol', `the S3 store began an upload to ${address.bucket}/${address.key} without giving its id`)
      return { ...address, uploadId: UploadId }
    },
    listParts: (multipart, options) => listParts(calls, multipart, options),
    listMultiparts: (prefix, options) => listOpenMultiparts(calls, prefix, options),
    async completeMultipart(multipart, parts, options: CompleteOptions = {}) {
      const { ifAbsent = false, ...call } = options
      // Some stores take If-None-Match here and replace the object all the same (backends.md 8.1): then this is the guard.
      if (ifAbsent) await requireAbsent(multipart, head, call)
      try {
        await join(multipart, parts, ifAbsent, call).catch((error: unknown) => {
          if (ifAbsent && isScoreError(error, 'store-protocol') && /\bNotImplemented\b/.test(error.message))
            return join(multipart, parts, false, call)
          throw error
        })
      } catch (error) {
        throw await explain(error, multipart, call)
      }
    },
    async abortMultipart(multipart, options = {}) {
      const context = { doing: `abort the upload to ${multipart.bucket}/${multipart.key}`, subject: 'upload' } as const
      try {
        await calls.run(
          context,
          (client, sdk, request) => client.send(new sdk.AbortMultipartUploadCommand(refInput(multipart)), request),
          options,
        )
      } catch (error) {
        if (!isScoreError(error, 'upload-not-found')) throw error
      }
    },
  }
}
