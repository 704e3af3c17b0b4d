import { normalizeMd5 } from '../core/checksum.ts'
import { isScoreError, ScoreError } from '../core/errors.ts'
import { requireObjectId } from '../core/object-id.ts'
import type { FileLock } from '../files/lock-file.ts'
import { ownProcess } from '../files/process-identity.ts'
import { createPartAttempts } from './part-attempts.ts'
import { withLock } from './state-folder.ts'
import { awaitDigest, newTally, type TransferContext, toReceipt } from './transfer-context.ts'
import type { JournalSegment } from './transfer-journal.ts'
import type { TransferReceipt, UploadTask } from './transfer-task.ts'
import { type MovingUpload, sendParts } from './upload-parts.ts'
import { isOurObject, openSession, type UploadSession } from './upload-session.ts'
import { openUploadSource, type UploadSource } from './upload-source.ts'
import { type LocalUpload, type UploadState, uploadState } from './upload-state.ts'

interface Upload {
  readonly task: UploadTask
  readonly source: UploadSource
  readonly state: UploadState | undefined
  readonly lock: FileLock | undefined
  readonly begunAt: number
  readonly context: TransferContext
}

function givenMd5(task: UploadTask): string | undefined {
  if (task.md5 === undefined) return undefined
  const md5 = normalizeMd5(task.md5)
  if (md5) return md5
  throw new ScoreError('invalid-request', `'${task.md5}', given for object ${task.objectId}, is not an MD5: 32 hex digits are`)
}

/** Uploads one file; see `TransferEngine.upload`. */
export async function upload(task: UploadTask, context: TransferContext): Promise<TransferReceipt> {
  const begunAt = context.now()
  requireObjectId(task.objectId)
  givenMd5(task)
  const source = await openUploadSource(task, context.transport, { signal: context.signal })
  const state = uploadState(task, context.journalDir)
  const run = async (lock: FileLock | undefined): Promise<TransferReceipt> => {
    try {
      return await uploadLocked({ task, source, state, lock, begunAt, context })
    } finally {
      await source.release()
    }
  }
  if (!state) return run(undefined)
  await state.prepare()
  return withLock(state.lockPath, `upload of ${source.name}`, context, run)
}

async function uploadLocked(up: Upload): Promise<TransferReceipt> {
  const { task, source, state, context } = up
  const local: LocalUpload = (await state?.read()) ?? {}
  if (!task.overwrite && (await context.api.objectExists(task.objectId, { signal: context.signal }))) {
    return finishedBefore(up, local)
  }
  const given = givenMd5(task)
  let computed: string | undefined
  const wholeMd5 = async (): Promise<string> => {
    if (given !== undefined) return given
    computed ??= await hashWhole(source, task.objectId, context)
    return computed
  }
  const segment = await segmentOf(source)
  const session = await openSession({ task, source, local, segment, state, wholeMd5 }, context)
  const samePlace = local.journal?.segment.place === segment.place && segment.place !== ''
  const expected = given ?? computed ?? (samePlace ? session.header.md5 : undefined) ?? (await wholeMd5())
  return move(up, { ...session, header: { ...session.header, md5: expected } }, local, computed === undefined)
}

/** The object is there already. Ours, when this upload was finished and its end got lost; someone else's otherwise. */
async function finishedBefore(up: Upload, local: LocalUpload): Promise<TransferReceipt> {
  const { task, source, state, context, begunAt } = up
  const exists = new ScoreError(
    'object-exists',
    `Object id ${task.objectId} already exists remotely and --force was not specified. Aborting...`,
  )
  const { journal } = local
  const md5 = givenMd5(task) ?? journal?.header.md5
  if (journal?.header.uploadId === undefined || journal.segment.place !== source.stamp) throw exists
  if (!(await isOurObject(task.objectId, source.size, { uploadId: journal.header.uploadId }, context))) throw exists
  await state?.clear()
  context.progress({ type: 'finished', objectId: task.objectId, ...(md5 ? { md5 } : {}) })
  const tally = { ...newTally(), partsKept: journal.parts.size }
  const seconds = (context.now() - begunAt) / 1000
  return toReceipt(
    { objectId: task.objectId, direction: 'upload', name: source.name, size: source.size, md5, verified: 'whole', seconds },
    tally,
  )
}

