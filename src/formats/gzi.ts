import { ScoreError } from '../core/errors.ts'
import type { VirtualOffset } from './virtual-offset.ts'

/** A block of a BGZF file: where it begins, compressed and inflated. */
export interface GziEntry {
  readonly block: number
  readonly inflated: number
}

/** Reads what `bgzip -i` writes: the number of blocks, then two 64-bit places for each but the first. @throws `invalid-format` */
export function parseGzi(bytes: Uint8Array, name: string): GziEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const count = bytes.length < 8 ? -1 : Number(view.getBigUint64(0, true))
  if (bytes.length !== 8 + count * 16) throw new ScoreError('invalid-format', `${name}: it is no .gzi, or has been cut off`)
  const entries: GziEntry[] = [{ block: 0, inflated: 0 }]
  for (let at = 8; at < bytes.length; at += 16)
    entries.push({ block: Number(view.getBigUint64(at, true)), inflated: Number(view.getBigUint64(at + 8, true)) })
  return entries
}

/** The place of an inflated byte. */
export function placeInBgzf(entries: readonly GziEntry[], at: number): VirtualOffset {
  let low = 0
  for (let high = entries.length; high - low > 1; ) {
    const middle = (low + high) >> 1
    if ((entries[middle] as GziEntry).inflated <= at) low = middle
    else high = middle
  }
  const { block, inflated } = entries[low] as GziEntry
  return { block, within: at - inflated }
}
