import type { ReadFeature } from './cram-features.ts'
import { type CramRecord, cramFlags } from './cram-records.ts'

/** A stretch of a reference, in upper case. */
export interface ReferenceWindow {
  /** Zero-based. */
  readonly start: number
  readonly bases: Uint8Array
}

/** What a mapped read looks like once its differences are laid over the reference. */
export interface AlignedRead {
  /** Characters of the bases; empty when they are not stored. */
  readonly sequence: Uint8Array
  /** As BAM packs them. */
  readonly cigar: readonly number[]
  /** Absent when there are none. */
  readonly qualities: Uint8Array | undefined
  /** Differences as the tags `MD` and `NM` tell them; absent without a reference, and where no bases are stored. */
  readonly differences: { readonly text: string; readonly count: number } | undefined
}

/** A read on its way along the reference. */
interface Trace {
  readonly reference: Uint8Array | undefined
  readonly substitutions: Uint8Array
  readonly sequence: Uint8Array
  readonly cigar: number[]
  /** The operation that may still grow. */
  operation: number
  length: number
  /** Bases of the read so far. */
  read: number
  /** Place in the window of the next base. */
  at: number
  /** `MD` so far, without the bases that are alike since. */
  text: string
  alike: number
  count: number
}

/** Numbers of the operations in BAM. */
const [match, insertion, deletion, skip, softClip, hardClip, padding] = [0, 1, 2, 3, 4, 5, 6] as const
const unknownBase = 'N'.charCodeAt(0)
const missingQuality = 0xff
const none = new Uint8Array(0)
/** Numbers of the reference's bases in the table of substitutions. */
const substitutionRows = new Uint8Array(256).fill(4)
for (const [row, base] of [...'ACGT'].entries()) substitutionRows[base.charCodeAt(0)] = row

function baseAt({ reference }: Trace, place: number): number {
  return reference?.[place] ?? unknownBase
}

function add(trace: Trace, operation: number, length: number): void {
  if (operation !== trace.operation && trace.length > 0) {
    trace.cigar.push(((trace.length << 4) | trace.operation) >>> 0)
    trace.length = 0
  }
  trace.operation = operation
  trace.length += length
}

/** Takes so many bases from the reference. */
function copyBases(trace: Trace, length: number): void {
  if (length <= 0) return
  add(trace, match, length)
  const { sequence, reference } = trace
  for (let end = trace.read + length; trace.read < end; trace.read += 1) {
    const base = reference?.[trace.at] ?? unknownBase
    trace.at += 1
    sequence[trace.read] = base
    // htslib counts an N of the reference as a difference, whatever the read has.
    if (base === unknownBase) noteBase(trace, base)
    else trace.alike += 1
  }
}

function noteBase(trace: Trace, base: number): void {
  if (trace.reference) trace.text += trace.alike + String.fromCharCode(base)
  trace.alike = 0
  trace.count += 1
}

/** Puts a base that differs. */
function differ(trace: Trace, base: number): void {
  add(trace, match, 1)
  noteBase(trace, baseAt(trace, trace.at))
  trace.at += 1
  trace.sequence[trace.read] = base
  trace.read += 1
}

/** Puts bases that may differ or not. */
function putBases(trace: Trace, bases: Uint8Array): void {
  if (!trace.reference) {
    add(trace, match, bases.length)
    addBases(trace, bases)
    trace.at += bases.length
    return
  }
  for (const base of bases) {
    if (base === baseAt(trace, trace.at)) {
      add(trace, match, 1)
      trace.sequence[trace.read++] = base
      trace.at += 1
      trace.alike += 1
    } else differ(trace, base)
  }
}

function addBases(trace: Trace, bases: Uint8Array): void {
  trace.sequence.set(
    bases.length > trace.sequence.length - trace.read ? bases.subarray(0, trace.sequence.length - trace.read) : bases,
    trace.read,
  )
  trace.read += bases.length
}