async function segmentOf(source: UploadSource): Promise<JournalSegment> {
  return { boot: (await ownProcess()).bootId.split(' ')[0] ?? '', place: source.stamp }
}

async function hashWhole(source: UploadSource, objectId: string, context: TransferContext): Promise<string> {
  const hash = source.follow([source.size])
  try {
    hash.done(0)
    return await awaitDigest(objectId, hash, source.size, context)
  } finally {
    hash.cancel()
  }
}

async function move(up: Upload, session: UploadSession, local: LocalUpload, follow: boolean): Promise<TransferReceipt> {
  const { task, source, state, context, begunAt } = up
  const { objectId } = task
  const md5 = session.header.md5 as string
  const facts = { objectId, direction: 'upload', name: source.name, size: source.size, md5, verified: 'whole' } as const
  const attempts = createPartAttempts(objectId, context.progress, context.attempts)
  const tally = newTally()
  const totalParts = session.parts.length
  context.progress({ type: 'started', objectId, direction: 'upload', name: source.name, totalBytes: source.size, totalParts })
  const journal = await state?.begin(session.header, await segmentOf(source))
  const hash = follow ? source.follow(session.parts.map((part) => part.range.end)) : undefined
  // Awaited at the end only; until then a failed read must not count as unheard.
  hash?.digest.catch(() => undefined)
  const known = local.journal?.header.uploadId === session.ref.uploadId ? local.journal.parts : new Map()
  const moving = { md5, source, ref: session.ref, plan: session.parts, journal, attempts, tally, hash, context, known }
  try {
    await sendParts(moving, session.parts)
    await source.requireUnchanged()
    const digest = hash ? await awaitDigest(objectId, hash, source.size, context) : md5
    await source.requireUnchanged()
    if (digest !== md5) throw await refuseWrong(up, md5, digest)
    await up.lock?.assertHeld()
    await journal?.ready('whole')
    await finalize(up, moving)
  } finally {
    hash?.cancel()
    await journal?.close()
  }
  await state?.clear()
  context.progress({ type: 'finished', objectId, md5 })
  return toReceipt({ ...facts, retries: attempts.retries, seconds: (context.now() - begunAt) / 1000 }, tally)
}

/** The file is not what was registered: nothing is finished, and what was sent is thrown away. */
async function refuseWrong(up: Upload, expected: string, found: string): Promise<ScoreError> {
  const { task, source, state, context } = up
  await context.api.cancelUpload(task.objectId, { signal: context.signal })
  await state?.clear()
  return new ScoreError(
    'checksum-mismatch',
    `'${source.name}' has MD5 ${found}, but object ${task.objectId} was to have ${expected}: it is not the file that was registered. Nothing was stored; check the file, or register it anew`,
  )
}

async function finalize(up: Upload, moving: MovingUpload): Promise<void> {
  const { api, signal } = up.context
  const { ref, source } = moving
  const once = (): Promise<void> => moving.attempts.runCall(() => api.finalizeUpload(ref, { signal }), { signal })
  try {
    await once()
  } catch (error) {
    if (isScoreError(error, 'upload-incomplete')) {
      // The service has lost sight of parts that it had confirmed: send those, once.
      const progress = await api.resumeUpload({ objectId: ref.objectId, size: source.size }, { signal })
      if (progress.uploadId !== ref.uploadId) throw error
      await sendParts(
        { ...moving, known: new Map(), hash: undefined },
        progress.parts.filter((part) => part.md5 === undefined),
      )
      await once()
      return
    }
    if (!isScoreError(error, 'upload-not-found')) throw error
    const done = await isOurObject(ref.objectId, source.size, { uploadId: ref.uploadId, md5: moving.md5 }, up.context)
    if (!done) throw error
  }
}
