import type { ByteRange } from '../core/byte-range.ts'
import { maximumBlockBytes } from '../formats/bgzf-block.ts'
import type { BinningIndex, ReferenceIndex } from '../formats/binning-index.ts'
import { compareVirtualOffsets, type VirtualOffset } from '../formats/virtual-offset.ts'
import type { SliceSpan } from './slice-plan.ts'

/** Spans of which text can be made without knowing the others. Plain data: it is sent to threads. */
export interface TextJob {
  readonly spans: readonly SliceSpan[]
  /** The blocks that begin from its start to `last` are those of the spans. */
  readonly range: ByteRange
  readonly last: number
}

/** About so many compressed bytes a job: enough to be worth a message, and few enough that several fit into memory. */
const jobBytes = 768 * 1024
/** Gaps shorter than this are read too. */
const gapBytes = 64 * 1024
/** No job is larger: where the index names no record for so long, there is none to begin with. */
export const largestJobBytes = 4 * 1024 * 1024

function* namedBy({ bins, linear }: ReferenceIndex): Generator<VirtualOffset> {
  for (const chunks of bins.values()) for (const { start } of chunks) yield start
  yield* linear
}

/** Places at which records begin, in order. */
function recordStarts(index: BinningIndex, referenceId: number | undefined): VirtualOffset[] {
  const references = referenceId === undefined ? index.references : index.references.slice(referenceId, referenceId + 1)
  const found = references.flatMap((reference) => [...namedBy(reference)])
  return found.sort(compareVirtualOffsets)
}

/** Cuts a span into stretches of about {@link jobBytes} where the index names a record. */
function cutSpan(span: SliceSpan, starts: readonly VirtualOffset[]): SliceSpan[] {
  const pieces: SliceSpan[] = []
  let { start } = span
  for (const at of starts) {
    if (at.block < start.block + jobBytes) continue
    if (compareVirtualOffsets(at, span.end) >= 0) break
    pieces.push({ ...span, start, end: at })
    start = at
  }
  return [...pieces, { ...span, start }]
}

const lastBlock = ({ start, end }: SliceSpan): number => Math.max(start.block, end.within > 0 ? end.block : end.block - 1)

/**
 * Cuts what a slice goes through into jobs, in file order. Without an index there is one for each span; those of more than
 * {@link largestJobBytes} are not for one go.
 */
export function planTextJobs(spans: readonly SliceSpan[], index: BinningIndex | undefined, size: number): TextJob[] {
  const starts = new Map<number | undefined, VirtualOffset[]>()
  const startsFor = (referenceId: number | undefined): VirtualOffset[] => {
    const known = starts.get(referenceId) ?? (index && referenceId !== -1 ? recordStarts(index, referenceId) : [])
    starts.set(referenceId, known)
    return known
  }
  const pieces = spans.flatMap((span) =>
    span.end.block - span.start.block > jobBytes ? cutSpan(span, startsFor(span.referenceId)) : [span],
  )
  const jobs: TextJob[] = []
  let group: SliceSpan[] = []
  const close = (): void => {
    const first = group[0]
    if (!first) return
    const last = group.reduce((most, span) => Math.max(most, lastBlock(span)), 0)
    // How long a block is stands in the block itself.
    jobs.push({ spans: group, range: { start: first.start.block, end: Math.min(size, last + maximumBlockBytes) }, last })
    group = []
  }
  for (const piece of pieces) {
    const [first, before] = [group[0], group.at(-1)]
    if (first && before && (lastBlock(piece) - first.start.block > jobBytes || piece.start.block - lastBlock(before) > gapBytes)) close()
    group.push(piece)
  }
  close()
  return jobs
}