function insert(trace: Trace, bases: Uint8Array): void {
  add(trace, insertion, bases.length)
  addBases(trace, bases)
  trace.count += bases.length
}

function remove(trace: Trace, length: number): void {
  add(trace, deletion, length)
  const { reference, at } = trace
  if (reference) {
    const removed = reference.subarray(Math.max(0, at), Math.max(0, at + length))
    trace.text += `${trace.alike}^${Buffer.from(removed).toString('latin1').padEnd(length, 'N')}`
  }
  trace.alike = 0
  trace.at += length
  trace.count += length
}

/** What each kind of feature does to the read; qualities stand apart. */
const steps: Readonly<Record<ReadFeature['kind'], (trace: Trace, feature: ReadFeature) => void>> = {
  X: (trace, { value }) =>
    differ(trace, trace.substitutions[(substitutionRows[baseAt(trace, trace.at)] as number) * 4 + (value & 3)] as number),
  B: (trace, { value }) => differ(trace, value),
  b: (trace, { bytes }) => putBases(trace, bytes),
  I: (trace, { bytes }) => insert(trace, bytes),
  i: (trace, { value }) => insert(trace, Uint8Array.of(value)),
  D: (trace, { value }) => remove(trace, value),
  N(trace, { value }) {
    add(trace, skip, value)
    trace.at += value
  },
  S(trace, { bytes }) {
    add(trace, softClip, bytes.length)
    addBases(trace, bytes)
  },
  H: (trace, { value }) => add(trace, hardClip, value),
  P: (trace, { value }) => add(trace, padding, value),
  q: () => undefined,
  Q: () => undefined,
}

function qualitiesOf({ qualities, features, length }: CramRecord): Uint8Array | undefined {
  if (qualities) return qualities[0] === missingQuality || length === 0 ? undefined : qualities
  if (!features.some(({ quality, kind }) => quality >= 0 || kind === 'q')) return undefined
  const scores = new Uint8Array(length).fill(missingQuality)
  for (const { kind, at, quality, bytes } of features) {
    if (quality >= 0) scores[at - 1] = quality
    if (kind === 'q') scores.set(bytes.subarray(0, length - at + 1), at - 1)
  }
  return scores
}

/**
 * Lays a mapped record's differences over the reference (CRAM 3.1, 10.6).
 *
 * @param window holds all that the record covers; what lies behind its end counts as `N`
 */
export function alignRead(record: CramRecord, window: ReferenceWindow | undefined, substitutions: Uint8Array): AlignedRead {
  const trace: Trace = {
    reference: window?.bases,
    substitutions,
    sequence: new Uint8Array(record.length),
    cigar: [],
    operation: match,
    length: 0,
    read: 0,
    at: record.position - 1 - (window?.start ?? 0),
    text: '',
    alike: 0,
    count: 0,
  }
  for (const feature of record.features) {
    if (feature.kind === 'q' || feature.kind === 'Q') continue
    copyBases(trace, feature.at - 1 - trace.read)
    steps[feature.kind](trace, feature)
  }
  copyBases(trace, record.length - trace.read)
  if (trace.length > 0) trace.cigar.push(((trace.length << 4) | trace.operation) >>> 0)
  const stored = (record.cramFlags & cramFlags.noSequence) === 0
  return {
    sequence: stored ? trace.sequence : none,
    cigar: trace.cigar,
    qualities: qualitiesOf(record),
    differences: stored && window ? { text: trace.text + trace.alike, count: trace.count } : undefined,
  }
}

/** Whether a mapped record's bases cannot be told without the reference. */
export function needsReference({ features, length, cramFlags: kind }: CramRecord): boolean {
  if (kind & cramFlags.noSequence) return false
  let own = 0
  for (const { kind: feature, bytes } of features) {
    if (feature === 'X') return true
    if (feature === 'B' || feature === 'i') own += 1
    else if (feature === 'b' || feature === 'I' || feature === 'S') own += bytes.length
  }
  return own < length
}
