import { isScoreError, ScoreError } from '../core/errors.ts'
import type { SignedPart, UploadRef } from '../core/object-spec.ts'
import type { Connection } from './connection-gate.ts'
import { createJournalCommits, type JournalCommits } from './journal-commits.ts'
import type { PartAttempts } from './part-attempts.ts'
import { sendInDialect } from './part-dialects.ts'
import type { SentPart, TrailingHash } from './part-transport.ts'
import { createPartUrls, type PartUrls } from './part-urls.ts'
import { runParts } from './run-parts.ts'
import type { Tally, TransferContext } from './transfer-context.ts'
import type { JournaledPart, JournalWriter } from './transfer-journal.ts'
import type { UploadSource } from './upload-source.ts'

/** An upload whose parts are under way. */
export interface MovingUpload {
  readonly source: UploadSource
  readonly ref: UploadRef
  /** MD5 of the whole. */
  readonly md5: string
  readonly plan: readonly SignedPart[]
  readonly journal: JournalWriter | undefined
  /** What the journal said before this run. */
  readonly known: ReadonlyMap<number, JournaledPart>
  readonly attempts: PartAttempts
  readonly tally: Tally
  /** MD5 of the whole, following the parts, where it has to be proven. */
  readonly hash: TrailingHash | undefined
  readonly context: TransferContext
}

interface Desk extends MovingUpload {
  readonly urls: PartUrls
  readonly commits: JournalCommits | undefined
  readonly indexOf: ReadonlyMap<number, number>
}

/**
 * Brings every part given to the store. One that the service holds (`md5`) is kept: at once when the journal has it and the
 * file has not changed since, otherwise if the file's range still has that MD5; else it is withdrawn and sent again.
 */
export async function sendParts(moving: MovingUpload, parts: readonly SignedPart[]): Promise<void> {
  const { context, journal } = moving
  const { signal, gate, order } = context
  const commits = journal ? createJournalCommits(journal, async () => {}, context.commit) : undefined
  const indexOf = new Map(moving.plan.map((part, index) => [part.number, index]))
  const desk: Desk = { ...moving, urls: partUrls(moving), commits, indexOf }
  const isTrusted = (part: SignedPart): boolean => {
    const record = moving.known.get(part.number)
    return part.md5 !== undefined && record?.md5 === part.md5 && moving.source.stamp !== '' && record.segment.place === moving.source.stamp
  }
  try {
    for (const part of parts) if (isTrusted(part)) kept(desk, part)
    const rest = parts.filter((part) => !isTrusted(part))
    const grace = context.graceMs === undefined ? {} : { graceMs: context.graceMs }
    await runParts(rest, (part, options) => bring(desk, part, options), { gate, order, signal, ...grace })
  } catch (error) {
    await commits?.settle()
    throw error
  }
  await commits?.flush()
}

function partUrls({ ref, source, plan, context }: MovingUpload): PartUrls {
  const { api, signal, now, progress } = context
  return createPartUrls({
    objectId: ref.objectId,
    direction: 'upload',
    parts: plan,
    now,
    onRenewal: (reason) => progress({ type: 'renewed-urls', objectId: ref.objectId, reason }),
    async renew() {
      const fresh = await api.resumeUpload({ objectId: ref.objectId, size: source.size }, { signal })
      if (fresh.uploadId === ref.uploadId) return fresh.parts
      throw new ScoreError(
        'upload-not-found',
        `the upload ${ref.uploadId} of object ${ref.objectId} was replaced by ${fresh.uploadId}, begun elsewhere meanwhile. Let that one end, or start over with --force (overwrite)`,
      )
    },
  })
}

function kept(desk: Desk, part: SignedPart): void {
  const bytes = part.range.end - part.range.start
  desk.tally.partsKept++
  desk.hash?.done(desk.indexOf.get(part.number) as number)
  desk.context.progress({ type: 'part', objectId: desk.ref.objectId, partNumber: part.number, bytes, outcome: 'kept' })
}

type PartRun = { readonly signal: AbortSignal; readonly connection: Connection }

async function bring(desk: Desk, part: SignedPart, options: PartRun): Promise<void> {
  const { source, ref, tally, context, journal } = desk
  if (part.md5 !== undefined) {
    tally.partsRechecked++
    const found = await source.hashRange(part.range, options)
    if (found === part.md5) {
      await journal?.part({ number: part.number, md5: found })
      kept(desk, part)
      return
    }
    tally.partsRepaired++
    await journal?.drop(part.number)
    await desk.attempts.runCall(() => context.api.deletePart(ref, part.number, options), options)
  }
  await send(desk, part, options)
}

async function send(desk: Desk, part: SignedPart, options: PartRun): Promise<void> {
  const { ref, tally, context, journal, urls, attempts } = desk
  const { objectId } = ref
  const bytes = part.range.end - part.range.start
  let sent: SentPart | undefined
  const takeBack = (): void => {
    sent = undefined
    context.progress({ type: 'bytes', objectId, count: -bytes })
  }
  const attempt = async (): Promise<SentPart> => {
    // A part that the store has is not sent again because its registration failed.
    sent ??= await put(desk, part, options)
    const arrived = sent
    if (arrived.etagIsMd5 && arrived.etag.toLowerCase() !== arrived.md5) {
      takeBack()
      throw await wrongEtag(desk, part, arrived, options)
    }
    try {
      await context.api.finalizePart(ref, { number: part.number, md5: arrived.md5, etag: arrived.etag }, options)
    } catch (error) {
      if (isScoreError(error, 'part-mismatch')) takeBack()
      throw error
    }
    return arrived
  }
  const startedAt = context.now()
  const receipt = await attempts.run(part, attempt, options)
  urls.tookMs(context.now() - startedAt)
  attempts.alive()
  await journal?.part({ number: part.number, md5: receipt.md5, etag: receipt.etag })
  desk.commits?.noted(bytes)
  desk.hash?.done(desk.indexOf.get(part.number) as number)
  tally.partsMoved++
  tally.bytesMoved += bytes
  context.progress({ type: 'part', objectId, partNumber: part.number, bytes, outcome: 'moved' })
}

function put(desk: Desk, part: SignedPart, { signal }: PartRun): Promise<SentPart> {
  const { source, ref, context, urls, attempts } = desk
  const onBytes = (count: number): void => {
    if (count > 0) attempts.alive()
    context.progress({ type: 'bytes', objectId: ref.objectId, count })
  }
  const { transport, now } = context
  return urls.with(part, (url) => sendInDialect({ ...part, url }, { source, transport, now }, { signal, onBytes }), { signal })
}

/** Tells a bad way from a file that reads differently each time (a failing disk, a writer at work). */
async function wrongEtag(desk: Desk, part: SignedPart, sent: SentPart, options: PartRun): Promise<ScoreError> {
  const { source, ref } = desk
  const again = await source.hashRange(part.range, options)
  if (again !== sent.md5) {
    return new ScoreError(
      'object-changed',
      `part ${part.number} of '${source.name}' had MD5 ${sent.md5} when it was sent and has ${again} now: the file is being written to, or its disk fails. Upload again once it no longer changes`,
    )
  }
  return new ScoreError(
    'checksum-mismatch',
    `part ${part.number} of object ${ref.objectId} was sent with MD5 ${sent.md5}, but the store received ${sent.etag}: it was damaged on the way`,
  )
}
