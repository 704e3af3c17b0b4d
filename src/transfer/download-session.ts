import { rename } from 'node:fs/promises'
import { ScoreError } from '../core/errors.ts'
import type { ObjectSpec, SignedPart } from '../core/object-spec.ts'
import { toFileError } from '../files/file-error.ts'
import type { FileLock } from '../files/lock-file.ts'
import { ownProcess } from '../files/process-identity.ts'
import type { MovingDownload } from './download-parts.ts'
import {
  clearOriginalMarkers,
  type DownloadPlaces,
  findOriginalDownload,
  prepareWorkFile,
  removeFile,
  statIfThere,
} from './download-target.ts'
import { createJournalCommits } from './journal-commits.ts'
import { createPartAttempts } from './part-attempts.ts'
import { createPartUrls, type PartUrls } from './part-urls.ts'
import { makeStateFolder } from './state-folder.ts'
import { newTally, requireSoundPlan, type TransferContext } from './transfer-context.ts'
import { type JournalContent, type JournaledPart, type JournalHeader, openJournal, planDigest, readJournal } from './transfer-journal.ts'
import type { DownloadTask } from './transfer-task.ts'

/** One download, before anything of it is known. */
export interface Download {
  readonly task: DownloadTask
  readonly places: DownloadPlaces
  readonly lock: FileLock
  readonly begunAt: number
  readonly context: TransferContext
}

/** Whether the task asks for all of the object; then the service's MD5 of the whole applies. */
export function isWhole({ range }: DownloadTask): boolean {
  return !range || (range.start === 0 && range.end === undefined)
}

/** @throws what the service throws; `store-protocol` for a plan that does not add up. */
export async function fetchSpec({ task, context }: Download): Promise<ObjectSpec<SignedPart>> {
  const { objectId, range } = task
  const query = { objectId, ...(range && !isWhole(task) ? { range } : {}) }
  const spec = await context.api.downloadSpec(query, { signal: context.signal })
  requireSoundPlan(objectId, spec.parts, spec.size)
  return spec
}

function headerOf(task: DownloadTask, spec: ObjectSpec<SignedPart>): JournalHeader {
  const md5 = isWhole(task) ? spec.md5 : undefined
  return {
    direction: 'download',
    objectId: task.objectId,
    size: spec.size,
    plan: planDigest(spec.parts),
    start: spec.parts[0]?.range.start ?? 0,
    ...(md5 === undefined ? {} : { md5 }),
  }
}

function requireSameObject(down: Download, journal: JournalContent, header: JournalHeader): JournalContent | undefined {
  const { header: old } = journal
  const same =
    old.direction === 'download' &&
    old.objectId === header.objectId &&
    old.size === header.size &&
    old.md5 === header.md5 &&
    old.plan === header.plan
  if (same) return journal
  if (down.task.overwrite) return undefined
  throw new ScoreError(
    'object-changed',
    `the unfinished download in '${down.places.state}' is of another version of object ${header.objectId} (${old.size} bytes, MD5 ${old.md5 ?? 'unknown'}; now ${header.size} bytes, MD5 ${header.md5 ?? 'unknown'}). Start over with overwrite (--force), or remove that folder and '${down.places.work}'`,
  )
}

/** Takes over what the original's client began: its working file becomes ours, its markers tell which parts to look at. */
async function takeOver(down: Download, spec: ObjectSpec<SignedPart>): Promise<ReadonlySet<number>> {
  const { task, places } = down
  const original = isWhole(task) ? await findOriginalDownload(places) : undefined
  if (!original || (await statIfThere(places.work))) return new Set()
  if (original.size === spec.size) {
    await rename(places.originalWork, places.work).catch((error: unknown) => {
      throw toFileError(error, 'take over', places.originalWork)
    })
    return new Set(original.parts)
  }
  if (task.overwrite) {
    await removeFile(places.originalWork)
    return new Set()
  }
  throw new ScoreError(
    'object-changed',
    `the unfinished download of the original client in '${places.folder}' is of another version of object ${task.objectId} (${original.size} bytes, now ${spec.size}). Start over with overwrite (--force), or remove '${places.originalWork}'`,
  )
}

/** With `overwrite`, an ETag seen long ago must not stand in the way; parts that only it vouches for are given up. */
function believed(
  task: DownloadTask,
  spec: ObjectSpec<SignedPart>,
  resume: JournalContent | undefined,
): ReadonlyMap<number, JournaledPart> {
  if (!resume || (task.overwrite && spec.parts.some((part) => part.md5 === undefined))) return new Map()
  return resume.parts
}

function pinned(task: DownloadTask, known: ReadonlyMap<number, JournaledPart>): { etag?: string } {
  if (task.overwrite) return {}
  for (const { etag } of known.values()) if (etag !== undefined) return { etag }
  return {}
}

function specUrls(down: Download, spec: ObjectSpec<SignedPart>): PartUrls {
  const { task, context } = down
  const { objectId } = task
  return createPartUrls({
    objectId,
    direction: 'download',
    parts: spec.parts,
    now: context.now,
    onRenewal: (reason) => context.progress({ type: 'renewed-urls', objectId, reason }),
    async renew() {
      const fresh = await fetchSpec(down)
      if (fresh.size === spec.size && fresh.md5 === spec.md5) return fresh.parts
      throw new ScoreError(
        'object-changed',
        `object ${objectId} was replaced while it was downloaded (${spec.size} bytes, MD5 ${spec.md5 ?? 'unknown'}; now ${fresh.size} bytes, MD5 ${fresh.md5 ?? 'unknown'}). Start over with overwrite (--force)`,
      )
    },
  })
}

/** The working file and its journal, in a state that agrees. */
export async function beginDownload(down: Download, spec: ObjectSpec<SignedPart>): Promise<MovingDownload> {
  const { task, places, context } = down
  const header = headerOf(task, spec)
  const found = await readJournal(places.journal)
  const same = found && requireSameObject(down, found, header)
  if (found && !same) await removeFile(places.work)
  const claimed = await takeOver(down, spec)
  await makeStateFolder(places.state)
  // Another length than planned means that someone else was at the file.
  const intact = (await statIfThere(places.work))?.size === BigInt(spec.size)
  const segment = { boot: (await ownProcess()).bootId.split(' ')[0] ?? '', place: await prepareWorkFile(places.work, spec.size) }
  const known = believed(task, spec, intact ? same : undefined)
  const journal = await openJournal({ path: places.journal, header, segment, ...(known.size > 0 && same ? { resume: same } : {}) })
  await clearOriginalMarkers(places)
  return {
    objectId: task.objectId,
    spec,
    segment,
    known,
    claimed,
    journal,
    context,
    path: places.work,
    whole: isWhole(task),
    checkParts: task.verify !== 'none',
    tally: newTally(),
    attempts: createPartAttempts(task.objectId, context.progress, context.attempts),
    commits: createJournalCommits(journal, () => context.transport.sync(places.work), context.commit),
    urls: specUrls(down, spec),
    pin: pinned(task, known),
  }
}
