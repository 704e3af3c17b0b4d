import type { BamHeader } from '../formats/bam-header.ts'
import { createSamTextWriter } from '../formats/sam-text-writer.ts'
import type { RecordSink } from './record-cutter.ts'

/**
 * The records that `visit` goes through as SAM text, behind the header.
 *
 * @param placeOf how a message names a record that is damaged
 */
export async function* samSlice(
  header: BamHeader,
  visit: (onRecord: RecordSink) => AsyncIterable<void>,
  placeOf: (block: number, within: number) => string,
): AsyncGenerator<Uint8Array> {
  if (header.text !== '') yield Buffer.from(header.text)
  const made: Uint8Array[] = []
  const text = createSamTextWriter({ header, onText: (piece) => void made.push(piece) })
  const onRecord: RecordSink = (view, from, to, block, within) => {
    text.add(view, from, to, () => placeOf(block, within))
  }
  for await (const _ of visit(onRecord)) yield* made.splice(0)
  text.flush()
  yield* made
}
