import { promisify } from 'node:util'
import { unzip } from 'node:zlib'
import type { CramFile } from '@gmod/cram'
import { isScoreError, ScoreError } from '../core/errors.ts'
import type { CramBlock } from './cram-block.ts'
import { type CramVersion, fileDefinitionBytes } from './cram-version.ts'

/** Inflates blocks of one CRAM file. */
export type CramInflate = (block: CramBlock, where: string) => Promise<Uint8Array>

const inflateGzip = promisify<Uint8Array, object, Buffer>(unzip)

/** A file that consists of its definition: the library reads the version there, and gets each block by itself. */
function definitionOnly({ major, minor }: CramVersion): ConstructorParameters<typeof CramFile>[0] {
  const definition = new Uint8Array(fileDefinitionBytes)
  definition.set([...Buffer.from('CRAM'), major, minor])
  const read = async (length: number, position: number): Promise<Uint8Array<ArrayBuffer>> => definition.slice(position, position + length)
  const unused = (): never => {
    throw new ScoreError('internal', 'a CRAM block needs nothing but its own bytes')
  }
  return { filehandle: { read, readFile: unused, stat: unused, close: async () => undefined } }
}

async function openCodecs(version: CramVersion): Promise<CramFile> {
  const library = await import('@gmod/cram')
  const codecs = new library.CramFile(definitionOnly(version))
  // Checked when the block was cut out.
  codecs.validateChecksums = false
  return codecs
}

/**
 * Inflates by zlib what is gzip; everything else (bzip2, LZMA, rANS, the arithmetic coder, fqzcomp, the name tokenizer) by
 * htscodecs in WebAssembly, as `@gmod/cram` brings it, which is loaded when it is needed for the first time.
 *
 * @returns a function that throws `invalid-format` for a block that does not inflate.
 */
export function createCramInflate(version: CramVersion): CramInflate {
  let codecs: Promise<CramFile> | undefined
  const inflate = async ({ method, data, bytes, inflatedSize }: CramBlock): Promise<Uint8Array> => {
    if (method === 'raw') return data
    if (inflatedSize === 0) return new Uint8Array(0)
    if (method === 'gzip') return inflateGzip(data, { maxOutputLength: inflatedSize })
    codecs ??= openCodecs(version)
    const opened = await codecs
    return (await opened.readBlockFromBuffer(bytes, 0, 0)).content
  }
  return async (block, where) => {
    const inflated = await inflate(block).catch((cause: unknown) => {
      if (isScoreError(cause)) throw cause
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new ScoreError(
        'invalid-format',
        `${where}: a block compressed by ${block.method} does not inflate (${why}); the file is damaged`,
        { cause },
      )
    })
    if (inflated.length === block.inflatedSize) return inflated
    throw new ScoreError(
      'invalid-format',
      `${where}: a block compressed by ${block.method} inflates to ${inflated.length} bytes, not ${block.inflatedSize}`,
    )
  }
}
