import type { ByteSource } from '../../bytes/byte-source.ts'
import type { ByteRange } from '../../core/byte-range.ts'
import { rangeLength } from '../../core/byte-range.ts'
import { ScoreError } from '../../core/errors.ts'
import type { OpenFile } from './open-files.ts'

/** The bytes of one part in order, into views that the caller owns. */
export interface BodyReader {
  /** Fills the view with the next bytes. @throws `size-changed` when there are not as many */
  fill(view: Uint8Array): Promise<void>
  /** Called after the last byte. @throws `size-changed` when the bytes are of a file that was written to meanwhile */
  finish(): Promise<void>
  close(): Promise<void>
}

export async function readerOfFile(file: OpenFile, range: ByteRange): Promise<BodyReader> {
  const before = await file.version()
  let at = range.start
  return {
    async fill(view) {
      await file.read(view, at)
      at += view.length
    },
    async finish() {
      const after = await file.version()
      if (after.size === before.size && after.mtimeMs === before.mtimeMs) return
      throw new ScoreError('size-changed', `'${file.path}' was written to while it was being sent; start again once nothing writes to it`)
    },
    async close() {},
  }
}

export function readerOfSource(source: ByteSource, range: ByteRange, signal: AbortSignal | undefined): BodyReader {
  const pieces = source.stream(range, signal ? { signal } : {})[Symbol.asyncIterator]()
  let rest: Uint8Array = new Uint8Array(0)
  let given = 0
  const next = async (): Promise<Uint8Array> => {
    const { done, value } = await pieces.next()
    if (!done) return value
    const message = `the source gave ${given} bytes where the part has ${rangeLength(range)}: it changed while it was being sent; start again`
    throw new ScoreError('size-changed', message)
  }
  return {
    async fill(view) {
      for (let at = 0; at < view.length; ) {
        if (rest.length === 0) rest = await next()
        const count = Math.min(rest.length, view.length - at)
        view.set(rest.subarray(0, count), at)
        rest = rest.subarray(count)
        at += count
        given += count
      }
    },
    async finish() {
      const { done } = await pieces.next()
      if (rest.length > 0 || !done) {
        throw new ScoreError('size-changed', `the source gives more than the ${rangeLength(range)} bytes of the part`)
      }
    },
    async close() {
      await pieces.return?.(undefined)
    },
  }
}
