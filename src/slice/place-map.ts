import { blockPayloadBytes } from '../formats/bgzf-block.ts'
import type { BgzfWriter, WritePosition } from '../formats/bgzf-writer.ts'
import { compareVirtualOffsets, type VirtualOffset } from '../formats/virtual-offset.ts'

/** Where the bytes of the input went in the output. */
export interface PlaceMap {
  /** Whole blocks, `bytes` of them from `start` on, were copied to `position`. */
  addCopy(start: number, bytes: number, position: WritePosition): void
  /** Inflated bytes of one block, behind `start`, were written to `position`. */
  addPart(start: VirtualOffset, length: number, position: WritePosition): void
  /**
   * The place in the output of the first byte that lies at `offset` or behind it in the input and was taken over; rises with
   * `offset`. Asked for once the output is finished.
   */
  resolve(offset: VirtualOffset): VirtualOffset
}

interface Entry {
  readonly start: VirtualOffset
  /** Copied: compressed bytes. Written: inflated bytes. */
  readonly length: number
  readonly copied: boolean
  readonly position: WritePosition
}

/** @param end behind the last record in the output */
export function createPlaceMap(writer: Pick<BgzfWriter, 'resolve'>, end: () => WritePosition): PlaceMap {
  const entries: Entry[] = []

  const within = ({ start, length, copied, position }: Entry, offset: VirtualOffset): VirtualOffset | undefined => {
    if (copied) {
      const passed = offset.block - start.block
      return passed < length ? { block: writer.resolve(position).block + passed, within: offset.within } : undefined
    }
    const passed = offset.block === start.block ? offset.within - start.within : length
    if (passed >= length) return undefined
    const at = position.within + passed
    return writer.resolve({ ordinal: position.ordinal + Math.floor(at / blockPayloadBytes), within: at % blockPayloadBytes })
  }

  return {
    addCopy(start, length, position) {
      entries.push({ start: { block: start, within: 0 }, length, copied: true, position })
    },
    addPart(start, length, position) {
      entries.push({ start, length, copied: false, position })
    },
    resolve(offset) {
      let low = 0
      let high = entries.length
      while (low < high) {
        const middle = (low + high) >> 1
        if (compareVirtualOffsets((entries[middle] as Entry).start, offset) <= 0) low = middle + 1
        else high = middle
      }
      const before = entries[low - 1]
      const found = before && within(before, offset)
      if (found) return found
      const next = entries[low]
      return writer.resolve(next ? next.position : end())
    },
  }
}
