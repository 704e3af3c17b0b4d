import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { recordFlags } from '../formats/bam-record.ts'
import type { RecordCore } from '../formats/bam-record-codec.ts'
import type { CramHead } from '../formats/cram-header.ts'
import { createCramInflate } from '../formats/cram-inflate.ts'
import { type CramMate, resolveMates } from '../formats/cram-mates.ts'
import { needsReference, type ReferenceWindow } from '../formats/cram-read.ts'
import { type CramRecord, type CramSliceContent, decodeCramRecords } from '../formats/cram-records.ts'
import type { CramSliceHeader } from '../formats/cram-slice-header.ts'
import { cramSlices } from '../formats/cram-slices.ts'
import { type CramToBamContext, cramPlaceToBam, cramRecordToBam } from '../formats/cram-to-bam.ts'
import { type ContainerPiece, wholeContainers } from './container-walk.ts'
import { createPlaceFilter } from './cram-containers.ts'
import type { CramReference } from './cram-reference.ts'
import type { RecordChoice } from './record-choice.ts'
import type { PlacedRegion } from './slice-plan.ts'

/** The records of one slice that were chosen. */
export interface CramBatch {
  /** Byte of the file where their container begins. */
  readonly container: number
  readonly records: readonly CramRecord[]
  readonly mates: readonly CramMate[]
  /** Numbers of the chosen ones, in order, and where they lie. */
  readonly chosen: readonly { readonly number: number; readonly core: RecordCore }[]
  /** The chosen records as BAM has them. @throws `invalid-request` without the reference that they need, or with a wrong one. */
  encode(): Promise<Uint8Array[]>
  /** Of the chosen records what {@link cramPlaceToBam} tells. */
  encodePlaces(): Uint8Array[]
}

export interface CramBatchTask extends CallOptions {
  readonly head: CramHead
  readonly regions: readonly PlacedRegion[] | 'all'
  readonly pieces: AsyncIterable<ContainerPiece>
  readonly choice: RecordChoice
  readonly reference?: CramReference
  /** How messages name the file. */
  readonly name: string
}

/** Slices inflated ahead of who takes their records. */
const slicesAhead = 2

/** In an object, as a generator awaits what it gives. */
interface SliceUnderWay {
  readonly container: number
  readonly content: Promise<CramSliceContent>
}

function coreOf({ referenceId, position, last, flags }: CramRecord): RecordCore {
  const start = position - 1
  return { referenceId, position: start, end: flags & recordFlags.unmapped ? start + 1 : Math.max(start + 1, last), flags }
}

/** Ids of the header's `@RG` lines. */
function readGroupsOf(text: string): Uint8Array[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('@RG\t'))
    .map((line) => line.split('\t').find((field) => field.startsWith('ID:')) ?? 'ID:')
    .map((field) => Buffer.from(field.slice(3)))
}

/** What htslib puts before the numbers that stand for names: the name of the file, without its folders. */
function prefixOf(name: string): string {
  return (name.split('/').at(-1) ?? '').replace(/[^!-~]+/g, '_')
}

/** Stretches of the references under these records. */
function coveredStretches(records: readonly CramRecord[], header: CramSliceHeader): Map<number, { start: number; end: number }> {
  const stretches = new Map<number, { start: number; end: number }>()
  // The MD5 of a slice covers all of it.
  if (header.referenceId >= 0 && header.referenceMd5 !== undefined)
    return stretches.set(header.referenceId, { start: header.start, end: header.end })
  for (const { referenceId, position, last } of records) {
    const known = stretches.get(referenceId)
    const start = Math.min(known?.start ?? Number.POSITIVE_INFINITY, position - 1)
    stretches.set(referenceId, { start, end: Math.max(known?.end ?? 0, last) })
  }
  return stretches
}

