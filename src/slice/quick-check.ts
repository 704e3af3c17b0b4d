import { type ByteSource, readBytes } from '../bytes/byte-source.ts'
import type { CallOptions } from '../core/call-options.ts'
import { isScoreError } from '../core/errors.ts'
import type { BamHeader } from '../formats/bam-header.ts'
import { eofMarker } from '../formats/bgzf-block.ts'
import { readCramHead } from '../formats/cram-header.ts'
import { cramEofContainer, isCram } from '../formats/cram-version.ts'
import { readBamHead } from './slice-header.ts'

/** What a glance at a file shows, as of `samtools quickcheck`: its head and its end, nothing between. */
export interface QuickCheck {
  /** Absent when it is neither. */
  readonly format?: 'bam' | 'cram'
  /** Bytes. */
  readonly size: number
  /** References in the header; absent when that cannot be read. */
  readonly references?: number
  /** What is wrong, in words for people; none for a file that looks whole. */
  readonly problems: readonly string[]
}

interface Head {
  readonly header: BamHeader
  /** What the file must end with; empty when its version has no such thing. */
  readonly marker: Uint8Array
}

async function readHead(data: ByteSource, isCramFile: boolean, name: string, call?: CallOptions): Promise<Head> {
  if (!isCramFile) return { header: (await readBamHead(data, name, call)).header, marker: eofMarker }
  const { header, version } = await readCramHead(data, name, call)
  return { header, marker: cramEofContainer(version) }
}

async function endsWith(data: ByteSource, size: number, marker: Uint8Array, call?: CallOptions): Promise<boolean> {
  if (size < marker.length) return false
  return Buffer.compare(await readBytes(data, { start: size - marker.length, end: size }, call), marker) === 0
}

/** @throws what the source throws; never for what is wrong with the file itself. */
export async function quickCheck(data: ByteSource, name = 'input', call?: CallOptions): Promise<QuickCheck> {
  const size = await data.size(call)
  const isCramFile = isCram(await readBytes(data, { start: 0, end: Math.min(4, size) }, call))
  let head: Head
  try {
    head = await readHead(data, isCramFile, name, call)
  } catch (error) {
    if (!isScoreError(error, 'invalid-format')) throw error
    return { size, problems: [error.message], ...(isCramFile && { format: 'cram' as const }) }
  }
  const problems: string[] = []
  const references = head.header.references.length
  if (references === 0) problems.push(`${name}: its header names no references; reads that are not aligned may be so`)
  if (!(await endsWith(data, size, head.marker, call)))
    problems.push(`${name}: the EOF marker is missing at its end (byte ${size}); it has been cut off, or is still being written`)
  return { format: isCramFile ? 'cram' : 'bam', size, references, problems }
}
