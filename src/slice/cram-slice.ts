import type { CallOptions } from '../core/call-options.ts'
import type { BamHeader } from '../formats/bam-header.ts'
import type { CraiEntry, CramIndex } from '../formats/crai.ts'
import { type CramHead, encodeCramHead } from '../formats/cram-header.ts'
import { cramEofContainer } from '../formats/cram-version.ts'
import type { ContainerPiece } from './container-walk.ts'
import type { IndexedContainer } from './cram-containers.ts'

export interface CramSliceTask extends CallOptions {
  readonly head: CramHead
  /** Absent: the input's header, byte for byte. */
  readonly header?: BamHeader
  /** What the index says of the containers; absent where none was used. */
  readonly containers?: readonly IndexedContainer[]
  readonly pieces: AsyncIterable<ContainerPiece>
  /** Told once the last byte was made. */
  readonly onIndex: (index: CramIndex | undefined) => void
}

function movedEntries(container: IndexedContainer | undefined, to: number): CraiEntry[] {
  return (container?.entries ?? []).map((entry) => ({ ...entry, container: to }))
}

/**
 * A CRAM file of whole containers, copied as they are, between a header and the container that ends it: all reads of the
 * regions, and those that lie in the same containers. It ends with that container only when it is whole.
 *
 * Containers hold no places in the file, so nothing in them changes when they move.
 */
export async function* cramSlice(task: CramSliceTask): AsyncGenerator<Uint8Array> {
  const { head, header, containers, pieces, onIndex, signal } = task
  const begin = header ? encodeCramHead(head, header) : head.bytes
  const entries: CraiEntry[] = []
  let written = begin.length
  let met = 0
  yield begin
  for await (const { bytes, isFirst } of pieces) {
    signal?.throwIfAborted()
    if (isFirst) {
      entries.push(...movedEntries(containers?.[met], written))
      met += 1
    }
    written += bytes.length
    yield bytes
  }
  onIndex(containers && { entries })
  yield cramEofContainer(head.version)
}
