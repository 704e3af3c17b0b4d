import { ScoreError } from '../core/errors.ts'
import type { BamSlice } from './bam-slicer.ts'
import type { SamtoolsTool } from './samtools-tool.ts'
import type { CramOutputOptions, CramSlice, PlainOutputOptions } from './slicer.ts'

/** Why whole containers will not do, for whoever has no samtools. */
function needOf(name: string, { contained, allowedRegions }: CramOutputOptions, isCram: boolean): string {
  const reason = contained ? `'contained'` : allowedRegions ? 'allowed regions' : 'exact CRAM'
  const why = isCram
    ? `${reason} cannot be kept to by copying whole containers, which hold other reads too`
    : 'it is no CRAM, so no containers can be copied'
  return `${name}: ${why}; only samtools can write this CRAM: give one, or take BAM output`
}

/**
 * A CRAM file of exactly these reads, made by samtools out of a BAM slice.
 *
 * @param bamSlice makes the BAM slice; its blocks need no compression
 * @throws `invalid-request` without a samtools, before anything is read.
 */
export function exactCramSlice(
  samtools: SamtoolsTool | undefined,
  options: CramOutputOptions,
  input: { readonly name: string; readonly isCram: boolean; readonly bamSlice: (options: PlainOutputOptions) => BamSlice },
): CramSlice {
  const { format: _, exact: __, ...rest } = options
  async function* run(): AsyncGenerator<Uint8Array> {
    if (!samtools) throw new ScoreError('invalid-request', needOf(input.name, options, input.isCram))
    yield* samtools.encodeCram(input.bamSlice({ ...rest, format: 'bam', level: 0 }), rest.signal ? { signal: rest.signal } : {})
  }
  return {
    [Symbol.asyncIterator]: run,
    exact: true,
    sliceIndex() {
      throw new ScoreError('invalid-request', `${input.name}: samtools wrote this CRAM, and 'samtools index' indexes it`)
    },
  }
}
