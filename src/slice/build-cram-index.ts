import type { ByteSource } from '../bytes/byte-source.ts'
import type { CallOptions } from '../core/call-options.ts'
import type { CraiEntry, CramIndex } from '../formats/crai.ts'
import { createCramInflate } from '../formats/cram-inflate.ts'
import { decodeCramRecords } from '../formats/cram-records.ts'
import { type CramSlice, cramSlices } from '../formats/cram-slices.ts'
import { wholeContainers } from './container-walk.ts'
import { createCramPreparation } from './cram-preparation.ts'

export interface BuildCramIndexOptions extends CallOptions {
  /** How messages name the file; default `CRAM input`. */
  readonly name?: string
}

type Place = Pick<CraiEntry, 'referenceId' | 'start' | 'end'>

/** What `samtools index` writes for reads without a place. */
const nowhere: Place = { referenceId: -1, start: -1, end: 0 }

/** Where the reads of a slice lie: one place, or one for each reference that its records name. */
async function placesOf({ header, content }: CramSlice): Promise<Place[]> {
  if (header.referenceId === -1) return [nowhere]
  if (header.referenceId >= 0) return [header]
  const places = new Map<number, Place>()
  for (const { referenceId, position, last } of decodeCramRecords(await content())) {
    const known = places.get(referenceId)
    const start = Math.min(known?.start ?? Number.POSITIVE_INFINITY, position - 1)
    places.set(referenceId, referenceId < 0 ? nowhere : { referenceId, start, end: Math.max(known?.end ?? 0, last) })
  }
  return [...places.values()]
}

/**
 * Makes the index of a CRAM file by going through it, as `samtools index` does; `encodeIndex` makes the file of it. Records are
 * decoded only in slices of several references; no reference is needed.
 *
 * @throws `invalid-format` when the file is damaged or cut off.
 */
export async function buildCramIndex(data: ByteSource, options: BuildCramIndexOptions = {}): Promise<CramIndex> {
  const { name = 'CRAM input', signal } = options
  const call = signal ? { signal } : {}
  const { prepare, walk } = createCramPreparation({ data }, { name, indexName: `index of ${name}` })
  const prepared = await prepare('all', call)
  const { version } = prepared.head
  const inflate = createCramInflate(version)
  const entries: CraiEntry[] = []
  for await (const { offset, header, bytes } of wholeContainers(walk(prepared, call))) {
    signal?.throwIfAborted()
    for await (const slice of cramSlices({ header, bytes, version, inflate, where: `${name}: container at byte ${offset}` })) {
      const { start, size } = slice
      for (const { referenceId, start: from, end } of await placesOf(slice))
        entries.push({ referenceId, start: from, end, container: offset, slice: start, size })
    }
  }
  return { entries }
}
