import { isScoreError, ScoreError } from '../core/errors.ts'
import type { ObjectSpec, SignedPart } from '../core/object-spec.ts'
import type { Connection } from './connection-gate.ts'
import { looksLikeHole } from './download-target.ts'
import type { JournalCommits } from './journal-commits.ts'
import type { PartAttempts } from './part-attempts.ts'
import type { FetchedPart, TrailingHash } from './part-transport.ts'
import type { PartUrls } from './part-urls.ts'
import { runParts } from './run-parts.ts'
import type { Tally, TransferContext } from './transfer-context.ts'
import type { JournaledPart, JournalSegment, JournalWriter } from './transfer-journal.ts'

/** A download whose parts are under way. */
export interface MovingDownload {
  readonly objectId: string
  readonly spec: ObjectSpec<SignedPart>
  /** Working file. */
  readonly path: string
  /** Whether the spec is of the whole object, so that its size is the object's. */
  readonly whole: boolean
  readonly checkParts: boolean
  readonly journal: JournalWriter
  readonly commits: JournalCommits
  readonly segment: JournalSegment
  /** What the journal said before this run. */
  readonly known: ReadonlyMap<number, JournaledPart>
  /** Parts that someone else's state calls finished. */
  readonly claimed: ReadonlySet<number>
  readonly urls: PartUrls
  readonly attempts: PartAttempts
  readonly tally: Tally
  readonly context: TransferContext
  /** The ETag that every part must come with; set by the first. */
  readonly pin: { etag?: string }
}

/** Where the part's bytes are in the file: a range of an object starts at 0. */
export function positionOf({ spec }: MovingDownload, part: SignedPart): number {
  return part.range.start - (spec.parts[0]?.range.start ?? 0)
}

/** On disk for sure, or written on this boot: a killed process loses nothing that the kernel has. */
function isTrusted({ known, segment }: MovingDownload, part: SignedPart): boolean {
  const record = known.get(part.number)
  if (!record || record.segment.place !== segment.place) return false
  if (part.md5 !== undefined && record.md5 !== part.md5) return false
  return record.synced || (segment.boot !== '' && record.segment.boot === segment.boot)
}

/**
 * Fills the working file. Parts that the journal vouches for are kept; those it only mentions, and those without a record
 * that do not look like a hole, are read and hashed first; all others are fetched.
 *
 * @param recheck only these are looked at again, whatever the journal says; all others are there.
 * @returns the parts that were kept unread.
 */
export async function fetchParts(
  moving: MovingDownload,
  hash: TrailingHash | undefined,
  recheck?: ReadonlySet<SignedPart>,
): Promise<ReadonlySet<SignedPart>> {
  const { spec, context } = moving
  const indexOf = new Map(spec.parts.map((part, index) => [part.number, index]))
  const there = (part: SignedPart): void => hash?.done(indexOf.get(part.number) as number)
  const rest: SignedPart[] = []
  const unread = new Set<SignedPart>()
  for (const part of spec.parts) {
    if (recheck ? recheck.has(part) : !isTrusted(moving, part)) {
      rest.push(part)
      continue
    }
    if (!recheck) {
      noteKept(moving, part)
      unread.add(part)
    }
    there(part)
  }
  const { gate, order, signal, graceMs } = context
  const work = async (part: SignedPart, options: PartRun): Promise<void> => {
    if (!(await isFound(moving, part, options))) await fetchOne(moving, part, options)
    there(part)
  }
  await runParts(rest, work, { gate, order, signal, ...(graceMs === undefined ? {} : { graceMs }) })
  return unread
}

type PartRun = { readonly signal: AbortSignal; readonly connection: Connection }

function noteKept({ tally, context, objectId }: MovingDownload, part: SignedPart): void {
  const bytes = part.range.end - part.range.start
  tally.partsKept++
  context.progress({ type: 'part', objectId, partNumber: part.number, bytes, outcome: 'kept' })
}

