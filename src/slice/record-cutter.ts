import { ScoreError } from '../core/errors.ts'
import { readRecordCore } from '../formats/bam-record-codec.ts'
import { laterVirtualOffset, type VirtualOffset } from '../formats/virtual-offset.ts'
import type { InflatedBlock } from './block-steps.ts'
import type { RecordChoice } from './record-choice.ts'
import type { Leap, SliceSpan } from './slice-plan.ts'

/** Part of a block's inflated bytes. */
export interface KeptPart {
  readonly from: number
  to: number
}

/** A block and which of its bytes belong to the slice, in order; parts that touch are one. */
export interface DecidedBlock {
  readonly block: InflatedBlock
  readonly kept: readonly KeptPart[]
}

/**
 * Takes the record in `[from, to)` of `view`, its length field first, that begins at `within` of a block. The bytes are valid
 * until the next block is given.
 */
export type RecordSink = (view: DataView, from: number, to: number, block: number, within: number) => void

/**
 * Cuts blocks into records and decides on each. The blocks must cover the spans, in file order, but for those in the middle
 * of kept spans.
 */
export interface RecordCutter {
  /** Whether the block that begins at `offset` has to be given; not, when no record of it can belong to the slice. */
  needs(offset: number): boolean
  /** @returns the blocks that are decided now: none while a record still goes on in the next block. @throws `invalid-format` */
  add(block: InflatedBlock): DecidedBlock[]
  /** @throws `invalid-format` when a record was not finished. */
  finish(): void
}

export interface RecordCutterOptions {
  readonly spans: readonly SliceSpan[]
  readonly choice: RecordChoice
  /** Cut kept spans into records too. Needs every one of their blocks. */
  readonly cutAll: boolean
  readonly name: string
  /** Told of each record that belongs to the slice. */
  readonly onRecord?: RecordSink
  /** Goes first, and leaves what is not plain to the cutter. What it takes, {@link RecordCutterOptions.onRecord} is not told of. */
  readonly bulk?: RecordBulk
}

/** Takes the records of a slice many at a time. */
export interface RecordBulk {
  /** The first record of `[from, to)` of the block given last that it did not take, and the position of the last that it did. */
  take(from: number, to: number, span: SliceSpan, lastPosition: number): { readonly at: number; readonly lastPosition: number }
}

interface OpenBlock {
  readonly block: InflatedBlock
  readonly view: DataView
  readonly kept: KeptPart[]
}

/** A record whose bytes are not all there yet. */
interface CrossingRecord {
  readonly start: VirtualOffset
  readonly parts: Uint8Array[]
  readonly places: { readonly open: OpenBlock; readonly from: number; readonly to: number }[]
  have: number
  /** The length field first, then the whole. */
  want: number
}

const lengthBytes = 4
const leastRecordBytes = 32
/** With the length field, up to the name. */
const fixedBytes = 36
/** Length field, reference and position. */
const placeBytes = 12
const nowhere: VirtualOffset = { block: Number.POSITIVE_INFINITY, within: 0 }
/** No real record comes near this; what claims more is no record. */
const mostRecordBytes = 512 * 1024 * 1024

function keep(open: OpenBlock, from: number, to: number): void {
  const last = open.kept.at(-1)
  if (last?.to === from) last.to = to
  else if (to > from) open.kept.push({ from, to })
}

interface RecordPlace {
  readonly referenceId: number
  readonly position: number
}

/** Where the record that begins there has its place; `undefined` when that is not to be read in this block. */
function placeAt({ data }: InflatedBlock, at: number): RecordPlace | undefined {
  if (at + placeBytes > data.length) return undefined
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  return { referenceId: view.getInt32(at + 4, true), position: view.getInt32(at + 8, true) }
}

