import type { ListMultipartUploadsCommandOutput, ListObjectsV2CommandOutput } from '@aws-sdk/client-s3'
import type { CallOptions } from '../../core/call-options.ts'
import { isScoreError, ScoreError } from '../../core/errors.ts'
import type { ListedObject, ObjectAddress, OpenMultipart } from '../storage-backend.ts'
import type { S3Calls } from './s3-calls.ts'

/** Keys come percent-encoded, for XML cannot carry every character; spaces may come as `+`. */
function decodeKey(text: string, encoding: string | undefined): string {
  if (encoding?.toLowerCase() !== 'url') return text
  try {
    return decodeURIComponent(text.replaceAll('+', '%20'))
  } catch (cause) {
    throw new ScoreError('store-protocol', `the S3 store lists the key '${text}', which is not URL-encoded as it says`, { cause })
  }
}

/** Pages of a listing, one after the other; a page is asked for when the one before is used up. */
async function* pages(
  calls: S3Calls,
  prefix: ObjectAddress,
  delimiter: string | undefined,
  options: CallOptions,
): AsyncIterable<ListObjectsV2CommandOutput> {
  const context = { doing: `list ${prefix.bucket}/${prefix.key}`, subject: 'bucket' } as const
  let token: string | undefined
  for (;;) {
    const input = {
      Bucket: prefix.bucket,
      Prefix: prefix.key,
      EncodingType: 'url',
      ...(delimiter === undefined ? {} : { Delimiter: delimiter }),
      ...(token === undefined ? {} : { ContinuationToken: token }),
    } as const
    const page = await calls.run(context, (client, sdk, request) => client.send(new sdk.ListObjectsV2Command(input), request), options)
    yield page
    if (page.IsTruncated !== true) return
    if (page.NextContinuationToken === undefined || page.NextContinuationToken === token)
      throw new ScoreError('store-protocol', `the S3 store says that the listing of ${prefix.bucket}/${prefix.key} goes on, but not where`)
    token = page.NextContinuationToken
  }
}

/** Objects below a prefix, page by page. */
export async function* listObjects(calls: S3Calls, prefix: ObjectAddress, options: CallOptions = {}): AsyncIterable<ListedObject> {
  for await (const page of pages(calls, prefix, undefined, options)) {
    for (const { Key, Size, LastModified } of page.Contents ?? []) {
      if (Key === undefined || Size === undefined || LastModified === undefined)
        throw new ScoreError('store-protocol', `the S3 store lists an object of ${prefix.bucket} without key, size or time`)
      yield { bucket: prefix.bucket, key: decodeKey(Key, page.EncodingType), size: Size, lastModified: LastModified }
    }
  }
}

/** Folders right below a prefix, page by page. */
export async function* listFolderPrefixes(calls: S3Calls, prefix: ObjectAddress, options: CallOptions = {}): AsyncIterable<string> {
  for await (const page of pages(calls, prefix, '/', options)) {
    for (const { Prefix } of page.CommonPrefixes ?? []) {
      if (Prefix !== undefined) yield decodeKey(Prefix, page.EncodingType)
    }
  }
}

interface UploadMarker {
  readonly KeyMarker: string
  readonly UploadIdMarker?: string
}

/**
 * A page of the uploads to a bucket. versitygw refuses the ids that it gave itself to go on from: then the page begins at the
 * next key, and what is left of the last one is for the next time.
 */
async function uploadsPage(
  calls: S3Calls,
  bucket: string,
  marker: UploadMarker | undefined,
  options: CallOptions,
): Promise<ListMultipartUploadsCommandOutput> {
  const context = { doing: `list the uploads to ${bucket}`, subject: 'bucket' } as const
  const ask = (from: UploadMarker | undefined): Promise<ListMultipartUploadsCommandOutput> =>
    calls.run(
      context,
      (client, sdk, request) => client.send(new sdk.ListMultipartUploadsCommand({ Bucket: bucket, EncodingType: 'url', ...from }), request),
      options,
    )
  try {
    return await ask(marker)
  } catch (error) {
    if (marker?.UploadIdMarker === undefined || !isScoreError(error) || !/\bInvalidArgument\b/.test(error.message)) throw error
    return ask({ KeyMarker: marker.KeyMarker })
  }
}

/** Uploads in progress below a prefix, page by page. All are asked for: MinIO takes a prefix for the whole name of a key. */
export async function* listOpenMultiparts(calls: S3Calls, prefix: ObjectAddress, options: CallOptions = {}): AsyncIterable<OpenMultipart> {
  const { bucket } = prefix
  let marker: UploadMarker | undefined
  for (;;) {
    const page = await uploadsPage(calls, bucket, marker, options)
    for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
      if (Key === undefined || UploadId === undefined || Initiated === undefined)
        throw new ScoreError('store-protocol', `the S3 store lists an upload to ${bucket} without key, id or time`)
      const key = decodeKey(Key, page.EncodingType)
      if (key.startsWith(prefix.key)) yield { bucket, key, uploadId: UploadId, begunAt: Initiated }
    }
    if (page.IsTruncated !== true) return
    const { NextKeyMarker, NextUploadIdMarker: id } = page
    const next = NextKeyMarker === undefined ? undefined : decodeKey(NextKeyMarker, page.EncodingType)
    if (next === undefined || (next === marker?.KeyMarker && id === marker.UploadIdMarker))
      throw new ScoreError('store-protocol', `the S3 store says that the list of uploads to ${bucket} goes on, but not where`)
    marker = { KeyMarker: next, ...(id === undefined ? {} : { UploadIdMarker: id }) }
  }
}
