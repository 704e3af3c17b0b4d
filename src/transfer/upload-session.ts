import { isScoreError, problems, ScoreError } from '../core/errors.ts'
import type { SignedPart, UploadProgress, UploadRef } from '../core/object-spec.ts'
import { urlLife } from '../core/url-life.ts'
import { requireSoundPlan, type TransferContext } from './transfer-context.ts'
import { type JournalHeader, type JournalSegment, planDigest } from './transfer-journal.ts'
import type { UploadTask } from './transfer-task.ts'
import type { UploadSource } from './upload-source.ts'
import type { LocalUpload, UploadState } from './upload-state.ts'

/** An upload that is open at the service, and whose it is. */
export interface UploadSession {
  readonly ref: UploadRef
  /** Those already held carry their `md5`. */
  readonly parts: readonly SignedPart[]
  readonly header: JournalHeader
}

export interface SessionRequest {
  readonly task: UploadTask
  readonly source: UploadSource
  readonly local: LocalUpload
  readonly segment: JournalSegment
  readonly state: UploadState | undefined
  /** MD5 of the whole; asked for only when an upload has to be opened. */
  readonly wholeMd5: () => Promise<string>
}

/**
 * Whether the object that stands under the id is what this upload was to put there: the service finished it, and the
 * answer, or this process, was lost.
 */
export async function isOurObject(
  objectId: string,
  size: number,
  ours: { readonly md5?: string | undefined; readonly uploadId?: string | undefined },
  context: TransferContext,
): Promise<boolean> {
  const found = await context.api.describeObject(objectId, { signal: context.signal })
  if (found.size !== size) return false
  if (ours.uploadId !== undefined && found.uploadId.toLowerCase() === ours.uploadId.toLowerCase()) return true
  return ours.md5 !== undefined && found.md5 === ours.md5
}

function startedElsewhere(uploadId: string): ScoreError {
  return new ScoreError(
    'already-running',
    `There is already an upload in progress that was started elsewhere with upload id ${uploadId}. Aborting local upload. Go on where it was begun, or start over with --force (overwrite)`,
  )
}

function conflicts(local: string, remote: string): ScoreError {
  return new ScoreError(
    'already-running',
    `Local in-progress upload ${local} conflicts with remote upload in progress ${remote}. Aborting local upload. Start over with --force (overwrite) if the other one may end`,
  )
}

function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

/** Refuses an upload in progress that nothing here knows, as the original does (score-client.md 2.1). */
function requireOurs(progress: UploadProgress, { task, local }: SessionRequest): void {
  if (task.adopt) return
  if (local.uploadId !== undefined) {
    if (!isSame(local.uploadId, progress.uploadId)) throw conflicts(local.uploadId, progress.uploadId)
    return
  }
  // This process died between opening and writing down the id: then nothing was sent yet.
  const opening = local.journal !== undefined && local.journal.header.uploadId === undefined
  if (opening && progress.parts.every((part) => part.md5 === undefined)) return
  throw startedElsewhere(progress.uploadId)
}

async function findProgress(request: SessionRequest, context: TransferContext): Promise<UploadProgress | undefined> {
  const { task, source } = request
  try {
    return await context.api.resumeUpload({ objectId: task.objectId, size: source.size }, { signal: context.signal })
  } catch (error) {
    if (isScoreError(error, 'upload-not-found')) return undefined
    if (isScoreError(error, 'size-changed')) {
      throw new ScoreError(
        'size-changed',
        `an upload of object ${task.objectId} with another size than the ${source.size} bytes of '${source.name}' is in progress: the file was changed, or someone else uploads another one. Start over with --force (overwrite)`,
        { cause: error },
      )
    }
    throw error
  }
}

/** With `overwrite` only our own attempt to do the same thing is gone on with, and only while its URLs live. */
async function findOverwrite(request: SessionRequest, context: TransferContext): Promise<UploadProgress | undefined> {
  const { local, segment } = request
  const ours = local.journal?.header.uploadId
  if (ours === undefined || segment.place === '' || local.journal?.segment.place !== segment.place) return undefined
  try {
    const progress = await context.api.resumeUpload(
      { objectId: request.task.objectId, size: request.source.size },
      { signal: context.signal },
    )
    const now = context.now()
    const alive = progress.parts.every((part) => part.md5 !== undefined || (urlLife(part.url).expiresAt ?? Number.POSITIVE_INFINITY) > now)
    return alive && isSame(progress.uploadId, ours) ? progress : undefined
  } catch (error) {
    if (isScoreError(error, 'upload-not-found', 'size-changed')) return undefined
    throw error
  }
}

async function open(request: SessionRequest, context: TransferContext): Promise<UploadSession> {
  const { task, source, state, segment } = request
  const md5 = await request.wholeMd5()
  const { objectId, overwrite = false } = task
  const about = { direction: 'upload', objectId, size: source.size, md5 } as const
  await state?.opening({ ...about, plan: '' }, segment)
  try {
    const spec = await context.api.openUpload({ objectId, size: source.size, md5, overwrite }, { signal: context.signal })
    requireSoundPlan(objectId, spec.parts, source.size)
    const { uploadId, parts } = spec
    return { ref: { objectId, uploadId }, parts, header: { ...about, uploadId, plan: planOf(parts) } }
  } catch (error) {
    // After a lost answer the upload may be open, and the note that it is ours must stay.
    if (isScoreError(error) && problems[error.code].retry === 'never') await state?.clear()
    throw error
  }
}

/** The parts' places alone: their MD5s come one by one. */
function planOf(parts: readonly SignedPart[]): string {
  return planDigest(parts.map(({ number, range }) => ({ number, range })))
}

/**
 * Goes on with the upload in progress that is ours, or opens one.
 *
 * @throws `already-running` when the one in progress is someone else's; `size-changed`; what the service throws.
 */
export async function openSession(request: SessionRequest, context: TransferContext): Promise<UploadSession> {
  const { task, source, local } = request
  const progress = await (task.overwrite ? findOverwrite(request, context) : findProgress(request, context))
  if (!progress) return open(request, context)
  if (!task.overwrite) requireOurs(progress, request)
  requireSoundPlan(task.objectId, progress.parts, source.size)
  const md5 = local.journal?.header.md5
  const { uploadId, parts } = progress
  const header: JournalHeader = {
    direction: 'upload',
    objectId: task.objectId,
    size: source.size,
    uploadId,
    plan: planOf(parts),
    ...(md5 === undefined ? {} : { md5 }),
  }
  return { ref: { objectId: task.objectId, uploadId }, parts, header }
}
