import type { OpenUpload } from '../api/score-api.ts'
import type { CallOptions } from '../core/call-options.ts'
import { normalizeMd5, unquoteEtag } from '../core/checksum.ts'
import { ScoreError } from '../core/errors.ts'
import type { ObjectSpec, Part, PartReceipt, SignedPart, UploadProgress, UploadRef } from '../core/object-spec.ts'
import { maximumParts, type PartPlanOptions, planParts } from '../core/part-plan.ts'
import { isUploadId } from '../storage/object-layout.ts'
import type { MultipartRef } from '../storage/storage-backend.ts'
import { type FinalizeContext, finalizeUpload, finishIfJoined, uploadGone } from './finalize-upload.ts'
import type { PresignService } from './presign-service.ts'
import { reconcileParts, requireStoredPart } from './upload-parts.ts'

export interface UploadsContext extends FinalizeContext {
  readonly presign: PresignService
  readonly partPlan?: PartPlanOptions
  /** Of the largest object that the store takes. */
  readonly largestObjectBytes?: number
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** An upload that is gone on with after so long gets its state renewed, so that no clean-up takes it for left alone. */
const renewAfterMs = 86_400_000

/** The SDK of the original's client joins 50,000 blocks of 100 MiB at most. */
const largestDirectBytes = 50_000 * 100 * 1024 ** 2

/** Uploads, once the caller has been let in. Errors as in `ScoreApi`. */
export interface Uploads {
  open(request: OpenUpload, options?: CallOptions): Promise<ObjectSpec<SignedPart>>
  resume(request: { readonly objectId: string; readonly size: number }, options?: CallOptions): Promise<UploadProgress>
  finalizePart(upload: UploadRef, receipt: PartReceipt, options?: CallOptions): Promise<void>
  deletePart(upload: UploadRef, partNumber: number, options?: CallOptions): Promise<void>
  finalize(upload: UploadRef, options?: CallOptions): Promise<void>
  cancel(objectId: string, options?: CallOptions): Promise<void>
  /** Whether a finished object is there. */
  exists(objectId: string, options?: CallOptions): Promise<boolean>
}

function planUpload(size: number, { partPlan = {}, largestObjectBytes }: Pick<UploadsContext, 'partPlan' | 'largestObjectBytes'>): Part[] {
  if (!Number.isSafeInteger(size) || size < 1)
    throw new ScoreError('invalid-request', `an upload of ${size} bytes is impossible: the size must be a whole number of at least 1`)
  if (largestObjectBytes !== undefined && size > largestObjectBytes)
    throw new ScoreError(
      'invalid-request',
      `${size} bytes are more than one object of this store can hold (${largestObjectBytes}); split the file, or ask for a store that takes it`,
    )
  return planParts({ start: 0, end: size }, partPlan)
}

function readWholeMd5(text: string | undefined): string | undefined {
  if (text === undefined || text.trim() === '') return undefined
  const md5 = normalizeMd5(text)
  if (md5 !== undefined) return md5
  throw new ScoreError('invalid-request', `'${text}' is not an MD5: 32 hex digits are expected`)
}

function requirePartNumber(number: number): void {
  if (Number.isSafeInteger(number) && number >= 1 && number <= maximumParts) return
  throw new ScoreError('invalid-request', `part number ${number} is impossible: it must be a whole number from 1 to ${maximumParts}`)
}

function requireUploadId(upload: UploadRef): void {
  if (!isUploadId(upload.uploadId)) throw uploadGone(upload)
}

function noUpload(objectId: string): ScoreError {
  return new ScoreError('upload-not-found', `no upload of object ${objectId} is in progress; begin one`)
}

const notAsBegun = (spec: ObjectSpec, size: number): ScoreError =>
  new ScoreError(
    'size-changed',
    `the upload of object ${spec.objectId} in progress was begun with ${spec.size} bytes, the file has ${size} now; cancel it, or begin it again with --force`,
  )

function multipartOf(context: UploadsContext, upload: UploadRef): MultipartRef {
  return { ...context.layout.data(upload.objectId)[0], uploadId: upload.uploadId }
}

async function endUpload(context: UploadsContext, upload: UploadRef, options?: CallOptions): Promise<void> {
  await context.backend.abortMultipart(multipartOf(context, upload), options)
  await context.journal.close(upload, options)
}

/** Begins a multipart upload and writes its state; what was begun is taken back when that fails. */
async function begin(
  context: UploadsContext,
  request: { readonly objectId: string; readonly parts: readonly Part[]; readonly size: number; readonly md5: string | undefined },
  options: CallOptions & { readonly fresh: boolean },
): Promise<ObjectSpec<SignedPart>> {
  const { objectId, size, md5 } = request
  const address = context.layout.data(objectId)[0]
  const multipart = await context.backend.createMultipart(address, options)
  try {
    if (!isUploadId(multipart.uploadId))
      throw new ScoreError('store-protocol', `the object store gave the upload id '${multipart.uploadId}', which can't be part of a key`)
    const parts = await context.presign.signUpload(multipart, request.parts)
    const spec = { objectKey: address.key, objectId, uploadId: multipart.uploadId, parts, size, ...(md5 === undefined ? {} : { md5 }) }
    await context.journal.open(spec, options)
    return spec
  } catch (error) {
    await Promise.allSettled([endUpload(context, { objectId, uploadId: multipart.uploadId })])
    throw error
  }
}

/**
 * One URL for the whole object, where clients write objects by themselves: nothing is begun, nothing will be reported, and no
 * state is kept (score-server.md 5). `undefined` where none does.
 */
async function openDirect(
  context: UploadsContext,
  { objectId, size, md5 }: { readonly objectId: string; readonly size: number; readonly md5: string | undefined },
): Promise<ObjectSpec<SignedPart> | undefined> {
  const address = context.layout.data(objectId)[0]
  const signed = context.presign.signObjectWrite(address)
  if (signed === undefined) return undefined
  if (size > largestDirectBytes)
    throw new ScoreError(
      'invalid-request',
      `${size} bytes are more than this client can send to an Azure store (${largestDirectBytes}); upload them with the client of score-sdk`,
    )
  const part = { number: 1, range: { start: 0, end: size }, ...(md5 === undefined ? {} : { md5 }), url: (await signed).url }
  return { objectKey: address.key, objectId, uploadId: objectId, size, ...(md5 === undefined ? {} : { md5 }), parts: [part] }
}

/**
 * Bytes without `.meta` may be those of an upload that another server finishes right now, or died over. It is finished here;
 * and its `.meta` is asked for again, because its state may have gone since the first question.
 */
async function isFinishedMeanwhile(
  context: UploadsContext,
  objectId: string,
  earlier: readonly UploadRef[],
  options: CallOptions,
): Promise<boolean> {
  for (const upload of earlier) if (await finishIfJoined(context, upload, options)) return true
  return context.specs.exists(objectId, options)
}

async function open(context: UploadsContext, request: OpenUpload, options: CallOptions = {}): Promise<ObjectSpec<SignedPart>> {
  const { objectId, size, overwrite = false } = request
  const parts = planUpload(size, context)
  const md5 = readWholeMd5(request.md5)
  const entity = await context.registration.requireUploadable(objectId, options)
  await context.registration.requireAsRegistered(entity, { size, ...(md5 === undefined ? {} : { md5 }) }, options)
  const [whole, bytes, earlier] = await Promise.all([
    context.specs.exists(objectId, options),
    context.backend.head(context.layout.data(objectId)[0], options),
    context.journal.all(objectId, options),
  ])
  const finished = whole || (bytes !== undefined && !overwrite && (await isFinishedMeanwhile(context, objectId, earlier, options)))
  if (finished && !overwrite)
    throw new ScoreError('object-exists', `object ${objectId} (${entity.fileName}) is stored already; use --force to replace it`)
  const direct = request.direct === true ? await openDirect(context, { objectId, size, md5 }) : undefined
  const spec = direct ?? (await begin(context, { objectId, parts, size, md5 }, { ...options, fresh: !finished && bytes === undefined }))
  for (const upload of earlier) await endUpload(context, upload, options)
  return spec
}

async function resume(
  context: UploadsContext,
  { objectId, size }: { readonly objectId: string; readonly size: number },
  options?: CallOptions,
): Promise<UploadProgress> {
  const upload = await context.journal.find(objectId, options)
  const spec = upload && (await context.journal.readSpec(upload, options))
  if (!upload || !spec) throw noUpload(objectId)
  if (spec.size !== size) throw notAsBegun(spec, size)
  const multipart = multipartOf(context, upload)
  const found = await reconcileParts({ ...context, multipart }, upload, spec, options)
  const held = 'gone' in found ? new Map(found.receipts.map((receipt) => [receipt.number, receipt])) : found.held
  if ('gone' in found) {
    const stat = held.size === spec.parts.length ? await context.backend.head(context.layout.data(objectId)[0], options) : undefined
    if (stat?.size !== spec.size) {
      await context.journal.close(upload, options)
      throw noUpload(objectId)
    }
  }
  const parts = spec.parts.map(({ number, range }) => {
    const receipt = held.get(number)
    return { number, range, ...(receipt === undefined ? {} : { md5: normalizeMd5(receipt.md5) ?? receipt.md5 }) }
  })
  const signed = await context.presign.signUpload(multipart, parts)
  const { uploadId, writtenAt } = upload
  if (!('gone' in found) && context.now() - writtenAt.getTime() > renewAfterMs)
    await context.journal.renew({ ...spec, parts: signed.map(({ number, range, url }) => ({ number, range, url })) }, options)
  return { objectId, uploadId, parts: signed }
}

/** All that a report is held against where a look at one part costs a list of all. @throws `upload-not-found`. */
async function requireOpen({ journal }: UploadsContext, upload: UploadRef, options?: CallOptions): Promise<void> {
  if (!(await journal.isOpen(upload, options))) throw uploadGone(upload)
}

async function finalizePart(context: UploadsContext, upload: UploadRef, receipt: PartReceipt, options?: CallOptions): Promise<void> {
  requirePartNumber(receipt.number)
  requireUploadId(upload)
  const etag = unquoteEtag(receipt.etag)
  if (etag === '' || receipt.md5.trim() === '')
    throw new ScoreError('invalid-request', `part ${receipt.number} of object ${upload.objectId} was reported without its MD5 or ETag`)
  if (context.backend.listsAllParts) await requireOpen(context, upload, options)
  else await requireStoredPart(context.backend, multipartOf(context, upload), { ...receipt, etag }, options)
  const md5 = normalizeMd5(receipt.md5)
  if (md5 === undefined)
    throw new ScoreError(
      'invalid-request',
      `'${receipt.md5}', reported for part ${receipt.number} of object ${upload.objectId}, is not an MD5`,
    )
  await context.journal.record(upload, { number: receipt.number, md5, etag }, options)
}

export function createUploads(context: UploadsContext): Uploads {
  return {
    open: (request, options) => open(context, request, options),
    resume: (request, options) => resume(context, request, options),
    finalizePart: (upload, receipt, options) => finalizePart(context, upload, receipt, options),
    async deletePart(upload, partNumber, options) {
      requirePartNumber(partNumber)
      if (isUploadId(upload.uploadId)) await context.journal.forget(upload, partNumber, options)
    },
    async finalize(upload, options) {
      requireUploadId(upload)
      await finalizeUpload(context, upload, options)
    },
    async cancel(objectId, options) {
      let open = false
      for (const upload of await context.journal.all(objectId, options)) {
        open = (await context.journal.isOpen(upload, options)) || open
        await endUpload(context, upload, options)
      }
      // What a finished upload, or a cancel that died, left behind is removed as well, but was no upload in progress.
      if (!open) throw noUpload(objectId)
    },
    exists: (objectId, options) => context.specs.exists(objectId, options),
  }
}
