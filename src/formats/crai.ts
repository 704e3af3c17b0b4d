import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { ScoreError } from '../core/errors.ts'

/** One slice of a CRAM file, or the part of it that lies on one reference (CRAM 3.1, 12). */
export interface CraiEntry {
  /** -1: reads without a place. -2: several references, not told which. */
  readonly referenceId: number
  /** Zero-based, half-open. */
  readonly start: number
  readonly end: number
  /** Byte of the file where its container begins. */
  readonly container: number
  /** Where the slice begins, in bytes behind the container's header. */
  readonly slice: number
  /** Bytes of the slice. */
  readonly size: number
}

/** The index of a CRAM file. */
export interface CramIndex {
  /** In file order. */
  readonly entries: readonly CraiEntry[]
}

const inflate = promisify<Uint8Array, Buffer>(gunzip)
const deflate = promisify<Uint8Array, Buffer>(gzip)

function parseLine(line: string, number: number, name: string): CraiEntry {
  const fields = /^(-?\d+)\t(-?\d+)\t(-?\d+)\t(\d+)\t(\d+)\t(\d+)\r?$/.exec(line)
  if (!fields) throw new ScoreError('invalid-format', `${name}, line ${number}: not the six numbers of a CRAI: '${line.slice(0, 80)}'`)
  const [referenceId, start, span, container, slice, size] = fields.slice(1).map(Number) as [number, number, number, number, number, number]
  return { referenceId, start: start - 1, end: start - 1 + span, container, slice, size }
}

/** Reads a CRAI, compressed or not. @throws `invalid-format` when it is cut off, or something else. */
export async function parseCrai(bytes: Uint8Array, name = 'CRAI input'): Promise<CramIndex> {
  const zipped = bytes[0] === 0x1f && bytes[1] === 0x8b
  const text = zipped
    ? await inflate(bytes).catch((cause: unknown) => {
        throw new ScoreError(
          'invalid-format',
          `${name}: it does not inflate; it is damaged or has been cut off, make it anew with 'samtools index'`,
          { cause },
        )
      })
    : Buffer.from(bytes)
  const lines = text.toString('latin1').split('\n')
  if (lines.at(-1) !== '') throw new ScoreError('invalid-format', `${name}: its last line has no end; it has been cut off, or is no CRAI`)
  const entries = lines.slice(0, -1).map((line, at) => parseLine(line, at + 1, name))
  return { entries: entries.sort((a, b) => a.container - b.container || a.slice - b.slice) }
}

/** A CRAI file, as `samtools index` makes it: gzipped text. */
export async function encodeCrai({ entries }: CramIndex): Promise<Uint8Array> {
  const lines = entries.map(({ referenceId, start, end, container, slice, size }) =>
    [referenceId, start + 1, end - start, container, slice, size].join('\t'),
  )
  return deflate(Buffer.from(lines.map((line) => `${line}\n`).join('')))
}
