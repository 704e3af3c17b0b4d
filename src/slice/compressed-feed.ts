import { type ByteSource, readBytes } from '../bytes/byte-source.ts'
import { type PlacedBytes, type ReadAheadOptions, readAhead } from '../bytes/read-ahead.ts'
import type { ByteRange } from '../core/byte-range.ts'
import { ScoreError } from '../core/errors.ts'
import { type BlockFrame, blockError, claimedSize, frameBlock, maximumBlockBytes } from '../formats/bgzf-block.ts'

/** Whole blocks that lie behind one another, still deflated. */
export interface BlockRun {
  readonly bytes: Uint8Array
  /** Place of `bytes[0]` in the file. */
  readonly offset: number
  readonly frames: readonly BlockFrame[]
}

/** The compressed bytes of some ranges of a file, taken in order. */
export interface CompressedFeed {
  /** Place of the next byte. */
  readonly at: number
  /** Passes over what lies before `offset`; nothing when that is behind already. */
  skipTo(offset: number): Promise<void>
  /** The next blocks, of those that begin at `last` or before; at most about 1 MiB once inflated. `undefined` when there are none. */
  run(last: number): Promise<BlockRun | undefined>
  /** The next bytes before `until`, as many as are at hand. `undefined` when there are none. */
  raw(until: number): Promise<Uint8Array | undefined>
  close(): Promise<void>
}

const runBytes = 1024 * 1024

export function createCompressedFeed(
  source: ByteSource,
  ranges: readonly ByteRange[],
  name: string,
  options: ReadAheadOptions,
): CompressedFeed {
  const pieces = readAhead((range, call) => readBytes(source, range, call), ranges, options)
  let base = 0
  let bytes: Uint8Array = new Uint8Array(0)
  let used = 0

  const next = async (): Promise<PlacedBytes | undefined> => {
    const { done, value } = await pieces.next()
    return done ? undefined : value
  }
  const replace = (piece: PlacedBytes): void => {
    base = piece.start
    bytes = piece.bytes
    used = 0
  }
  /** The next piece, which must join on; `undefined` when there is none. */
  const follow = async (): Promise<Uint8Array | undefined> => {
    const piece = await next()
    if (piece && piece.start !== base + bytes.length)
      throw new ScoreError('internal', `the plan of reads for ${name} leaves a hole before byte ${piece.start}`)
    return piece?.bytes
  }
  /** The block that begins in what is left and ends in the next piece. Pieces are large: only what it needs of them is copied. */
  const crossingRun = async (): Promise<BlockRun | undefined> => {
    const at = base + used
    const rest = bytes.subarray(used)
    const piece = await follow()
    if (!piece) throw blockError(name, at, 'the file ends inside it; it has been cut off or the index is of another file')
    const joint = rest.length === 0 ? piece : Buffer.concat([rest, piece.subarray(0, maximumBlockBytes)])
    const frame = rest.length === 0 ? undefined : frameBlock(joint, 0, at, name)
    if (frame) {
      replace({ start: base + bytes.length, bytes: piece })
      used = frame.end - rest.length
      return { bytes: joint, offset: at, frames: [frame] }
    }
    replace({ start: at, bytes: rest.length === 0 ? piece : Buffer.concat([rest, piece]) })
    return undefined
  }

  return {
    get at() {
      return base + used
    },
    async skipTo(offset) {
      while (base + bytes.length < offset) {
        const piece = await next()
        if (!piece) throw blockError(name, offset, 'the file ends before it; the file has been cut off or the index is of another file')
        replace(piece)
      }
      used = Math.max(used, offset - base)
    },
    async run(last) {
      const frames: BlockFrame[] = []
      let inflated = 0
      for (;;) {
        const at = frames.at(-1)?.end ?? used
        if (base + at > last) break
        const frame = frameBlock(bytes, at, base, name)
        if (!frame) {
          if (frames.length > 0) break
          const crossing = await crossingRun()
          if (crossing) return crossing
          continue
        }
        const size = claimedSize(bytes, frame, base, name)
        if (frames.length > 0 && inflated + size > runBytes) break
        frames.push(frame)
        inflated += size
      }
      const end = frames.at(-1)?.end
      if (end === undefined) return undefined
      used = end
      return { bytes, offset: base, frames }
    },
    async raw(until) {
      if (base + used >= until) return undefined
      if (used === bytes.length) {
        const piece = await follow()
        if (!piece) throw blockError(name, until, 'the file ends before it; it has been cut off')
        replace({ start: base + bytes.length, bytes: piece })
      }
      const taken = bytes.subarray(used, Math.min(bytes.length, until - base))
      used += taken.length
      return taken
    },
    async close() {
      await pieces.return(undefined)
    },
  }
}
