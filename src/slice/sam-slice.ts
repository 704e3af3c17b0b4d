import type { BamHeader } from '../formats/bam-header.ts'
import { createSamTextWriter } from '../formats/sam-text-writer.ts'
import type { RecordSink } from './record-cutter.ts'

const textBytes = 256 * 1024

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
  const text = createSamTextWriter(header, textBytes)
  const full: Uint8Array[] = []
  const onRecord: RecordSink = (view, from, to, block, within) => {
    text.add(view, from, to, () => placeOf(block, within))
    if (text.length >= textBytes) full.push(text.take())
  }
  for await (const _ of visit(onRecord)) yield* full.splice(0)
  if (text.length > 0) yield text.take()
}
