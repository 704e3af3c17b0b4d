import { isUtf8 } from 'node:buffer'
import { ScoreError } from '../../src/index.ts'
import { getWord64, littleEndian, viewOf } from './kernel-words.ts'

/**
 * What the kernel asks, as `include/uapi/linux/fuse.h` lays it out (protocol 7.23 and later). Node ids and handles are
 * ours and small; `unique` counts requests of one mount.
 */
export type KernelQuestion =
  | { readonly kind: 'init'; readonly major: number; readonly minor: number; readonly readAheadBytes: number; readonly flags: number }
  /** Without a name: one that is not UTF-8, and so none of ours. */
  | { readonly kind: 'lookup'; readonly name: string | undefined }
  | { readonly kind: 'forget'; readonly nodes: readonly ForgottenNode[] }
  | { readonly kind: 'getattr'; readonly handle: number | undefined }
  | { readonly kind: 'open'; readonly flags: number }
  | { readonly kind: 'read'; readonly handle: number; readonly offset: number; readonly size: number }
  | { readonly kind: 'list'; readonly handle: number; readonly offset: number; readonly size: number; readonly withAttributes: boolean }
  | { readonly kind: 'release' | 'release-folder'; readonly handle: number }
  | { readonly kind: 'open-folder' | 'statfs' | 'readlink' }
  | { readonly kind: 'destroy' | 'woken' | 'unknown' }
  /** A program that waits for request `of` got a signal. */
  | { readonly kind: 'interrupt'; readonly of: number }
  | { readonly kind: 'change'; readonly operation: string }

export interface ForgottenNode {
  readonly node: number
  /** How many of the answers that named it the kernel has forgotten. */
  readonly lookups: number
}

export interface KernelHeader {
  readonly unique: number
  readonly node: number
}

const headerBytes = 40

type Decode = (body: DataView, header: KernelHeader) => KernelQuestion

const changes: readonly (readonly [opcode: number, operation: string])[] = [
  [4, 'setattr'],
  [6, 'symlink'],
  [8, 'mknod'],
  [9, 'mkdir'],
  [10, 'unlink'],
  [11, 'rmdir'],
  [12, 'rename'],
  [13, 'link'],
  [16, 'write'],
  [21, 'setxattr'],
  [24, 'removexattr'],
  [35, 'create'],
  [43, 'fallocate'],
  [45, 'rename'],
  [47, 'copy_file_range'],
  [51, 'tmpfile'],
]

function nameIn(body: DataView): string | undefined {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength)
  const end = bytes.indexOf(0)
  if (end < 0) throw new RangeError('a name without an end')
  const name = bytes.subarray(0, end)
  return isUtf8(name) ? name.toString('utf8') : undefined
}

/** FUSE_GETATTR_FH: the request is about an open file. */
const byHandle = 1

const decodeList =
  (withAttributes: boolean): Decode =>
  (body) => ({
    kind: 'list',
    handle: getWord64(body, 0),
    offset: getWord64(body, 8),
    size: body.getUint32(16, littleEndian),
    withAttributes,
  })

const decoders: ReadonlyMap<number, Decode> = new Map<number, Decode>([
  [1, (body) => ({ kind: 'lookup', name: nameIn(body) })],
  [2, (body, { node }) => ({ kind: 'forget', nodes: [{ node, lookups: getWord64(body, 0) }] })],
  [3, (body) => ({ kind: 'getattr', handle: body.getUint32(0, littleEndian) & byHandle ? getWord64(body, 8) : undefined })],
  [5, () => ({ kind: 'readlink' })],
  [14, (body) => ({ kind: 'open', flags: body.getUint32(0, littleEndian) })],
  [15, (body) => ({ kind: 'read', handle: getWord64(body, 0), offset: getWord64(body, 8), size: body.getUint32(16, littleEndian) })],
  [17, () => ({ kind: 'statfs' })],
  [18, (body) => ({ kind: 'release', handle: getWord64(body, 0) })],
  [
    26,
    (body) => ({
      kind: 'init',
      major: body.getUint32(0, littleEndian),
      minor: body.getUint32(4, littleEndian),
      readAheadBytes: body.getUint32(8, littleEndian),
      flags: body.getUint32(12, littleEndian),
    }),
  ],
  [27, () => ({ kind: 'open-folder' })],
  [28, decodeList(false)],
  [29, (body) => ({ kind: 'release-folder', handle: getWord64(body, 0) })],
  [36, (body) => ({ kind: 'interrupt', of: getWord64(body, 0) })],
  [38, () => ({ kind: 'destroy' })],
  [41, () => ({ kind: 'woken' })],
  [
    42,
    (body) => ({
      kind: 'forget',
      nodes: Array.from({ length: body.getUint32(0, littleEndian) }, (_, index) => {
        return { node: getWord64(body, 8 + index * 16), lookups: getWord64(body, 16 + index * 16) }
      }),
    }),
  ],
  [44, decodeList(true)],
  ...changes.map(([opcode, operation]) => [opcode, (): KernelQuestion => ({ kind: 'change', operation })] as const),
])

/** @throws `store-protocol` for less than a header. */
export function decodeHeader(bytes: Uint8Array): KernelHeader {
  if (bytes.length < headerBytes) throw new ScoreError('store-protocol', `the kernel sent ${bytes.length} bytes, which is no request`)
  const view = viewOf(bytes)
  return { unique: getWord64(view, 8), node: getWord64(view, 16) }
}

/**
 * Nothing of the answer refers to `bytes`.
 *
 * @throws `store-protocol` for a header, `RangeError` for a body that is cut.
 */
export function decodeQuestion(bytes: Uint8Array): KernelQuestion {
  const header = decodeHeader(bytes)
  const decode = decoders.get(viewOf(bytes).getUint32(4, littleEndian))
  return decode === undefined ? { kind: 'unknown' } : decode(viewOf(bytes.subarray(headerBytes)), header)
}
