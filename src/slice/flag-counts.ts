import { recordFlags } from '../formats/bam-record.ts'

/** How many reads passed the machine's quality checks, and how many failed them (flag 0x200). */
export interface PassedAndFailed {
  readonly passed: number
  readonly failed: number
}

/** What `samtools flagstat` counts, by its words. */
export interface FlagCounts {
  readonly total: PassedAndFailed
  /** Neither secondary nor supplementary; what follows `primaryMapped` counts these alone. */
  readonly primary: PassedAndFailed
  readonly secondary: PassedAndFailed
  readonly supplementary: PassedAndFailed
  readonly duplicates: PassedAndFailed
  readonly primaryDuplicates: PassedAndFailed
  readonly mapped: PassedAndFailed
  readonly primaryMapped: PassedAndFailed
  readonly paired: PassedAndFailed
  readonly read1: PassedAndFailed
  readonly read2: PassedAndFailed
  readonly properlyPaired: PassedAndFailed
  readonly bothMapped: PassedAndFailed
  readonly singletons: PassedAndFailed
  readonly mateElsewhere: PassedAndFailed
  /** The same, with a mapping quality of 5 or more. */
  readonly mateElsewhereSure: PassedAndFailed
}

/** What of a record the counts depend on. */
export interface CountedRecord {
  readonly flags: number
  readonly referenceId: number
  readonly mateReferenceId: number
  readonly mappingQuality: number
}

export interface FlagTally {
  add(record: CountedRecord): void
  counts(): FlagCounts
}

const names = [
  'total',
  'primary',
  'secondary',
  'supplementary',
  'duplicates',
  'primaryDuplicates',
  'mapped',
  'primaryMapped',
  'paired',
  'read1',
  'read2',
  'properlyPaired',
  'bothMapped',
  'singletons',
  'mateElsewhere',
  'mateElsewhereSure',
] as const satisfies readonly (keyof FlagCounts)[]

const sureQuality = 5

type CountName = (typeof names)[number]

function* pairCounts({ flags, referenceId, mateReferenceId, mappingQuality }: CountedRecord): Generator<CountName> {
  const mapped = (flags & recordFlags.unmapped) === 0
  const mateMapped = (flags & recordFlags.mateUnmapped) === 0
  yield 'paired'
  if (flags & recordFlags.properPair && mapped) yield 'properlyPaired'
  if (flags & recordFlags.first) yield 'read1'
  if (flags & recordFlags.last) yield 'read2'
  if (mapped && !mateMapped) yield 'singletons'
  if (!mapped || !mateMapped) return
  yield 'bothMapped'
  if (mateReferenceId === referenceId) return
  yield 'mateElsewhere'
  if (mappingQuality >= sureQuality) yield 'mateElsewhereSure'
}

/** The counts that a record adds to. */
function* countsOf(record: CountedRecord): Generator<CountName> {
  const { flags } = record
  const mapped = (flags & recordFlags.unmapped) === 0
  const duplicate = (flags & recordFlags.duplicate) !== 0
  yield 'total'
  if (mapped) yield 'mapped'
  if (duplicate) yield 'duplicates'
  if (flags & recordFlags.secondary) return yield 'secondary'
  if (flags & recordFlags.supplementary) return yield 'supplementary'
  yield 'primary'
  if (mapped) yield 'primaryMapped'
  if (duplicate) yield 'primaryDuplicates'
  if (flags & recordFlags.paired) yield* pairCounts(record)
}

/** Many records share few combinations of what they are counted by, so these are counted first. */
export function createFlagTally(): FlagTally {
  const kinds = new Map<number, number>()
  return {
    add({ flags, referenceId, mateReferenceId, mappingQuality }) {
      const elsewhere = mateReferenceId === referenceId ? 0 : mappingQuality >= sureQuality ? 2 : 1
      const kind = (flags & 0xffff) * 4 + elsewhere
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
    },
    counts() {
      const counts = Object.fromEntries(names.map((name) => [name, { passed: 0, failed: 0 }])) as Record<
        CountName,
        { passed: number; failed: number }
      >
      for (const [kind, count] of kinds) {
        const flags = kind >> 2
        const elsewhere = kind & 3
        const record = { flags, referenceId: 0, mateReferenceId: elsewhere ? 1 : 0, mappingQuality: elsewhere === 2 ? sureQuality : 0 }
        const side = flags & recordFlags.failedChecks ? 'failed' : 'passed'
        for (const name of countsOf(record)) counts[name][side] += count
      }
      return counts
    },
  }
}

/** C's `%.2f` of a share in percent, reckoned in single precision as samtools does; exact ties go to the even digit. */
function percent(part: number, whole: number): string {
  if (whole === 0) return 'N/A'
  const value = Math.fround(Math.fround(part) / Math.fround(whole)) * 100
  const hundredths = Math.floor(value * 100)
  const isTie = Number.isInteger(value * 8) && value * 100 - hundredths === 0.5
  return `${isTie ? ((hundredths + (hundredths % 2)) / 100).toFixed(2) : value.toFixed(2)}%`
}

const lines: readonly (readonly [name: CountName, says: string, of?: CountName])[] = [
  ['total', 'in total (QC-passed reads + QC-failed reads)'],
  ['primary', 'primary'],
  ['secondary', 'secondary'],
  ['supplementary', 'supplementary'],
  ['duplicates', 'duplicates'],
  ['primaryDuplicates', 'primary duplicates'],
  ['mapped', 'mapped', 'total'],
  ['primaryMapped', 'primary mapped', 'primary'],
  ['paired', 'paired in sequencing'],
  ['read1', 'read1'],
  ['read2', 'read2'],
  ['properlyPaired', 'properly paired', 'paired'],
  ['bothMapped', 'with itself and mate mapped'],
  ['singletons', 'singletons', 'paired'],
  ['mateElsewhere', 'with mate mapped to a different chr'],
  ['mateElsewhereSure', 'with mate mapped to a different chr (mapQ>=5)'],
]

/** The counts as text, byte for byte as `samtools flagstat` (1.13 and newer) prints them. */
export function formatFlagCounts(counts: FlagCounts): string {
  const text = lines.map(([name, says, of]) => {
    const { passed, failed } = counts[name]
    const shares = of ? ` (${percent(passed, counts[of].passed)} : ${percent(failed, counts[of].failed)})` : ''
    return `${passed} + ${failed} ${says}${shares}\n`
  })
  return text.join('')
}
