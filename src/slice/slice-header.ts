import { type ByteSource, readBytes } from '../bytes/byte-source.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { type BamHeader, decodeBamHeader } from '../formats/bam-header.ts'
import { type BlockFrame, frameBlock, inflateRun } from '../formats/bgzf-block.ts'
import type { VirtualOffset } from '../formats/virtual-offset.ts'

/** A BAM's header and where its records begin. */
export interface BamHead {
  readonly header: BamHeader
  readonly firstRecord: VirtualOffset
  /** Compressed bytes of the file. */
  readonly size: number
}

const firstReadBytes = 64 * 1024

/** @throws `invalid-format` when these are the first bytes of something else that goes by the name of reads. */
function requireBam(bytes: Uint8Array, name: string): void {
  const text = Buffer.from(bytes.subarray(0, 4)).toString('latin1')
  const other = text === 'CRAM' ? 'a CRAM file' : /^@[A-Z]{2}/.test(text) ? 'SAM text' : bytes.length === 0 ? 'an empty file' : undefined
  if (other) throw new ScoreError('invalid-format', `${name}: this is ${other}, not a BAM file; 'samtools view -b' makes a BAM of it`)
}

function framesOf(bytes: Uint8Array, name: string): BlockFrame[] {
  const frames: BlockFrame[] = []
  for (let frame = frameBlock(bytes, 0, 0, name); frame; frame = frameBlock(bytes, frame.end, 0, name)) frames.push(frame)
  return frames
}

/** Reads only as much of the file's begin as the header takes. @throws `invalid-format` when the file is no BAM. */
export async function readBamHead(source: ByteSource, name: string, call?: CallOptions): Promise<BamHead> {
  const size = await source.size(call)
  for (let length = Math.min(size, firstReadBytes); ; length = Math.min(size, length * 4)) {
    const bytes = await readBytes(source, { start: 0, end: length }, call)
    requireBam(bytes, name)
    const blocks = await inflateRun(bytes, framesOf(bytes, name), 0, name)
    const found = decodeBamHeader(Buffer.concat(blocks.map(({ data }) => data)), name)
    if (found) {
      const { header } = found
      let before = 0
      for (const { offset, data } of blocks) {
        if (found.length < before + data.length) return { header, size, firstRecord: { block: offset, within: found.length - before } }
        before += data.length
      }
      const last = blocks.at(-1)
      return { header, size, firstRecord: { block: (last?.offset ?? 0) + (last?.size ?? 0), within: 0 } }
    }
    if (length === size) throw new ScoreError('invalid-format', `${name}: the file ends inside its BAM header; it has been cut off`)
  }
}
