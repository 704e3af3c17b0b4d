import type { MountStatistics } from '../../../src/mount/fuse-mount.ts'
import type { TreeLayout } from '../../../src/mount/tree-layout.ts'
import { createRandom } from '../../formats/bam-fixture.ts'

export type DriverName = 'fuse-native' | 'kernel'

/** What the process that mounts is told. */
export interface DaemonPlan {
  readonly driver: DriverName
  readonly mountPoint: string
  readonly layout?: TreeLayout
  readonly callMs?: number
  readonly attributeSeconds?: number
  /** Files of one byte in a folder `many`. */
  readonly many?: number
  /** Files in a folder `stuck` that never give a byte. */
  readonly stuck?: number
  /** Files in a folder `given`. */
  readonly files?: readonly { readonly name: string; readonly base64: string }[]
}

/** What it says. */
export type DaemonWord =
  | { readonly kind: 'ready' | 'refreshed' | 'waiting' }
  | { readonly kind: 'refused'; readonly code: string; readonly message: string }
  | { readonly kind: 'problem'; readonly operation: string; readonly path: string; readonly message: string }
  | { readonly kind: 'ended'; readonly how: string; readonly statistics: MountStatistics }

/** What both sides know of the objects. */
export const blackBox = { farBytes: 5 * 2 ** 40, modifiedMs: Date.UTC(2024, 1, 29, 12, 30, 15) }

export function sampleBytes(size: number): Buffer {
  const random = createRandom(size)
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; at += 1) bytes[at] = random.below(256)
  return bytes
}

export function farByte(at: number): number {
  return (at % 251) ^ (Math.floor(at / 4096) % 256)
}
