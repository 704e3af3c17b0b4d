import { createMemorySource } from '../bytes/memory-source.ts'
import { ScoreError } from '../core/errors.ts'
import { isBai, parseBai } from './bai.ts'
import { createBgzfReader } from './bgzf-reader.ts'
import type { BinningIndex } from './binning-index.ts'
import { parseCsi } from './csi.ts'

/**
 * Reads an index file by what it holds, whatever its name: BAI, or BGZF-compressed CSI.
 *
 * @param bytes the whole file
 * @throws `invalid-format` when it is neither, or is damaged or cut off.
 */
export async function parseIndex(bytes: Uint8Array, name = 'index input'): Promise<BinningIndex> {
  if (isBai(bytes)) return parseBai(bytes, name)
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b)
    throw new ScoreError('invalid-format', `${name}: neither a BAI nor a CSI index; indexes of BAM files are made by 'samtools index'`)
  const pieces: Uint8Array[] = []
  for await (const { data } of createBgzfReader(createMemorySource(bytes), { name }).read()) pieces.push(data)
  return parseCsi(Buffer.concat(pieces), name)
}
