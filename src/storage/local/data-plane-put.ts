import { maximumParts } from '../../core/part-plan.ts'
import type { LocalBackend } from './backend.ts'
import { type GrantedRequest, headerOf } from './data-plane-request.ts'
import type { DataPlaneAnswer, S3Failure } from './s3-answer.ts'

/** Largest part of S3: 5 GiB. */
const maximumPartBytes = 5 * 1024 ** 3

/** The MD5 announced, as hex; `undefined` when none is; a failure when it is no base64 of 16 bytes. */
function announcedMd5(header: string | undefined): { readonly md5?: string } | S3Failure {
  if (header === undefined) return {}
  if (/^[A-Za-z0-9+/]{22}==$/.test(header.trim())) return { md5: Buffer.from(header, 'base64').toString('hex') }
  return { code: 'InvalidDigest', message: 'The Content-MD5 you specified is not the base64 form of an MD5' }
}

function refusal(request: GrantedRequest): S3Failure | undefined {
  const length = headerOf(request, 'content-length')
  const { partNumber, uploadId } = request.grant
  if (partNumber === undefined || uploadId === undefined || partNumber < 1 || partNumber > maximumParts)
    return { code: 'InvalidArgument', message: `Part number must be an integer between 1 and ${maximumParts}, inclusive` }
  if (length === undefined || !/^\d{1,16}$/.test(length))
    return { code: 'MissingContentLength', message: 'You must provide the Content-Length HTTP header' }
  if (Number(length) > maximumPartBytes) {
    const details = { ProposedSize: length, MaxSizeAllowed: String(maximumPartBytes) }
    return { code: 'EntityTooLarge', message: 'Your proposed upload exceeds the maximum allowed size', details }
  }
  return undefined
}

/** A body that breaks off is a short one: what went wrong on the way is not the store's failure. */
async function* untilCut(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body
  } catch {
    return
  }
}

/** PUT of one part. */
export async function answerPut(backend: Pick<LocalBackend, 'writePart'>, request: GrantedRequest): Promise<DataPlaneAnswer | S3Failure> {
  const refused = refusal(request)
  if (refused) return refused
  const announced = announcedMd5(headerOf(request, 'content-md5'))
  if ('code' in announced) return announced
  const { bucket, key, uploadId = '', partNumber = 0 } = request.grant
  const part = { number: partNumber, size: Number(headerOf(request, 'content-length')), bytes: untilCut(request.body), ...announced }
  const stored = await backend.writePart({ bucket, key, uploadId }, part, request.signal ? { signal: request.signal } : {})
  return { status: 200, headers: { etag: `"${stored.etag}"`, 'content-length': '0' } }
}