async function* slicesOf(task: CramBatchTask): AsyncGenerator<SliceUnderWay> {
  const { head, regions, pieces, name } = task
  const { version } = head
  const inflate = createCramInflate(version)
  const mayHold = createPlaceFilter(regions)
  for await (const { offset, header, bytes } of wholeContainers(pieces)) {
    for await (const slice of cramSlices({ header, bytes, version, inflate, where: `${name}: container at byte ${offset}` }))
      if (mayHold(slice.header)) yield { container: offset, content: slice.content() }
  }
}

async function windowsFor(
  records: readonly CramRecord[],
  content: CramSliceContent,
  task: CramBatchTask,
): Promise<Map<number, ReferenceWindow>> {
  const { header, compression, external, where } = content
  const { reference, name, signal } = task
  const windows = new Map<number, ReferenceWindow>()
  const mapped = records.filter(({ flags, referenceId }) => referenceId >= 0 && (flags & recordFlags.unmapped) === 0)
  const embedded = header.referenceBlock >= 0 ? external.get(header.referenceBlock) : undefined
  if (embedded)
    return windows.set(header.referenceId, {
      start: header.start,
      bases: Buffer.from(Buffer.from(embedded).toString('latin1').toUpperCase(), 'latin1'),
    })
  if (!compression.needsReference || mapped.length === 0) return windows
  if (!reference) {
    if (!mapped.some(needsReference)) return windows
    const sequence = task.head.header.references[mapped[0]?.referenceId ?? 0]?.name
    throw new ScoreError(
      'invalid-request',
      `${name}: its reads are stored as differences to a reference (${where} needs '${sequence}'); give that FASTA file and its .fai as the reference, or take CRAM output and counts, which need none`,
    )
  }
  const call = signal ? { signal } : {}
  const asked = [...coveredStretches(mapped, header)].map(async ([referenceId, range]) => {
    windows.set(referenceId, await reference.window(referenceId, range, header.referenceId >= 0 ? header.referenceMd5 : undefined, call))
  })
  await Promise.all(asked)
  return windows
}

function batchOf(container: number, content: CramSliceContent, task: CramBatchTask, readGroups: readonly Uint8Array[]): CramBatch {
  const { header, compression, where } = content
  const records = decodeCramRecords(content)
  const mates = resolveMates(records, where)
  const chosen: { readonly number: number; readonly core: RecordCore }[] = []
  for (const [number, record] of records.entries()) {
    const core = coreOf(record)
    if (task.choice(core)) chosen.push({ number, core })
  }
  return {
    container,
    records,
    mates,
    chosen,
    encodePlaces: () => chosen.map(({ number }) => cramPlaceToBam(records[number] as CramRecord, mates[number] as CramMate)),
    async encode() {
      const windows = await windowsFor(
        chosen.map(({ number }) => records[number] as CramRecord),
        content,
        task,
      )
      const context: CramToBamContext = {
        ...{ records, mates, readGroups, where },
        recordCounter: header.recordCounter,
        substitutions: compression.substitutions,
        namePrefix: prefixOf(task.name),
        windowOf: (referenceId) => windows.get(referenceId),
      }
      return chosen.map(({ number }) => cramRecordToBam(number, context))
    },
  }
}

/** The chosen records of a CRAM file, slice by slice, in file order; a few slices are inflated ahead. */
export async function* cramBatches(task: CramBatchTask): AsyncGenerator<CramBatch> {
  const readGroups = readGroupsOf(task.head.header.text)
  const ahead: SliceUnderWay[] = []
  const take = async ({ container, content }: SliceUnderWay): Promise<CramBatch> => {
    task.signal?.throwIfAborted()
    return batchOf(container, await content, task, readGroups)
  }
  for await (const slice of slicesOf(task)) {
    // Awaited in its turn; until then its failure must not count as unhandled.
    slice.content.catch(() => undefined)
    ahead.push(slice)
    if (ahead.length > slicesAhead) yield await take(ahead.shift() as SliceUnderWay)
  }
  for (const slice of ahead) yield await take(slice)
}
