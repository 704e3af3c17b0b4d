import type { BamHeader } from '../formats/bam-header.ts'
import { freeHeaderId, headerField, parseHeaderLine } from './header-line.ts'

/** Who made a slice, as told in its header. */
export interface SliceProgram {
  /** Default `score`; a number is added when the header has the name already. */
  readonly id?: string
  /** Default `score-sdk`. */
  readonly name?: string
  readonly version?: string
  /** Never give one that holds a token or a signed URL: the header goes wherever the slice goes. */
  readonly commandLine?: string
}

/** SAM separates fields by tabs and lines by newlines, with no way to write them. */
function plain(text: string): string {
  return text.replace(/[\t\r\n]+/g, ' ')
}

/**
 * The header with one `@PG` line more, behind the others: its id is not yet taken, and `PP` names the last program that no
 * other follows (SAMv1 1.3). Every other line stays as it is, whatever its ids look like.
 */
export function addProgramLine(header: BamHeader, program: SliceProgram = {}): BamHeader {
  const lines = header.text.split('\n').filter((line) => line !== '')
  const programs = lines.filter((line) => line.startsWith('@PG\t')).map(parseHeaderLine)
  const ids = programs.map((line) => headerField(line, 'ID') ?? '')
  const taken = new Set(ids)
  const followed = new Set(programs.map((line) => headerField(line, 'PP')))
  const previous = ids.findLast((id) => id !== '' && !followed.has(id)) ?? ids.at(-1)
  const parts = [
    '@PG',
    `ID:${freeHeaderId(plain(program.id ?? 'score'), (id) => taken.has(id))}`,
    `PN:${plain(program.name ?? 'score-sdk')}`,
    ...(previous ? [`PP:${previous}`] : []),
    ...(program.version ? [`VN:${plain(program.version)}`] : []),
    ...(program.commandLine ? [`CL:${plain(program.commandLine)}`] : []),
  ]
  const last = lines.findLastIndex((line) => line.startsWith('@PG\t'))
  lines.splice(last < 0 ? lines.length : last + 1, 0, parts.join('\t'))
  return { ...header, text: lines.map((line) => `${line}\n`).join('') }
}
