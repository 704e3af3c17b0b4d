import { ScoreError } from '../core/errors.ts'
import type { CramEncoding } from './cram-compression.ts'

/** Values of a data series, read one behind the other. */
export interface SeriesReader {
  int(): number
  byte(): number
  /** An array with its own length or stop. */
  bytes(): Uint8Array
  /** So many single bytes; a view where they lie together. */
  run(length: number): Uint8Array
}

/** Bytes being read; shared by all series that lie in one block. */
interface Stream {
  readonly bytes: Uint8Array
  at: number
}

/** The inflated blocks of a slice. */
export interface SeriesBlocks {
  readonly core: Uint8Array
  readonly external: ReadonlyMap<number, Uint8Array>
  /** How messages name the slice. */
  readonly where: string
}

const emptyBytes = new Uint8Array(0)

/** Bits from the most significant on. */
function createBits(bytes: Uint8Array, overrun: () => never): { bit(): number; bits(count: number): number } {
  let at = 0
  const bit = (): number => {
    if (at >= bytes.length * 8) overrun()
    const value = ((bytes[at >> 3] as number) >> (7 - (at & 7))) & 1
    at += 1
    return value
  }
  return {
    bit,
    bits(count) {
      let value = 0
      for (let left = count; left > 0; left -= 1) value = (value << 1) | bit()
      return value
    },
  }
}

type Bits = ReturnType<typeof createBits>

/** Canonical codes: by width, then by symbol (CRAM 3.1, 12.4). */
function huffmanReader(symbols: readonly number[], widths: readonly number[], bits: Bits, overrun: () => never): () => number {
  const codes = symbols.map((symbol, at) => ({ symbol, width: widths[at] ?? 0 })).sort((a, b) => a.width - b.width || a.symbol - b.symbol)
  const only = codes[0]
  if (codes.length === 1 && only?.width === 0) return () => only.symbol
  const table = new Map<number, number>()
  let code = 0
  let last = 0
  for (const { symbol, width } of codes) {
    code <<= width - last
    last = width
    // A leading one tells codes of different widths apart.
    table.set((1 << width) | code, symbol)
    code += 1
  }
  return () => {
    let read = 1
    for (let width = 1; width <= last; width += 1) {
      read = (read << 1) | bits.bit()
      const symbol = table.get(read)
      if (symbol !== undefined) return symbol
    }
    return overrun()
  }
}

function subexponential(bits: Bits, offset: number, least: number): number {
  let ones = 0
  while (bits.bit() === 1) ones += 1
  if (ones === 0) return bits.bits(least) - offset
  const width = ones + least - 1
  return (1 << width) + bits.bits(width) - offset
}

function gamma(bits: Bits, offset: number): number {
  let zeros = 0
  while (bits.bit() === 0) zeros += 1
  return ((1 << zeros) | bits.bits(zeros)) - offset
}

/**
 * Makes readers of the series and tags of one slice. Readers of one slice share its blocks, so they must be read in the
 * order in which they were written.
 *
 * Readers throw `invalid-format` when their block ends too soon.
 */
export function createSeriesReaders({
  core,
  external,
  where,
}: SeriesBlocks): (encoding: CramEncoding | undefined, series: string) => SeriesReader {
  const streams = new Map<number, Stream>()
  const damaged = (series: string, what: string): ScoreError<'invalid-format'> =>
    new ScoreError('invalid-format', `${where}: data series ${series}: ${what}`)
  const streamOf = (id: number): Stream => {
    const known = streams.get(id) ?? { bytes: external.get(id) ?? emptyBytes, at: 0 }
    streams.set(id, known)
    return known
  }
  const bits = createBits(core, () => {
    throw damaged('of the core block', 'the block ends too soon')
  })

  const wordReader = (series: string, next: () => number): SeriesReader => ({
    int: next,
    byte: next,
    bytes: () => {
      throw damaged(series, 'arrays are needed, and its encoding gives single values')
    },
    run: (length) => Uint8Array.from({ length }, next),
  })

  const externalReader = (series: string, id: number): SeriesReader => {
    const stream = streamOf(id)
    const { bytes } = stream
    const overrun = (): never => {
      throw damaged(series, `its block ${id} ends too soon, after ${bytes.length} bytes`)
    }
    const byte = (): number => (stream.at < bytes.length ? (bytes[stream.at++] as number) : overrun())
    return {
      int() {
        const first = byte()
        if (first < 0x80) return first
        if (first < 0xc0) return ((first & 0x3f) << 8) | byte()
        if (first < 0xe0) return ((first & 0x1f) << 16) | (byte() << 8) | byte()
        if (first < 0xf0) return ((first & 0x0f) << 24) | (byte() << 16) | (byte() << 8) | byte()
        return ((first & 0x0f) << 28) | (byte() << 20) | (byte() << 12) | (byte() << 4) | (byte() & 0x0f)
      },
      byte,
      bytes: () => overrun(),
      run(length) {
        const from = stream.at
        if (length < 0 || from + length > bytes.length) overrun()
        stream.at += length
        return bytes.subarray(from, from + length)
      },
    }
  }

  const stopReader = (series: string, stop: number, id: number): SeriesReader => {
    const stream = streamOf(id)
    const next = (): Uint8Array => {
      const from = stream.at
      const end = stream.bytes.indexOf(stop, from)
      if (end < 0) throw damaged(series, `its block ${id} ends too soon, after ${stream.bytes.length} bytes`)
      stream.at = end + 1
      return stream.bytes.subarray(from, end)
    }
    const single = (): never => {
      throw damaged(series, 'single values are needed, and its encoding gives arrays')
    }
    return { int: single, byte: single, bytes: next, run: single }
  }

  const readerOf = (encoding: CramEncoding | undefined, series: string): SeriesReader => {
    const overrun = (): never => {
      throw damaged(series, 'its codes do not fit the core block')
    }
    switch (encoding?.kind) {
      case 'external':
        return externalReader(series, encoding.id)
      case 'huffman':
        return wordReader(series, huffmanReader(encoding.symbols, encoding.widths, bits, overrun))
      case 'array-with-stop':
        return stopReader(series, encoding.stop, encoding.id)
      case 'array-with-length': {
        const lengths = readerOf(encoding.lengths, series)
        const values = readerOf(encoding.values, series)
        return { ...wordReader(series, overrun), bytes: () => values.run(lengths.int()) }
      }
      case 'beta':
        return wordReader(series, () => bits.bits(encoding.bits) - encoding.offset)
      case 'subexponential':
        return wordReader(series, () => subexponential(bits, encoding.offset, encoding.bits))
      case 'gamma':
        return wordReader(series, () => gamma(bits, encoding.offset))
      case 'unsupported':
        throw new ScoreError(
          'invalid-format',
          `${where}: data series ${series} has the encoding ${encoding.number}, which is not supported`,
        )
      default: {
        const absent = (): never => {
          throw damaged(series, 'it is needed, and the container has none')
        }
        return { int: absent, byte: absent, bytes: absent, run: absent }
      }
    }
  }
  return readerOf
}
