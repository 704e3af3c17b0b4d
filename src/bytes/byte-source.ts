import type { ByteRange } from '../core/byte-range.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'

export interface PourOptions extends CallOptions {
  /**
   * Memory for the next bytes of the range, asked for anew each time. A source may put them there by itself before it gives
   * `take` that part of it, which spares a copy.
   */
  readonly space?: () => Uint8Array | undefined
}

/** Random access to bytes that live somewhere: a file, memory, a pre-signed URL, or a cache over one. */
export interface ByteSource {
  /** Total bytes. */
  size(options?: CallOptions): Promise<number>
  /**
   * The bytes of the range in order, in pieces of any size. A piece may be reused by the source once the next one is
   * asked for; copy what must live longer.
   *
   * @throws `invalid-range` when the range passes the end; `object-changed` when the bytes are no longer those of the
   *   first read; `unavailable` for trouble on the way.
   */
  stream(range: ByteRange, options?: CallOptions): AsyncIterable<Uint8Array>
  /**
   * As {@link ByteSource.stream}, for sources that need not wait for whoever takes the bytes: `take` is given them as they come
   * and copies what it keeps. What it throws ends the read.
   */
  pour?(range: ByteRange, take: (piece: Uint8Array) => void, options?: PourOptions): Promise<void>
  close(): Promise<void>
}

/** All bytes of the range in one array of their own. @throws `unavailable` when the source gives fewer or more. */
export async function readBytes(source: ByteSource, range: ByteRange, options?: CallOptions): Promise<Uint8Array> {
  // Not zeroed first: all of it is written, or nothing is given.
  const bytes = new Uint8Array(Buffer.allocUnsafeSlow(range.end - range.start).buffer)
  let at = 0
  for await (const piece of source.stream(range, options)) {
    if (at + piece.length > bytes.length)
      throw new ScoreError('unavailable', `a read of ${bytes.length} bytes at ${range.start} gave more than was asked for`)
    bytes.set(piece, at)
    at += piece.length
  }
  if (at !== bytes.length) throw new ScoreError('unavailable', `a read of ${bytes.length} bytes at ${range.start} ended after ${at}`)
  return bytes
}
