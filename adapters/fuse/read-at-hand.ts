import type { ByteRange, FuseMount } from '../../src/index.ts'

/** As `FuseMount.readNow`; what goes wrong is told by the slower way, which is taken then. */
export function readAtHand(mount: FuseMount, file: number, range: ByteRange, use: (pieces: readonly Uint8Array[]) => void): boolean {
  try {
    return mount.readNow(file, range, use)
  } catch {
    return false
  }
}
