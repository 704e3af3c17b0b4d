/** One run of one variant. */
export interface Run {
  readonly seconds: number
  readonly cpuSeconds: number
  readonly storeCpuSeconds: number
  readonly product?: { readonly partsMoved: number; readonly verified: string; readonly rssMib: number; readonly loopDelayP99Ms: number }
}

export const names = {
  curl: 'curl',
  curlMd5: 'curl, then md5sum',
  downParts: 'download, part MD5',
  downWhole: 'download, part and whole MD5',
  curlT: 'curl -T',
  md5CurlT: 'md5sum, then curl -T',
  upParts: 'upload, part MD5 (transport alone)',
  upWhole: 'upload, part and whole MD5',
} as const

export type Name = (typeof names)[keyof typeof names]

/** What must hold (transfer.md 11): the median over the rounds of the ratio within a round. */
interface Floor {
  readonly of: Name
  readonly to: Name
  readonly what: 'speed' | 'cpu'
  readonly must?: number
}

const floors: readonly Floor[] = [
  { of: names.downParts, to: names.curl, what: 'speed', must: 0.55 },
  { of: names.downParts, to: names.curlMd5, what: 'speed', must: 1.5 },
  { of: names.downWhole, to: names.curlMd5, what: 'speed', must: 1.0 },
  { of: names.downWhole, to: names.curl, what: 'speed' },
  { of: names.upParts, to: names.md5CurlT, what: 'speed', must: 1.5 },
  { of: names.upParts, to: names.curlT, what: 'speed', must: 0.45 },
  { of: names.upWhole, to: names.md5CurlT, what: 'speed' },
  { of: names.upWhole, to: names.curlT, what: 'speed' },
  { of: names.downParts, to: names.curl, what: 'cpu', must: 3.2 },
  { of: names.upParts, to: names.md5CurlT, what: 'cpu', must: 0.8 },
  { of: names.downWhole, to: names.curlMd5, what: 'cpu' },
  { of: names.upWhole, to: names.md5CurlT, what: 'cpu' },
]
const mostRssMib = 200
const mostLoopDelayMs = 20

export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

export function spread(numbers: readonly number[], digits: number): string {
  return [Math.min(...numbers), median(numbers), Math.max(...numbers)].map((n) => n.toFixed(digits)).join(' / ')
}

export type Results = ReadonlyMap<Name, readonly Run[]>

function variantRow(name: Name, runs: readonly Run[], mib: number): string {
  const gib = mib / 1024
  const most = (pick: (product: NonNullable<Run['product']>) => number): string => {
    const found = runs.flatMap(({ product }) => (product ? [pick(product)] : []))
    return found.length === 0 ? '' : Math.max(...found).toFixed(0)
  }
  const cells = [
    name,
    spread(
      runs.map(({ seconds }) => mib / seconds),
      0,
    ),
    spread(
      runs.map(({ cpuSeconds }) => cpuSeconds / gib),
      2,
    ),
    median(runs.map(({ storeCpuSeconds }) => storeCpuSeconds / gib)).toFixed(2),
    most((product) => product.rssMib),
    most((product) => product.loopDelayP99Ms),
  ]
  return `| ${cells.join(' | ')} |`
}

interface Verdict {
  readonly row: string
  readonly short: boolean
}

function judge(floor: Floor, results: Results): Verdict | undefined {
  const [own, peer] = [results.get(floor.of), results.get(floor.to)]
  if (!own?.length || !peer?.length) return undefined
  const isSpeed = floor.what === 'speed'
  const ratios = own.map((run, i) => {
    const other = peer[i] as Run
    return isSpeed ? other.seconds / run.seconds : run.cpuSeconds / other.cpuSeconds
  })
  const { must } = floor
  const short = must !== undefined && (isSpeed ? median(ratios) < must : median(ratios) > must)
  const bound = must === undefined ? '' : `${isSpeed ? '>=' : '<='} ${must}`
  const verdict = must === undefined ? '' : short ? 'SHORT' : 'ok'
  return { row: `| ${floor.of} : ${floor.to} | ${floor.what} | ${spread(ratios, 2)} | ${bound} | ${verdict} |`, short }
}

function judgeMost(what: string, unit: string, values: readonly number[], most: number): Verdict | undefined {
  if (values.length === 0) return undefined
  const short = Math.max(...values) > most
  return { row: `| all of the product | ${what}, ${unit} | ${spread(values, 0)} | <= ${most} | ${short ? 'SHORT' : 'ok'} |`, short }
}

/** The tables of the report, and how many floors were missed. */
export function tabulate(results: Results, mib: number): { readonly lines: readonly string[]; readonly missed: number } {
  const products = [...results.values()].flat().flatMap(({ product }) => (product ? [product] : []))
  const verdicts = [
    ...floors.map((floor) => judge(floor, results)),
    judgeMost(
      'RSS',
      'MiB',
      products.map(({ rssMib }) => rssMib),
      mostRssMib,
    ),
    judgeMost(
      'loop delay p99',
      'ms',
      products.map(({ loopDelayP99Ms }) => loopDelayP99Ms),
      mostLoopDelayMs,
    ),
  ].filter((verdict) => verdict !== undefined)
  const lines = [
    '| | MiB/s | CPU s/GiB | store CPU s/GiB | most RSS MiB | most loop delay p99 ms |',
    '|---|---|---|---|---|---|',
    ...[...results].map(([name, runs]) => variantRow(name, runs, mib)),
    '',
    '| ratio within a round | | min / median / max | must (median) | |',
    '|---|---|---|---|---|',
    ...verdicts.map(({ row }) => row),
  ]
  return { lines, missed: verdicts.filter(({ short }) => short).length }
}
