import { join } from 'node:path'

/** One part on disk. Number, try, MD5 and size stand in the name, so that one rename makes the part with all of them. */
export interface PartFile {
  readonly name: string
  readonly number: number
  /** Grows when a part is sent again; the highest counts. */
  readonly revision: number
  readonly md5: string
  readonly size: number
}

const pattern = /^(\d{5})\.(\d{1,9})\.([0-9a-f]{32})\.(\d{1,16})$/

export function partFile(part: Omit<PartFile, 'name'>): PartFile {
  return { ...part, name: `${String(part.number).padStart(5, '0')}.${part.revision}.${part.md5}.${part.size}` }
}

export function parsePartName(name: string): PartFile | undefined {
  const match = pattern.exec(name)
  if (!match) return undefined
  return { name, number: Number(match[1]), revision: Number(match[2]), md5: match[3] as string, size: Number(match[4]) }
}

/** Folders of a hundred keep the look for an older try of a part cheap, whatever the number of parts. */
export function partGroup(number: number): string {
  return String(Math.floor(number / 100)).padStart(3, '0')
}

export function partPath(uploadFolder: string, part: PartFile): string {
  return join(uploadFolder, partGroup(part.number), part.name)
}

/** Of the files with one number, the one that counts: the last try, or of two at once the one with the greater MD5. */
export function isNewer(left: PartFile, right: PartFile): boolean {
  return left.revision === right.revision ? left.md5 > right.md5 : left.revision > right.revision
}

/** Of the names in a group's folder, one part per number, ascending. Other names are passed over. */
export function winningParts(names: readonly string[]): PartFile[] {
  const winners = new Map<number, PartFile>()
  for (const name of names) {
    const part = parsePartName(name)
    if (!part) continue
    const rival = winners.get(part.number)
    if (!rival || isNewer(part, rival)) winners.set(part.number, part)
  }
  return [...winners.values()].sort((left, right) => left.number - right.number)
}
