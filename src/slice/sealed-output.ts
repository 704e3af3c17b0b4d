import { eofMarker } from '../formats/bgzf-block.ts'

function endsWithMarker(bytes: Uint8Array, length: number): boolean {
  return length >= eofMarker.length && Buffer.compare(bytes.subarray(length - eofMarker.length, length), eofMarker) === 0
}

/**
 * Passes a BGZF stream on so that it ends with the EOF marker only when it is whole: files may hold empty blocks in their
 * middle, and a slice that breaks off behind one would look complete. Such blocks wait until more follows.
 */
export async function* sealOutput(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Uint8Array = new Uint8Array(0)
  for await (const piece of pieces) {
    const bytes = held.length > 0 ? Buffer.concat([held, piece]) : piece
    let length = bytes.length
    while (endsWithMarker(bytes, length)) length -= eofMarker.length
    // A piece shorter than the marker could be the rest of one.
    if (bytes.length < eofMarker.length) length = 0
    if (length > 0) yield bytes.subarray(0, length)
    held = bytes.slice(length)
  }
  if (held.length > 0) yield held
}
