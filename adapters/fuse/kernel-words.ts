import { endianness } from 'node:os'

/** The kernel speaks in the byte order of its machine. */
export const littleEndian = endianness() === 'LE'

const half = 2 ** 32

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** A 64-bit number; above 2^53, where none of ours lies, it is rounded. */
export function getWord64(view: DataView, at: number): number {
  return view.getUint32(littleEndian ? at : at + 4, littleEndian) + view.getUint32(littleEndian ? at + 4 : at, littleEndian) * half
}

/** @param value not negative, whole, up to 2^53. */
export function setWord64(view: DataView, at: number, value: number): void {
  view.setUint32(littleEndian ? at : at + 4, value % half, littleEndian)
  view.setUint32(littleEndian ? at + 4 : at, Math.floor(value / half), littleEndian)
}
