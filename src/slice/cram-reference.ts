import { createHash } from 'node:crypto'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { createSharedLoad } from '../core/shared-load.ts'
import type { BamHeader } from '../formats/bam-header.ts'
import type { ReferenceWindow } from '../formats/cram-read.ts'
import type { ReferenceSequences } from '../formats/fasta.ts'

/** Sequences of a reference, proven to be those that a CRAM file was made with. */
export interface CramReference {
  /**
   * Bases of a reference; shorter where it ends before.
   *
   * @param md5 of just these bases; without one, the whole sequence is held to the `M5` of the header once
   * @throws `invalid-request` when they are not the file's: another length, another MD5, no such sequence.
   */
  window(
    referenceId: number,
    range: { readonly start: number; readonly end: number },
    md5: string | undefined,
    call: CallOptions,
  ): Promise<ReferenceWindow>
}

/** The values of a field of the header's `@SQ` lines, in order. */
function sequenceFields(text: string, field: string): (string | undefined)[] {
  const lines = text.split('\n').filter((line) => line.startsWith('@SQ\t'))
  return lines.map((line) =>
    line
      .split('\t')
      .find((part) => part.startsWith(`${field}:`))
      ?.slice(field.length + 1),
  )
}

async function gather(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  const [only] = all
  return all.length === 1 && only ? only : Buffer.concat(all)
}

/** @param name how messages name the CRAM file */
export function createCramReference(reference: ReferenceSequences, header: BamHeader, name: string): CramReference {
  const sums = sequenceFields(header.text, 'M5')
  const wholes = new Map<number, (call?: CallOptions) => Promise<void>>()
  const sequenceOf = (referenceId: number): BamHeader['references'][number] => {
    const sequence = header.references[referenceId]
    if (sequence) return sequence
    throw new ScoreError('invalid-format', `${name}: a record is of reference ${referenceId}; the header has ${header.references.length}`)
  }
  const wrong = (sequence: string, what: string): ScoreError<'invalid-request'> =>
    new ScoreError('invalid-request', `${reference.name} is not the reference that ${name} was made with: sequence '${sequence}' ${what}`)

  const requireLength = async (referenceId: number, call: CallOptions): Promise<void> => {
    const { name: sequence, length } = sequenceOf(referenceId)
    const found = await reference.lengthOf(sequence, call)
    if (found === undefined) throw wrong(sequence, 'is not in it')
    if (found !== length) throw wrong(sequence, `has ${found} bases in it, not ${length}`)
  }

  const checkWhole = async (referenceId: number, call: CallOptions): Promise<void> => {
    await requireLength(referenceId, call)
    const { name: sequence, length } = sequenceOf(referenceId)
    const told = sums[referenceId]?.toLowerCase()
    if (!told) return
    const hash = createHash('md5')
    for await (const piece of reference.bases(sequence, 0, length, call)) hash.update(piece)
    const sum = hash.digest('hex')
    if (sum !== told) throw wrong(sequence, `has the MD5 ${sum}, its header says ${told}`)
  }

  const requireWhole = (referenceId: number, call: CallOptions): Promise<void> => {
    const check = wholes.get(referenceId) ?? createSharedLoad((shared: CallOptions) => checkWhole(referenceId, shared))
    wholes.set(referenceId, check)
    return check(call)
  }

  return {
    async window(referenceId, { start, end }, md5, call) {
      const { name: sequence } = sequenceOf(referenceId)
      if (md5 === undefined) await requireWhole(referenceId, call)
      else await requireLength(referenceId, call)
      const bases = await gather(reference.bases(sequence, Math.max(0, start), end, call))
      const sum = md5 && createHash('md5').update(bases).digest('hex')
      if (sum !== md5) throw wrong(sequence, `has the MD5 ${sum} from base ${start + 1} to ${end}, the file says ${md5}`)
      return { start: Math.max(0, start), bases }
    },
  }
}