/** Reads and hashes a part that may be there already. */
async function isFound(moving: MovingDownload, part: SignedPart, options: PartRun): Promise<boolean> {
  const { known, claimed, path, tally, context, journal } = moving
  const record = known.get(part.number)
  const expected = part.md5 ?? record?.md5
  if (expected === undefined) return false
  const start = positionOf(moving, part)
  const range = { start, end: start + part.range.end - part.range.start }
  const spoken = record !== undefined || claimed.has(part.number)
  if (!spoken && (await looksLikeHole(path, range.start, range.end))) return false
  tally.partsRechecked++
  const found = await context.transport.hashRange({ path, range }, options)
  if (found !== expected) {
    if (spoken) tally.partsRepaired++
    if (record) await journal.drop(part.number)
    return false
  }
  await recordPart(moving, part, { md5: found, ...(record?.etag === undefined ? {} : { etag: record.etag }) })
  noteKept(moving, part)
  return true
}

async function recordPart(
  moving: MovingDownload,
  part: SignedPart,
  proof: { readonly md5: string; readonly etag?: string },
): Promise<void> {
  await moving.journal.part({ number: part.number, ...proof })
  moving.commits.noted(part.range.end - part.range.start)
}

async function fetchOne(moving: MovingDownload, part: SignedPart, options: PartRun): Promise<void> {
  const { objectId, tally, context, attempts, urls } = moving
  const bytes = part.range.end - part.range.start
  const startedAt = context.now()
  let wrongSize = 0
  const attempt = async (): Promise<FetchedPart> => {
    try {
      return check(moving, part, await get(moving, part, options))
    } catch (error) {
      if (!isScoreError(error, 'invalid-range') || ++wrongSize > 1) throw error
      // 416: the store's object is shorter than the plan. A fresh plan tells whether it was replaced.
      await urls.renew(`the store has no such range as that of part ${part.number}`)
      return check(moving, part, await get(moving, part, options))
    }
  }
  const { md5, etag } = await attempts.run(part, attempt, options)
  urls.tookMs(context.now() - startedAt)
  attempts.alive()
  await recordPart(moving, part, { md5, ...(etag === undefined ? {} : { etag }) })
  tally.partsMoved++
  tally.bytesMoved += bytes
  context.progress({ type: 'part', objectId, partNumber: part.number, bytes, outcome: 'moved' })
}

function get(moving: MovingDownload, part: SignedPart, { signal }: PartRun): Promise<FetchedPart> {
  const { objectId, spec, path, whole, checkParts, pin, urls, attempts, context } = moving
  const onBytes = (count: number): void => {
    if (count > 0) attempts.alive()
    context.progress({ type: 'bytes', objectId, count })
  }
  const request = {
    range: part.range,
    path,
    position: positionOf(moving, part),
    ...(whole ? { objectSize: spec.size } : {}),
    ...(checkParts && part.md5 !== undefined ? { md5: part.md5 } : {}),
  }
  return urls.with(
    part,
    (url) =>
      context.transport.fetchPart({ ...request, url, ...(pin.etag === undefined ? {} : { ifMatch: pin.etag }) }, { signal, onBytes }),
    { signal },
  )
}

/** The transport's word is checked again: what passes here becomes someone's file. */
function check(moving: MovingDownload, part: SignedPart, fetched: FetchedPart): FetchedPart {
  const { objectId, pin, checkParts } = moving
  const length = part.range.end - part.range.start
  if (fetched.bytes !== length) {
    throw new ScoreError('unavailable', `part ${part.number} of object ${objectId} came with ${fetched.bytes} bytes instead of ${length}`)
  }
  if (checkParts && part.md5 !== undefined && fetched.md5 !== part.md5) {
    throw new ScoreError(
      'checksum-mismatch',
      `part ${part.number} of object ${objectId} came with MD5 ${fetched.md5} instead of ${part.md5}`,
    )
  }
  if (fetched.etag !== undefined) {
    pin.etag ??= fetched.etag
    if (pin.etag !== fetched.etag) {
      throw new ScoreError(
        'object-changed',
        `object ${objectId} was replaced while it was downloaded (its ETag changed from ${pin.etag} to ${fetched.etag}). Start over with overwrite (--force)`,
      )
    }
  }
  return fetched
}
