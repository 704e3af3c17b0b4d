import { encodeBai } from './bai.ts'
import { createBgzfWriter } from './bgzf-writer.ts'
import { baiScheme } from './binning.ts'
import type { BinningIndex } from './binning-index.ts'
import { type CramIndex, encodeCrai } from './crai.ts'
import { encodeCsi } from './csi.ts'

/** An index as a file, and what its name ends with. */
export interface EncodedIndex {
  readonly bytes: Uint8Array
  readonly extension: 'bai' | 'csi' | 'crai'
}

function isBai({ scheme, references }: BinningIndex): boolean {
  return (
    scheme.minShift === baiScheme.minShift && scheme.depth === baiScheme.depth && references.every(({ lowest }) => lowest === undefined)
  )
}

/** The file of an index: a CRAI of a CRAM's; a BAI where it is one, else a CSI, compressed as BGZF. */
export async function encodeIndex(index: BinningIndex | CramIndex): Promise<EncodedIndex> {
  if ('entries' in index) return { bytes: await encodeCrai(index), extension: 'crai' }
  if (isBai(index)) return { bytes: encodeBai(index), extension: 'bai' }
  const pieces: Uint8Array[] = []
  const writer = createBgzfWriter((piece) => void pieces.push(piece))
  await writer.write(encodeCsi(index))
  await writer.finish()
  return { bytes: Buffer.concat(pieces), extension: 'csi' }
}
