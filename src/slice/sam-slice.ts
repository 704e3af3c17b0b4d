import { setImmediate as nextTurn } from 'node:timers/promises'
import { type ByteSource, readBytes } from '../bytes/byte-source.ts'
import { readAhead } from '../bytes/read-ahead.ts'
import { rangeLength } from '../core/byte-range.ts'
import type { CallOptions } from '../core/call-options.ts'
import { orAborted } from '../core/shared-load.ts'
import type { BamHeader } from '../formats/bam-header.ts'
import type { BinningIndex } from '../formats/binning-index.ts'
import { blockSteps } from './block-steps.ts'
import { planMoves, type SliceSpan } from './slice-plan.ts'
import { largestJobBytes, planTextJobs, type TextJob } from './text-jobs.ts'
import { createTextMaker, type TextTask } from './text-maker.ts'
import { startTextThreads, type TextThreads } from './text-threads.ts'

export interface SamSliceTask extends CallOptions {
  readonly data: ByteSource
  readonly size: number
  readonly name: string
  readonly header: BamHeader
  /** Tells where work can be divided; absent: one thread does it. */
  readonly index?: BinningIndex
  readonly regions: TextTask['regions']
  readonly contained: boolean
  readonly spans: readonly SliceSpan[]
  /** Bound on the compressed bytes that are read ahead. */
  readonly aheadBytes: number
}

/** Less than this is done before threads have started. */
const leastForThreads = 3 * 1024 * 1024
/** Long stretches are inflated in other threads, ahead of this one. */
const leastInflatedAhead = 2 * 1024 * 1024
/** A job under way and one that waits, for each thread. */
const jobsAThread = 2
const readsAtOnce = 6

/** On this thread. */
async function* textOfSpans(task: SamSliceTask, spans: readonly SliceSpan[]): AsyncGenerator<Uint8Array> {
  const { data, size, name, aheadBytes, signal } = task
  const made: Uint8Array[] = []
  const run = createTextMaker(taskOf(task), (text) => void made.push(text)).begin(spans)
  const moves = planMoves(spans, false)
  const deflated = moves.every((move) => move.kind === 'inflate' && move.last - move.first < leastInflatedAhead)
  const steps = blockSteps(data, moves, { name, size, verify: false, deflated, aheadBytes, ...(signal && { signal }) })
  for await (const step of steps) {
    signal?.throwIfAborted()
    if (step.kind === 'run') for (const frame of step.run.frames) run.addDeflated(step.run.bytes, frame, step.run.offset)
    if (step.kind === 'blocks') for (const block of step.blocks) run.addInflated(block)
    yield* made.splice(0)
    if (step.kind === 'run') await nextTurn()
  }
  run.finish()
  yield* made
}

/** In other threads, a few jobs ahead of who takes the text; in order. */
async function* textOfJobs(task: SamSliceTask, jobs: readonly TextJob[], threads: TextThreads): AsyncGenerator<Uint8Array> {
  const { data, aheadBytes, signal } = task
  const ahead: Promise<readonly Uint8Array[]>[] = []
  const reading = { pieceBytes: 2 * largestJobBytes, aheadBytes, concurrency: readsAtOnce, ...(signal && { signal }) }
  let next = 0
  const ranges = jobs.map(({ range }) => range)
  for await (const { bytes } of readAhead((range, call) => readBytes(data, range, call), ranges, reading)) {
    const text = threads.run(jobs[next] as TextJob, bytes)
    next += 1
    // Awaited in its turn; until then its failure must not count as unhandled.
    text.catch(() => undefined)
    ahead.push(text)
    if (ahead.length >= threads.count * jobsAThread) yield* await orAborted(ahead.shift() as (typeof ahead)[number], signal)
  }
  for (const text of ahead) yield* await orAborted(text, signal)
}

const taskOf = ({ name, header, regions, contained }: SamSliceTask): TextTask => ({
  ...{ name, regions, contained },
  header: { references: header.references.map(({ name: reference, length }) => ({ name: reference, length })) },
})

/** What begins behind the file's end is for {@link textOfSpans} to complain of. */
const isShort = ({ range }: TextJob): boolean => rangeLength(range) > 0 && rangeLength(range) <= largestJobBytes

/** Neighbours of one kind: those for threads, and those that are too large for one go. */
function groupJobs(jobs: readonly TextJob[]): { readonly jobs: TextJob[]; readonly long: boolean }[] {
  const groups: { readonly jobs: TextJob[]; readonly long: boolean }[] = []
  for (const job of jobs) {
    const long = !isShort(job)
    const last = groups.at(-1)
    if (last?.long === long) last.jobs.push(job)
    else groups.push({ jobs: [job], long })
  }
  return groups
}

/** The records of the spans as SAM text, behind the header. */
export async function* samSlice(task: SamSliceTask): AsyncGenerator<Uint8Array> {
  const { header, spans, index, size } = task
  if (header.text !== '') yield Buffer.from(header.text)
  const jobs = planTextJobs(spans, index, size)
  const bytes = jobs.filter(isShort).reduce((sum, { range }) => sum + rangeLength(range), 0)
  const threads = bytes < leastForThreads ? undefined : startTextThreads(taskOf(task))
  if (!threads) return yield* textOfSpans(task, spans)
  try {
    for (const group of groupJobs(jobs)) {
      if (group.long)
        yield* textOfSpans(
          task,
          group.jobs.flatMap((job) => job.spans),
        )
      else yield* textOfJobs(task, group.jobs, threads)
    }
  } finally {
    await threads.close()
  }
}
