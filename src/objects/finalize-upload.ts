import type { CallOptions } from '../core/call-options.ts'
import { multipartEtag, normalizeMd5 } from '../core/checksum.ts'
import { isScoreError, ScoreError } from '../core/errors.ts'
import type { ObjectSpec, PartReceipt, UploadRef } from '../core/object-spec.ts'
import type { ObjectLayout } from '../storage/object-layout.ts'
import type { ObjectStat, StorageBackend } from '../storage/storage-backend.ts'
import { readDocument } from './document.ts'
import type { Registration } from './registration.ts'
import type { SpecStore } from './spec-store.ts'
import type { StateRemovals } from './state-removals.ts'
import type { UploadJournal } from './upload-journal.ts'
import { type HeldParts, reconcileParts } from './upload-parts.ts'

export interface FinalizeContext {
  readonly backend: StorageBackend
  readonly layout: ObjectLayout
  readonly journal: UploadJournal
  readonly specs: SpecStore
  readonly registration: Registration
  readonly removals: StateRemovals
}

export function uploadGone(upload: UploadRef): ScoreError {
  return new ScoreError(
    'upload-not-found',
    `there is no upload '${upload.uploadId}' of object ${upload.objectId}: it was cancelled, replaced by a newer one or never begun; begin it again`,
  )
}

function requireAllHeld(spec: ObjectSpec, held: HeldParts['held']): void {
  const missing = spec.parts.filter((part) => !held.has(part.number)).map((part) => part.number)
  if (missing.length === 0) return
  const shown = missing.slice(0, 10).join(', ')
  throw new ScoreError(
    'upload-incomplete',
    `object ${spec.objectId} still lacks ${missing.length} of ${spec.parts.length} parts (${shown}${missing.length > 10 ? ', …' : ''}); send and report them, then finish again`,
  )
}

/** The parts' MD5s as registered; where one part has several differing ones, none is trusted. */
function withMd5s(spec: ObjectSpec, receipts: Iterable<PartReceipt>): ObjectSpec {
  const md5s = new Map<number, string | undefined>()
  for (const { number, md5 } of receipts)
    md5s.set(number, md5s.has(number) && md5s.get(number) !== normalizeMd5(md5) ? undefined : normalizeMd5(md5))
  const parts = spec.parts.map(({ number, range }) => {
    const md5 = md5s.get(number)
    return { number, range, ...(md5 === undefined ? {} : { md5 }) }
  })
  return { ...spec, parts }
}

/** Whether an ETag of S3's multipart form speaks of another number of parts than planned. */
function hasOtherPartCount(stat: ObjectStat, spec: ObjectSpec): boolean {
  const count = /^[0-9a-f]{32}-(\d+)$/i.exec(stat.etag)?.[1]
  return count !== undefined && Number(count) !== spec.parts.length
}

/** Whether the object's ETag proves that it was joined of just these parts. */
function isOfParts(stat: ObjectStat | undefined, receipts: readonly PartReceipt[]): boolean {
  return stat?.etag === multipartEtag(receipts.map((receipt) => receipt.etag))
}

/**
 * Whether the bytes at the object's place are those of an upload that the store no longer knows: size and number of parts
 * fit, and either the ETag proves it or no newer upload has left its `.meta` there since.
 */
async function isJoined(
  context: FinalizeContext,
  spec: ObjectSpec,
  receipts: readonly PartReceipt[],
  options?: CallOptions,
): Promise<boolean> {
  const { backend, layout } = context
  const stat = await backend.head(layout.data(spec.objectId)[0], options)
  if (!stat || stat.size !== spec.size || hasOtherPartCount(stat, spec)) return false
  // Where clients write objects by themselves, the bytes themselves say which upload they are of.
  if (backend.presignObjectWrite !== undefined) return stat.uploadId === spec.uploadId
  if (isOfParts(stat, receipts)) return true
  const metaStat = await backend.head(layout.meta(spec.objectId)[0], options)
  return !metaStat || metaStat.lastModified < stat.lastModified
}

/**
 * Writes `.meta`, then ends the upload: in this order, so that a crash between leaves an upload that can finish. What is
 * left of its state then says nothing to anyone, and is removed behind the answer.
 */
async function seal(context: FinalizeContext, upload: UploadRef, spec: ObjectSpec, options?: CallOptions): Promise<void> {
  await context.specs.write({ ...spec, objectId: upload.objectId, uploadId: upload.uploadId }, options)
  await context.journal.end(upload, options)
  await context.removals.begin(upload)
}

/**
 * Joins the parts. An older object's `.meta` goes first: nobody shall read new bytes with old MD5s (score-server.md
 * 10.B5); it comes back when the join is refused.
 */
