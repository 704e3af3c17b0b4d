/** The rows of the bench of mounts, and how they are told. */
export interface Row {
  readonly name: string
  /** Higher is better, but for times. */
  readonly unit: 'MB/s' | '/s' | 'ms' | 'MiB' | 's/GiB'
  readonly must?: string
  readonly stretch?: string
}

export const storeRows: readonly Row[] = [
  { name: 'in order', unit: 'MB/s', must: '1.2x rclone at 0 ms, 3x at 30 ms', stretch: '2x, 7x' },
  { name: 'in order, 4 readers', unit: 'MB/s', must: '1.3x at 30 ms', stretch: '2x' },
  { name: 'random 4 KiB, 1 job', unit: '/s' },
  { name: 'random 4 KiB, 16 jobs', unit: '/s', must: '2x at 30 ms', stretch: '4x' },
  { name: 'first 4 KiB', unit: 'ms', must: '1.15 of the delay', stretch: '1.05' },
  { name: 'skim 256 KiB', unit: 'MB/s', must: '1.7x at 30 ms', stretch: '3x' },
  { name: 'region, cold', unit: 'ms', must: "1.0x samtools' own HTTP", stretch: '0.6x' },
  { name: 'region, index warm', unit: 'ms', must: '3 delays', stretch: '2 delays' },
  { name: 'whole file counted', unit: 'ms', must: '1.5x a local file', stretch: '1.15x' },
  { name: 'CPU in order', unit: 's/GiB' },
  { name: 'resident, 64 readers', unit: 'MiB', must: 'cache + 96', stretch: 'cache + 64' },
]

export const memoryRows: readonly Row[] = [
  { name: 'in order', unit: 'MB/s', must: 'fuse-native 0.50 of C, kernel 0.85', stretch: '0.65, 1.0' },
  { name: 'random 4 KiB, 16 jobs', unit: '/s', must: 'fuse-native 0.30 of C, kernel 0.80', stretch: '0.45, 0.95' },
  { name: 'CPU in order', unit: 's/GiB', must: 'fuse-native 3.0 of C, kernel 1.6', stretch: '2.0, 1.2' },
]

/** What was found, by column and round, by the name of a row. */
export type Rounds = readonly ReadonlyMap<string, number>[]
export type Columns = Map<string, Rounds>

export function middle(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] as number
}

/** Lowest, middle and highest ratio within a round. */
function ratios(own: Rounds, peer: Rounds, row: string): string | undefined {
  const all = own.map((round, at) => (round.get(row) ?? Number.NaN) / (peer[at]?.get(row) ?? Number.NaN)).filter(Number.isFinite)
  return all.length === 0 ? undefined : [Math.min(...all), middle(all), Math.max(...all)].map((one) => one.toFixed(2)).join('/')
}

/** Prints medians; of each peer the ratios ours / theirs, of each driver. */
export function report(title: string, rows: readonly Row[], columns: Columns, drivers: readonly string[]): void {
  console.log(`\n${title}`)
  for (const { name, unit, must = '-', stretch = '-' } of rows) {
    const cells = [...columns].flatMap(([column, found]) => {
      const numbers = found.flatMap((round) => round.get(name) ?? [])
      if (numbers.length === 0) return []
      const value = `${column} ${middle(numbers).toFixed(middle(numbers) < 10 ? 2 : 0)}`
      if (drivers.includes(column)) return [value]
      const own = drivers.flatMap((driver) => {
        const told = ratios(columns.get(driver) ?? [], found, name)
        return told === undefined ? [] : [`${driver} ${told}`]
      })
      return [own.length === 0 ? value : `${value} (${own.join(', ')})`]
    })
    if (cells.length > 0) console.log(`  ${name}, ${unit}: ${cells.join('; ')}; must ${must}, stretch ${stretch}`)
  }
}
