import { type ByteSource, readBytes } from '../bytes/byte-source.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { createSharedLoad } from '../core/shared-load.ts'
import { createBgzfReader } from './bgzf-reader.ts'
import { type GziEntry, parseGzi, placeInBgzf } from './gzi.ts'

/** Sequences that reads were aligned to. */
export interface ReferenceSequences {
  /** How messages name them. */
  readonly name: string
  /** Bases of the sequence; `undefined` when there is none of that name. */
  lengthOf(sequence: string, options?: CallOptions): Promise<number | undefined>
  /**
   * Bases of `[start, end)`, zero-based, in upper case, in pieces of any size; what lies behind the sequence's end is left out.
   *
   * @throws `invalid-request` for an unknown sequence; `invalid-format` when file and index do not fit together.
   */
  bases(sequence: string, start: number, end: number, options?: CallOptions): AsyncIterable<Uint8Array>
}

export interface FastaSources {
  /** A FASTA file; plain, or compressed by bgzip. */
  readonly fasta: ByteSource
  /** Its `.fai`, as `samtools faidx` makes it. */
  readonly fai: ByteSource
  /** Its `.gzi`, which a compressed one needs. */
  readonly gzi?: ByteSource
}

export interface FastaOptions {
  /** How messages name the file; default `reference`. */
  readonly name?: string
}

/** A sequence in a FASTA file: where its bases begin, and how its lines are cut. */
interface FaiEntry {
  readonly length: number
  readonly offset: number
  readonly lineBases: number
  readonly lineBytes: number
}

function parseFai(text: string, name: string): Map<string, FaiEntry> {
  const entries = new Map<string, FaiEntry>()
  for (const [at, line] of text.split(/\r?\n/).entries()) {
    if (line === '') continue
    const [sequence = '', ...numbers] = line.split('\t')
    const [length = -1, offset = -1, lineBases = -1, lineBytes = -1] = numbers.map((field) => (/^\d+$/.test(field) ? Number(field) : -1))
    const empty = length === 0 && lineBases >= 0 && lineBytes >= 0
    if (length < 0 || offset < 0 || (!empty && (lineBases < 1 || lineBytes < lineBases)))
      throw new ScoreError(
        'invalid-format',
        `index of ${name}, line ${at + 1}: not a FAI line: '${line.slice(0, 80)}'; make it anew with 'samtools faidx'`,
      )
    entries.set(sequence, { length, offset, lineBases, lineBytes })
  }
  return entries
}

/** Byte of the inflated file at which a base stands. */
function placeOf({ offset, lineBases, lineBytes }: FaiEntry, base: number): number {
  return lineBases === 0 ? offset : offset + Math.floor(base / lineBases) * lineBytes + (base % lineBases)
}

const upperCase = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 0x61 && byte <= 0x7a ? byte - 32 : byte))

/** Bases alone, in upper case. */
function basesOf(bytes: Uint8Array): Uint8Array {
  const bases = new Uint8Array(bytes.length)
  let length = 0
  for (const byte of bytes) if (byte > 32) bases[length++] = upperCase[byte] as number
  return bases.subarray(0, length)
}

/** Reference sequences in a FASTA file, read where they are needed. Nothing is read before the first use. */
export function createFastaReference(sources: FastaSources, options: FastaOptions = {}): ReferenceSequences {
  const { fasta, fai, gzi } = sources
  const { name = 'reference' } = options
  const bgzf = createBgzfReader(fasta, { name })

  const index = createSharedLoad(async (call) => {
    const text = await readBytes(fai, { start: 0, end: await fai.size(call) }, call)
    return parseFai(Buffer.from(text).toString('utf8'), name)
  })
  /** `undefined` for a plain file. */
  const blocks = createSharedLoad(async (call): Promise<readonly GziEntry[] | undefined> => {
    const size = await fasta.size(call)
    const magic = await readBytes(fasta, { start: 0, end: Math.min(2, size) }, call)
    if (magic[0] !== 0x1f || magic[1] !== 0x8b) return undefined
    if (gzi) return parseGzi(await readBytes(gzi, { start: 0, end: await gzi.size(call) }, call), `index of ${name}`)
    throw new ScoreError(
      'invalid-request',
      `${name}: it is compressed, so its .gzi is needed too; 'samtools faidx' makes it of a file that bgzip compressed`,
    )
  })

  async function* inflated(start: number, end: number, call?: CallOptions): AsyncGenerator<Uint8Array> {
    const places = await blocks(call)
    if (!places) return yield* fasta.stream({ start, end: Math.min(end, await fasta.size(call)) }, call)
    for await (const { data } of bgzf.read({ start: placeInBgzf(places, start), end: placeInBgzf(places, end) }, call)) yield data
  }

  const entryOf = async (sequence: string, call?: CallOptions): Promise<FaiEntry> => {
    const entry = (await index(call)).get(sequence)
    if (entry) return entry
    throw new ScoreError('invalid-request', `${name}: it has no sequence '${sequence}'`)
  }

  return {
    name,
    lengthOf: async (sequence, call) => (await index(call)).get(sequence)?.length,
    async *bases(sequence, start, end, call) {
      const entry = await entryOf(sequence, call)
      const until = Math.min(end, entry.length)
      let left = until - start
      if (left <= 0) return
      for await (const piece of inflated(placeOf(entry, start), placeOf(entry, until - 1) + 1, call)) {
        const bases = basesOf(piece)
        left -= bases.length
        yield bases
      }
      if (left !== 0)
        throw new ScoreError(
          'invalid-format',
          `${name}: its lines are not as its index says, at '${sequence}'; make the index anew with 'samtools faidx'`,
        )
    },
  }
}
