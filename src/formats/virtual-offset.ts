/**
 * A place in a BGZF file (SAMv1 4.1.1): where its block begins in the compressed file, and how far into the inflated
 * block it lies. On the wire one 64-bit number, `block << 16 | within`; kept apart here because that number is exact in a
 * double only below 128 GiB.
 */
export interface VirtualOffset {
  /** First byte of the block in the compressed file; below 2^48. */
  readonly block: number
  /** Bytes into the inflated block, 0 to 65535. */
  readonly within: number
}

/** Negative when `a` lies before `b`, 0 when they are the same, positive after. */
export function compareVirtualOffsets(a: VirtualOffset, b: VirtualOffset): number {
  return a.block - b.block || a.within - b.within
}

/** The earlier of the two. */
export function earlierVirtualOffset(a: VirtualOffset, b: VirtualOffset): VirtualOffset {
  return compareVirtualOffsets(a, b) <= 0 ? a : b
}

/** The later of the two. */
export function laterVirtualOffset(a: VirtualOffset, b: VirtualOffset): VirtualOffset {
  return compareVirtualOffsets(a, b) >= 0 ? a : b
}

/** Reads the 64-bit little-endian form. */
export function readVirtualOffset(view: DataView, at: number): VirtualOffset {
  return { block: view.getUint16(at + 2, true) + view.getUint32(at + 4, true) * 65_536, within: view.getUint16(at, true) }
}

/** Writes the 64-bit little-endian form: 8 bytes. */
export function writeVirtualOffset(view: DataView, at: number, offset: VirtualOffset): void {
  view.setUint16(at, offset.within, true)
  view.setUint16(at + 2, offset.block % 65_536, true)
  view.setUint32(at + 4, Math.floor(offset.block / 65_536), true)
}
