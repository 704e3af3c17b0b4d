import { md5Hex } from '../core/checksum.ts'
import { ScoreError } from '../core/errors.ts'
import { requireObjectId } from '../core/object-id.ts'
import type { SignedPart } from '../core/object-spec.ts'
import { makeFolder } from '../files/make-folder.ts'
import { fetchParts, type MovingDownload, positionOf } from './download-parts.ts'
import { beginDownload, type Download, fetchSpec, isWhole } from './download-session.ts'
import {
  clearOriginalMarkers,
  type DownloadPlaces,
  downloadPlaces,
  fileIdentity,
  findOriginalDownload,
  publishWorkFile,
  removeFile,
  statIfThere,
  targetExists,
} from './download-target.ts'
import { clearStateFolder, withLock } from './state-folder.ts'
import { awaitDigest, newTally, type TransferContext, toReceipt } from './transfer-context.ts'
import { readJournal } from './transfer-journal.ts'
import type { DownloadTask, TransferReceipt } from './transfer-task.ts'

/** Downloads one object; see `TransferEngine.download`. */
export async function download(task: DownloadTask, context: TransferContext): Promise<TransferReceipt> {
  const begunAt = context.now()
  requireObjectId(task.objectId)
  const places = downloadPlaces(task, context.journalDir)
  await makeFolder(places.folder)
  return withLock(places.lock, `download of ${task.objectId}`, context, async (lock) => {
    const down: Download = { task, places, lock, begunAt, context }
    const found = await settleTarget(down)
    if (found) return found
    try {
      return await move(down)
    } finally {
      await context.transport.release(places.work)
    }
  })
}

/** What stands under the final name already: a download of ours whose end got lost, a file to skip, or an error. */
async function settleTarget({ task, places, begunAt, context }: Download): Promise<TransferReceipt | undefined> {
  const target = await statIfThere(places.target)
  if (!target) return undefined
  const inTheMaking = places.target === places.originalWork && (await findOriginalDownload(places)) !== undefined
  if (inTheMaking) return undefined
  const seconds = (context.now() - begunAt) / 1000
  const facts = { objectId: task.objectId, direction: 'download', name: places.target, size: Number(target.size), seconds } as const
  const journal = await readJournal(places.journal)
  // The rename came last and kept the file's identity: all that is missing is the tidying up.
  if (journal?.ready && journal.segment.place === fileIdentity(target) && journal.header.size === facts.size) {
    await tidy(places)
    const verified = journal.ready as TransferReceipt['verified']
    const { md5 } = journal.header
    context.progress({ type: 'finished', objectId: task.objectId, ...(md5 ? { md5 } : {}) })
    return toReceipt({ ...facts, md5, verified }, { ...newTally(), partsKept: journal.parts.size })
  }
  if (task.overwrite) return undefined
  if (task.ifExists === 'skip') return toReceipt({ ...facts, verified: 'lengths', skipped: true }, newTally())
  throw targetExists(places.target)
}

async function move(down: Download): Promise<TransferReceipt> {
  const { task, places, context } = down
  const { objectId } = task
  const spec = await fetchSpec(down)
  const moving = await beginDownload(down, spec)
  const { size: totalBytes, parts } = spec
  context.progress({ type: 'started', objectId, direction: 'download', name: places.target, totalBytes, totalParts: parts.length })
  let verified: TransferReceipt['verified']
  try {
    verified = await fetchAndVerify(down, moving)
    await moving.commits.flush()
    await moving.journal.ready(verified)
  } catch (error) {
    await moving.commits.settle()
    throw error
  } finally {
    await moving.journal.close()
  }
  await publish(down)
  const md5 = isWhole(task) ? spec.md5 : undefined
  context.progress({ type: 'finished', objectId, ...(md5 ? { md5 } : {}) })
  const { tally, attempts } = moving
  const seconds = (context.now() - down.begunAt) / 1000
  return toReceipt(
    { objectId, direction: 'download', name: places.target, size: totalBytes, md5, verified, retries: attempts.retries, seconds },
    tally,
  )
}

/** @returns what proves the file. @throws `checksum-mismatch` when it is not what the service says it is. */
async function fetchAndVerify(down: Download, moving: MovingDownload): Promise<TransferReceipt['verified']> {
  const { task } = down
  const { spec, checkParts } = moving
  const allParts = checkParts && spec.parts.every((part) => part.md5 !== undefined)
  const md5 = isWhole(task) && (task.verify ?? 'auto') === 'auto' ? spec.md5 : undefined
  if (md5 === undefined) {
    await fetchParts(moving, undefined)
    return allParts ? 'parts' : 'lengths'
  }
  const first = await fetchAndHash(moving)
  if (first.digest === md5) return 'whole'
  // Perhaps a part kept unread has changed on the disk since: look at those, and fetch what is wrong.
  const second = first.unread.size > 0 ? await fetchAndHash(moving, first.unread) : first
  if (second.digest === md5) return 'whole'
  throw await wholeDiffers(down, md5, second.digest, allParts)
}

interface Hashed {
  readonly digest: string
  readonly unread: ReadonlySet<SignedPart>
}

async function fetchAndHash(moving: MovingDownload, recheck?: ReadonlySet<SignedPart>): Promise<Hashed> {
  const { objectId, spec, path, context, tally } = moving
  if (spec.size === 0) return { digest: md5Hex(), unread: new Set() }
  const partEnds = spec.parts.map((part) => positionOf(moving, part) + part.range.end - part.range.start)
  const hash = context.transport.trailingHash({ path, partEnds })
  // Awaited at the end only; until then a failed read must not count as unheard.
  hash.digest.catch(() => undefined)
  try {
    if (recheck) tally.partsKept -= recheck.size
    const unread = await fetchParts(moving, hash, recheck)
    return { digest: await awaitDigest(objectId, hash, spec.size, context), unread }
  } finally {
    hash.cancel()
  }
}

async function wholeDiffers(down: Download, expected: string, found: string, partsAgree: boolean): Promise<ScoreError> {
  const { task, places } = down
  if (!partsAgree) {
    // Nothing tells which part is wrong, so a repeat must fetch them all.
    await removeFile(places.work)
    return new ScoreError(
      'checksum-mismatch',
      `object ${task.objectId} came with MD5 ${found}, but has MD5 ${expected} at the service. Nothing was kept: download it again`,
    )
  }
  return new ScoreError(
    'checksum-mismatch',
    `object ${task.objectId} came with MD5 ${found}, but was registered with ${expected}; every part is as it was uploaded, so the object itself does not fit its registration. '${places.target}' was not written. Ask who uploaded it, or take it as it is with verify 'parts' (--validate false)`,
  )
}

async function publish({ task, places, lock, context }: Download): Promise<void> {
  await lock.assertHeld()
  await context.transport.release(places.work)
  if (!task.overwrite && (await statIfThere(places.target))) throw targetExists(places.target)
  await publishWorkFile(places)
  await tidy(places)
}

async function tidy(places: DownloadPlaces): Promise<void> {
  await clearOriginalMarkers(places)
  await clearStateFolder(places.state, [places.journalName])
}