async function join(
  context: FinalizeContext,
  upload: UploadRef,
  { md5 }: ObjectSpec,
  parts: HeldParts,
  options?: CallOptions,
): Promise<void> {
  const { backend, layout } = context
  const multipart = { ...layout.data(upload.objectId)[0], uploadId: upload.uploadId }
  const receipts = [...parts.held.values()].sort((left, right) => left.number - right.number)
  const meta = layout.meta(upload.objectId)[0]
  const before = parts.fresh ? undefined : await readDocument(backend, meta, options)
  if (before !== undefined) await backend.delete(meta, options)
  try {
    await backend.completeMultipart(
      multipart,
      receipts.map(({ number, etag }) => ({ number, etag })),
      { ...options, ifAbsent: parts.fresh, ...(md5 === undefined ? {} : { md5 }) },
    )
  } catch (error) {
    if (before !== undefined && isScoreError(error, 'part-mismatch', 'object-exists')) await backend.put(meta, Buffer.from(before), options)
    throw error
  }
}

/** A finished upload is named by the object's `.meta`; what is left of its state goes. */
async function isFinished(context: FinalizeContext, upload: UploadRef, options?: CallOptions): Promise<boolean> {
  const stored = await context.specs.read(upload.objectId, options)
  if (stored?.spec.uploadId !== upload.uploadId) return false
  await context.journal.end(upload, options)
  await context.removals.begin(upload)
  return true
}

/** @returns false when it turns out that the parts were joined already. */
async function joinAndSeal(
  context: FinalizeContext,
  upload: UploadRef,
  spec: ObjectSpec,
  parts: HeldParts,
  options?: CallOptions,
): Promise<boolean> {
  requireAllHeld(spec, parts.held)
  await context.registration.requireUploadable(upload.objectId, options)
  try {
    await join(context, upload, spec, parts, options)
  } catch (error) {
    if (!isScoreError(error, 'upload-not-found', 'object-exists')) throw error
    const multipart = { ...context.layout.data(upload.objectId)[0], uploadId: upload.uploadId }
    const again = await reconcileParts({ ...context, multipart }, upload, spec, options)
    if ('gone' in again) return false
    // Swift keeps the parts of an upload that it has joined: then an object of just these parts is what tells.
    const receipts = [...parts.held.values()].sort((left, right) => left.number - right.number)
    if (isOfParts(await context.backend.head(multipart, options), receipts)) return false
    throw error
  }
  await seal(context, upload, withMd5s(spec, parts.held.values()), options)
  return true
}

/** The parts were joined and the answer was lost, by this server or another, before `.meta` was written (10.B1). */
async function sealJoined(
  context: FinalizeContext,
  upload: UploadRef,
  spec: ObjectSpec,
  receipts: readonly PartReceipt[],
  options?: CallOptions,
): Promise<void> {
  if (await isFinished(context, upload, options)) return
  if (!(await isJoined(context, spec, receipts, options))) throw uploadGone(upload)
  await context.registration.requireUploadable(upload.objectId, options)
  await seal(context, upload, withMd5s(spec, receipts), options)
}

/**
 * Ends an upload whose parts are joined, which another server is about to do or died before: only when the ETag of the
 * bytes proves it.
 *
 * @returns whether the object is whole now.
 */
export async function finishIfJoined(context: FinalizeContext, upload: UploadRef, options?: CallOptions): Promise<boolean> {
  const [data] = context.layout.data(upload.objectId)
  const spec = await context.journal.readSpec(upload, options)
  if (!spec) return false
  const parts = await reconcileParts({ ...context, multipart: { ...data, uploadId: upload.uploadId } }, upload, spec, options)
  if (!('gone' in parts)) return false
  const stat = await context.backend.head(data, options)
  if (stat?.size !== spec.size || stat.etag !== multipartEtag(parts.receipts.map(({ etag }) => etag))) return false
  await seal(context, upload, withMd5s(spec, parts.receipts), options)
  return true
}

/**
 * Makes the object of an upload's parts. Safe to repeat, by any server, after a crash or a lost answer at any point.
 *
 * @throws `upload-not-found`, `upload-incomplete`, `analysis-state`, `part-mismatch`; `object-exists` when another
 *   upload of the same new object was finished first.
 */
export async function finalizeUpload(context: FinalizeContext, upload: UploadRef, options?: CallOptions): Promise<void> {
  const spec = await context.journal.readSpec(upload, options)
  if (!spec) {
    if (await isFinished(context, upload, options)) return
    throw uploadGone(upload)
  }
  const multipart = { ...context.layout.data(upload.objectId)[0], uploadId: upload.uploadId }
  const parts = await reconcileParts({ ...context, multipart }, upload, spec, options)
  if ('gone' in parts) return sealJoined(context, upload, spec, parts.receipts, options)
  if (await joinAndSeal(context, upload, spec, parts, options)) return
  await sealJoined(context, upload, spec, [...parts.held.values()], options)
}
