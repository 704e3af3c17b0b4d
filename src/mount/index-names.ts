/** Extensions of index files, and those of the data files whose own extension an index may stand for (`x.bam` → `x.bai`). */
const shortFor: Readonly<Record<string, readonly string[]>> = {
  bai: ['bam'],
  csi: ['bam', 'bcf'],
  crai: ['cram'],
  tbi: [],
  idx: [],
  fai: [],
  gzi: [],
}

export interface IndexName {
  /** What the name was before `.bai` and the like. */
  readonly base: string
  readonly extension: string
}

/** `x.bam.bai` → `x.bam` and `bai`; `undefined` for a name that no index has. */
export function parseIndexName(name: string): IndexName | undefined {
  const dot = name.lastIndexOf('.')
  const extension = name.slice(dot + 1)
  return dot > 0 && Object.hasOwn(shortFor, extension) ? { base: name.slice(0, dot), extension } : undefined
}

/** The names under which the index of a data file may lie: `x.bam` and `bai` → `x.bam.bai`, `x.bai`. */
export function indexNamesOf(dataName: string, extension: string): readonly string[] {
  const short = shortFor[extension]?.find((data) => dataName.endsWith(`.${data}`))
  const names = [`${dataName}.${extension}`]
  if (short !== undefined) names.push(`${dataName.slice(0, -short.length)}${extension}`)
  return names
}

/** The other spelling of an index whose name is not there: `x.bai` for `x.bam.bai` and back, when the data file is there. */
export function otherIndexName(name: string, has: (name: string) => boolean): string | undefined {
  const parsed = parseIndexName(name)
  if (parsed === undefined) return undefined
  const { base, extension } = parsed
  const dataNames = [base, ...(shortFor[extension] ?? []).map((data) => `${base}.${data}`)].filter(has)
  return dataNames.flatMap((data) => indexNamesOf(data, extension)).find(has)
}