function foreignRecord(name: string, at: VirtualOffset, what: string): ScoreError<'invalid-format'> {
  return new ScoreError(
    'invalid-format',
    `${name}: at byte ${at.block}, inflated byte ${at.within} of its block, ${what}; the index is old or of another file, or the file is not sorted by coordinate: make the index anew ('score index', 'samtools index'), or go without it (scan)`,
  )
}

export function createRecordCutter(options: RecordCutterOptions): RecordCutter {
  const { spans, choice, cutAll, name, onRecord, bulk } = options
  let current = 0
  let undecided: OpenBlock[] = []
  let crossing: CrossingRecord | undefined
  let lastReferenceId = -1
  let lastPosition = -1
  /** Nothing that lies before belongs to the slice. */
  let leapTo: VirtualOffset = { block: 0, within: 0 }
  let leaps: readonly Leap[] | undefined
  let nextLeap = 0

  const foreign = (at: VirtualOffset, what: string): ScoreError => foreignRecord(name, at, what)

  const recordBytes = (view: DataView, at: number, block: number, within: number): number => {
    const length = view.getInt32(at, true)
    if (length < leastRecordBytes || length > mostRecordBytes)
      throw foreign({ block, within }, `no record begins (its length field says ${length})`)
    return lengthBytes + length
  }

  /** Called for every record: it makes nothing that is not needed. */
  const judge = (view: DataView, from: number, to: number, block: number, within: number, span: SliceSpan): boolean => {
    if (from + fixedBytes + view.getUint8(from + 12) + 4 * view.getUint16(from + 16, true) > to)
      throw foreign({ block, within }, `no record begins (its name and CIGAR do not fit its ${to - from} bytes)`)
    const core = readRecordCore(view, from)
    const { referenceId, position } = core
    if (span.referenceId !== undefined) {
      if (referenceId !== span.referenceId)
        throw foreign({ block, within }, `there is a record of reference ${referenceId}, not ${span.referenceId}`)
      if (position < lastPosition && referenceId === lastReferenceId)
        throw foreign({ block, within }, `a record at ${position} follows one at ${lastPosition}`)
      lastReferenceId = referenceId
      lastPosition = position
    }
    const chosen = choice(core)
    if (chosen) onRecord?.(view, from, to, block, within)
    else if (span.leaps) leap(span, position)
    return chosen
  }

  const leap = (span: SliceSpan, position: number): void => {
    if (leaps !== span.leaps) nextLeap = 0
    leaps = span.leaps as readonly Leap[]
    for (; nextLeap < leaps.length && (leaps[nextLeap] as Leap).position <= position; nextLeap += 1) {
      leapTo = laterVirtualOffset(leapTo, (leaps[nextLeap] as Leap).to ?? behindReference(span))
    }
  }

  /** Where the spans of the next reference begin. */
  const behindReference = ({ referenceId }: SliceSpan): VirtualOffset => {
    let next = current + 1
    while (spans[next]?.referenceId === referenceId && next < spans.length) next += 1
    return spans[next]?.start ?? nowhere
  }

  const goOn = (open: OpenBlock, from: number, to: number, span: SliceSpan): number => {
    const record = crossing as CrossingRecord
    const { data } = open.block
    const end = Math.min(to, from + record.want - record.have)
    record.have += end - from
    // Copied: the next block may take the memory of this one.
    record.parts.push(Buffer.from(data.subarray(from, end)))
    record.places.push({ open, from, to: end })
    if (record.have < record.want) return end
    const bytes = Buffer.concat(record.parts)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const { block, within } = record.start
    if (record.want === lengthBytes) {
      record.want = recordBytes(view, 0, block, within)
      return end
    }
    if (judge(view, 0, bytes.length, block, within, span)) for (const place of record.places) keep(place.open, place.from, place.to)
    crossing = undefined
    return end
  }

  const takeBulk = (taker: RecordBulk, from: number, to: number, span: SliceSpan): number => {
    const { referenceId } = span
    const taken = taker.take(from, to, span, referenceId === lastReferenceId ? lastPosition : -1)
    if (taken.at > from && referenceId !== undefined) {
      lastReferenceId = referenceId
      lastPosition = taken.lastPosition
    }
    return taken.at
  }

  const cut = (open: OpenBlock, from: number, to: number, span: SliceSpan): void => {
    const { view } = open
    const { offset } = open.block
    for (let at = from; at < to; ) {
      if (leapTo.block > offset) return
      if (leapTo.block === offset && leapTo.within > at) at = leapTo.within
      if (bulk && !crossing && at < to) at = takeBulk(bulk, at, to, span)
      if (at >= to) return
      if (!crossing && at + lengthBytes <= to) {
        const end = at + recordBytes(view, at, offset, at)
        if (end <= to) {
          if (judge(view, at, end, offset, at, span)) keep(open, at, end)
          at = end
          continue
        }
      }
      crossing ??= { start: { block: offset, within: at }, parts: [], places: [], have: 0, want: lengthBytes }
      at = goOn(open, at, to, span)
    }
  }

  /** Kept records are not looked at, but for the first: there a wrong index shows. */
  const checkFirstKept = (block: InflatedBlock, at: number, span: SliceSpan): void => {
    const place = span.referenceId === undefined ? undefined : placeAt(block, at)
    if (!place || (place.referenceId === span.referenceId && place.position >= span.leastPosition)) return
    throw foreign(
      { block: block.offset, within: at },
      `there is a record of reference ${place.referenceId} at ${place.position}, where the index has those of ${span.referenceId} from ${span.leastPosition}`,
    )
  }

  /** What follows the last record that can belong to the slice must not belong to it. */
  const checkBehind = (block: InflatedBlock, at: number, span: SliceSpan): void => {
    const next = spans[current + 1]
    if (span.mode !== 'sift' || (next && next.start.block === block.offset && next.start.within === at)) return
    const place = span.referenceId === undefined ? undefined : placeAt(block, at)
    if (!place || place.referenceId !== span.referenceId || place.position >= lastPosition) return
    throw foreign({ block: block.offset, within: at }, `a record at ${place.position} follows one at ${lastPosition}`)
  }

  const takeSpan = (open: OpenBlock, span: SliceSpan): void => {
    const { block } = open
    const begins = block.offset === span.start.block
    const from = begins ? span.start.within : 0
    const to = block.offset === span.end.block ? span.end.within : block.data.length
    if (from > block.data.length || to > block.data.length)
      throw foreign({ block: block.offset, within: Math.max(from, to) }, `there is nothing: the block has ${block.data.length} bytes`)
    if (span.mode === 'keep' && begins) checkFirstKept(block, from, span)
    if (span.mode === 'keep' && !cutAll) keep(open, from, to)
    else cut(open, from, to, span)
    const leapt = leapTo.block > block.offset || (leapTo.block === block.offset && leapTo.within > to)
    if (block.offset === span.end.block && !leapt) checkBehind(block, to, span)
  }

  const requireWhole = (): void => {
    if (crossing) throw foreign(crossing.start, `a record of ${crossing.want} bytes begins, of which only ${crossing.have} follow`)
  }

  return {
    needs(offset) {
      const span = spans[current]
      return span !== undefined && span.start.block <= offset && leapTo.block <= offset
    },
    add(block) {
      const { data } = block
      const open: OpenBlock = { block, view: new DataView(data.buffer, data.byteOffset, data.length), kept: [] }
      undecided.push(open)
      for (; current < spans.length; current += 1) {
        const span = spans[current] as SliceSpan
        if (span.start.block > block.offset) break
        if (span.end.block >= block.offset) takeSpan(open, span)
        // It may also end where this block does, which the index can call the begin of the next.
        if (span.end.block > block.offset) break
        requireWhole()
      }
      if (crossing) return []
      const decided = undecided
      undecided = []
      return decided
    },
    finish: requireWhole,
  }
}
