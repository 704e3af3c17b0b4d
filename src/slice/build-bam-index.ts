import { type ByteSource, readBytes } from '../bytes/byte-source.ts'
import type { CallOptions } from '../core/call-options.ts'
import { isScoreError, ScoreError } from '../core/errors.ts'
import { recordFlags } from '../formats/bam-record.ts'
import { eofMarker } from '../formats/bgzf-block.ts'
import type { WritePosition } from '../formats/bgzf-writer.ts'
import { addressableBases, baiScheme } from '../formats/binning.ts'
import type { BinningIndex } from '../formats/binning-index.ts'
import { isCram } from '../formats/cram-version.ts'
import { csiSchemeFor } from '../formats/csi.ts'
import { createIndexBuilder } from '../formats/index-builder.ts'
import { createBamSlicer } from './bam-slicer.ts'

export interface BuildIndexOptions extends CallOptions {
  /** How messages name the file; default `BAM input`. */
  readonly name?: string
  /** Default: BAI, where it reaches to the end of the longest reference; else CSI. */
  readonly kind?: 'bai' | 'csi'
  /** Of a CSI: base-two logarithm of its smallest window; default 14. */
  readonly minShift?: number
}

/**
 * Makes the index of a BAM file by going through it, as `samtools index` does; {@link encodeIndex} makes the file of it.
 *
 * @throws `invalid-format` when the file is damaged, cut off or not sorted by coordinate; `invalid-request` when BAI is asked
 *   for and a reference is too long for it.
 */
export async function buildBamIndex(data: ByteSource, options: BuildIndexOptions = {}): Promise<BinningIndex> {
  const { name = 'BAM input', minShift = 14, signal } = options
  const call = signal ? { signal } : {}
  const magic = await readBytes(data, { start: 0, end: Math.min(4, await data.size(call)) }, call)
  if (isCram(magic))
    throw new ScoreError(
      'invalid-request',
      `${name}: this is a CRAM file, which has neither BAI nor CSI; buildCramIndex ('score index') makes its CRAI`,
    )
  const slicer = createBamSlicer({ data }, { name })
  const { references } = await slicer.header(call)
  const longest = references.reduce((most, { length }) => Math.max(most, length), 0)
  const reaches = longest <= addressableBases(baiScheme)
  const kind = options.kind ?? (reaches ? 'bai' : 'csi')
  if (kind === 'bai' && !reaches)
    throw new ScoreError(
      'invalid-request',
      `${name}: a reference of ${longest} bases is too long for BAI, which reaches to ${addressableBases(baiScheme)}; make a CSI`,
    )
  const builder = createIndexBuilder(references.length, kind === 'csi' ? csiSchemeFor(longest, minShift) : undefined)
  try {
    for await (const batch of slicer.batches('all', call)) {
      for (const { core, start } of batch) {
        if (!start) throw new ScoreError('internal', `${name}: a record of a BAM file came without its place`)
        const { referenceId, position, end, flags } = core
        const mapped = (flags & recordFlags.unmapped) === 0
        builder.add({ referenceId, position, end, mapped }, { ordinal: start.block, within: start.within })
      }
    }
  } catch (error) {
    if (!isScoreError(error, 'invalid-request')) throw error
    throw new ScoreError('invalid-format', `${name}: ${error.message}; 'samtools sort' puts them in order`, { cause: error })
  }
  const end: WritePosition = { ordinal: (await data.size(call)) - eofMarker.length, within: 0 }
  return builder.finish(end, ({ ordinal, within }) => ({ block: ordinal, within }))
}
