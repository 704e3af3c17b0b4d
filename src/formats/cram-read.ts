import type { CramRecord } from './cram-records.ts'
import { cramFlags } from './cram-records.ts'

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
  readonly qualities?: Uint8Array
  /** Differences as the tags `MD` and `NM` tell them; absent without a reference, and where no bases are stored. */
  readonly differences?: { readonly text: string; readonly count: number }
}

/** Numbers of the operations in BAM. */
const [match, insertion, deletion, skip, softClip, hardClip, padding] = [0, 1, 2, 3, 4, 5, 6] as const
const unknownBase = 'N'.charCodeAt(0)
const missingQuality = 0xff
/** Numbers of the reference's bases in the table of substitutions. */
const substitutionRows = new Uint8Array(256).fill(4)
for (const [row, base] of [...'ACGT'].entries()) substitutionRows[base.charCodeAt(0)] = row

interface Tracer {
  /** Takes so many bases from the reference. */
  match(count: number): void
  /** Puts a base that differs. */
  differ(base: number): void
  substitute(code: number): void
  /** Puts bases that may or may not differ. */
  put(bases: Uint8Array): void
  insert(bases: Uint8Array): void
  clip(bases: Uint8Array): void
  remove(count: number): void
  gap(operation: number, count: number): void
  finish(): Pick<AlignedRead, 'sequence' | 'cigar' | 'differences'>
}

function createTracer(record: CramRecord, window: ReferenceWindow | undefined, substitutions: Uint8Array): Tracer {
  const sequence = new Uint8Array(record.length)
  const cigar: number[] = []
  const reference = window?.bases
  let open = 0
  let openLength = 0
  let read = 0
  // Place in the window of the next base.
  let at = record.position - 1 - (window?.start ?? 0)
  let text = ''
  let alike = 0
  let count = 0
  const baseAt = (place: number): number => reference?.[place] ?? unknownBase
  const add = (operation: number, length: number): void => {
    if (operation !== open && openLength > 0) {
      cigar.push(((openLength << 4) | open) >>> 0)
      openLength = 0
    }
    open = operation
    openLength += length
  }
  const note = (base: number): void => {
    text += alike + String.fromCharCode(base)
    alike = 0
    count += 1
  }
  const tracer: Tracer = {
    match(length) {
      if (length <= 0) return
      add(match, length)
      for (let end = read + length; read < end; read += 1) {
        const base = baseAt(at++)
        sequence[read] = base
        // htslib counts an N of the reference as a difference, whatever the read has.
        if (base === unknownBase) note(base)
        else alike += 1
      }
    },
    differ(base) {
      add(match, 1)
      note(baseAt(at++))
      sequence[read++] = base
    },
    substitute(code) {
      tracer.differ(substitutions[(substitutionRows[baseAt(at)] as number) * 4 + (code & 3)] as number)
    },
    put(bases) {
      for (const base of bases) {
        if (base !== baseAt(at)) {
          tracer.differ(base)
          continue
        }
        add(match, 1)
        sequence[read++] = base
        at += 1
        alike += 1
      }
    },
    insert(bases) {
      add(insertion, bases.length)
      sequence.set(bases.subarray(0, sequence.length - read), read)
      read += bases.length
      count += bases.length
    },
    clip(bases) {
      add(softClip, bases.length)
      sequence.set(bases.subarray(0, sequence.length - read), read)
      read += bases.length
    },
    remove(length) {
      add(deletion, length)
      const removed = reference?.subarray(Math.max(0, at), Math.max(0, at + length)) ?? reference
      text += `${alike}^${Buffer.from(removed ?? [])
        .toString('latin1')
        .padEnd(reference ? length : 0, 'N')}`
      alike = 0
      at += length
      count += length
    },
    gap(operation, length) {
      add(operation, length)
      if (operation === skip) at += length
    },
    finish() {
      tracer.match(record.length - read)
      add(open, 0)
      if (openLength > 0) cigar.push(((openLength << 4) | open) >>> 0)
      const stored = (record.cramFlags & cramFlags.noSequence) === 0
      return {
        sequence: stored ? sequence : sequence.subarray(0, 0),
        cigar,
        ...(reference && stored && { differences: { text: text + alike, count } }),
      }
    },
  }
  return tracer
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
  const tracer = createTracer(record, window, substitutions)
  let read = 1
  for (const { kind, at, value, bytes } of record.features) {
    if (kind !== 'q' && kind !== 'Q') {
      tracer.match(at - read)
      read = at
    }
    if (kind === 'X') tracer.substitute(value)
    else if (kind === 'B') tracer.differ(value)
    else if (kind === 'b') tracer.put(bytes)
    else if (kind === 'I') tracer.insert(bytes)
    else if (kind === 'i') tracer.insert(Uint8Array.of(value))
    else if (kind === 'S') tracer.clip(bytes)
    else if (kind === 'D') tracer.remove(value)
    else if (kind === 'N') tracer.gap(skip, value)
    else if (kind === 'H') tracer.gap(hardClip, value)
    else if (kind === 'P') tracer.gap(padding, value)
    if (kind === 'X' || kind === 'B' || kind === 'i') read += 1
    else if (kind === 'b' || kind === 'I' || kind === 'S') read += bytes.length
  }
  const qualities = qualitiesOf(record)
  return { ...tracer.finish(), ...(qualities && { qualities }) }
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
