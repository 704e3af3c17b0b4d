import { gunzipSync, gzipSync } from 'node:zlib'
import { type ByteSource, readBytes } from '../bytes/byte-source.ts'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import type { BamHeader, BamReference } from './bam-header.ts'
import { type CramBlock, cramBlockSizes, decodeCramBlock, encodeCramBlock } from './cram-block.ts'
import { containerHeaderBytes, decodeContainerHeader, encodeHeaderContainer } from './cram-container.ts'
import { type CramVersion, fileDefinitionBytes, readCramVersion } from './cram-version.ts'

/** What stands before a CRAM file's reads. */
export interface CramHead {
  readonly version: CramVersion
  readonly header: BamHeader
  /** File definition and SAM header as they lie in the file: all of it up to the first container of reads. */
  readonly bytes: Uint8Array
  /** Bytes of the file. */
  readonly size: number
}

const firstReadBytes = 64 * 1024
/** Larger SAM headers than this come from damage. */
const mostHeaderBytes = 2 ** 30
/** Shorter ones are not worth compressing. */
const leastGzipBytes = 512

/** The references of a SAM header's `@SQ` lines, in order. @throws `invalid-format` naming a line without name or length. */
function referencesOf(text: string, name: string): BamReference[] {
  return text.split('\n').flatMap((line): BamReference[] => {
    if (!line.startsWith('@SQ\t')) return []
    const fields = line.split('\t')
    const reference = fields.find((field) => field.startsWith('SN:'))?.slice(3)
    const length = fields.find((field) => field.startsWith('LN:'))?.slice(3) ?? ''
    if (!reference || !/^\d+$/.test(length))
      throw new ScoreError('invalid-format', `${name}: the header line '${line.slice(0, 80)}' lacks a name or a length`)
    return [{ name: reference, length: Number(length) }]
  })
}

function inflateHeader({ method, content, data, inflatedSize }: CramBlock, name: string): Uint8Array {
  if (content !== 'file-header') throw new ScoreError('invalid-format', `${name}: its first block holds no SAM header`)
  if (method === 'raw') return data
  if (method !== 'gzip') throw new ScoreError('invalid-format', `${name}: its SAM header is compressed by ${method}; CRAM allows gzip only`)
  try {
    return gunzipSync(data, { maxOutputLength: Math.max(1, inflatedSize) })
  } catch (cause) {
    throw new ScoreError('invalid-format', `${name}: its SAM header does not inflate; the file is damaged`, { cause })
  }
}

function parseHeader(block: CramBlock, name: string): BamHeader {
  const bytes = Buffer.from(inflateHeader(block, name))
  const length = bytes.length >= 4 ? bytes.readInt32LE() : -1
  if (length < 0 || length > bytes.length - 4) throw new ScoreError('invalid-format', `${name}: its SAM header claims ${length} bytes`)
  const text = bytes.toString('utf8', 4, 4 + length).replace(/\0+$/, '')
  return { text, references: referencesOf(text, name) }
}

function decodeHead(bytes: Uint8Array, name: string): Omit<CramHead, 'size'> | undefined {
  const version = readCramVersion(bytes, name)
  const where = `${name}: container at byte ${fileDefinitionBytes}`
  const size = containerHeaderBytes(bytes, fileDefinitionBytes, version)
  if (size === undefined) return undefined
  const start = fileDefinitionBytes + size
  const { length, records } = decodeContainerHeader(bytes.subarray(fileDefinitionBytes, start), version, where)
  if (records > 0) throw new ScoreError('invalid-format', `${where}: it holds reads, where the SAM header should be`)
  const block = cramBlockSizes(bytes, start, version, where)
  if (!block || bytes.length < start + Math.max(length, block.header + block.data + block.footer)) return undefined
  return {
    version,
    header: parseHeader(decodeCramBlock(bytes, start, version, where), name),
    bytes: bytes.slice(0, start + length),
  }
}

/** Reads a CRAM file's head, and little more of the file. @throws `invalid-format` when it is no CRAM, or of an unknown version. */
export async function readCramHead(source: ByteSource, name: string, call?: CallOptions): Promise<CramHead> {
  const size = await source.size(call)
  for (let length = Math.min(size, firstReadBytes); ; length = Math.min(size, length * 4)) {
    const head = decodeHead(await readBytes(source, { start: 0, end: length }, call), name)
    if (head) return { ...head, size }
    if (length === size || length > mostHeaderBytes)
      throw new ScoreError('invalid-format', `${name}: the file ends inside its SAM header, after ${size} bytes; it has been cut off`)
  }
}

/** The head of a CRAM file like another one, with this SAM header instead. */
export function encodeCramHead({ version, bytes }: Pick<CramHead, 'version' | 'bytes'>, header: BamHeader): Uint8Array {
  const text = Buffer.from(header.text)
  const content = Buffer.alloc(4 + text.length)
  content.writeInt32LE(text.length)
  content.set(text, 4)
  const method = version.major >= 3 && content.length >= leastGzipBytes ? 'gzip' : 'raw'
  const data = method === 'gzip' ? gzipSync(content) : content
  const block = encodeCramBlock({ method, content: 'file-header', id: 0, data, inflatedSize: content.length }, version)
  return Buffer.concat([bytes.subarray(0, fileDefinitionBytes), encodeHeaderContainer([block], version)])
}
