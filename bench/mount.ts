/**
 * Real mounts of one store by us and by others, in turns: `npm run bench:mount [-- --rounds N] [--megabytes N] [--delays 0,30]`.
 *
 * Needs root or fusermount, python3 and samtools; rclone from $SCORE_BENCH_RCLONE or PATH, else its columns are left out. Each
 * round gives every configuration a fresh mount and does all its readings; what is printed are medians, with the lowest and the
 * highest ratio of one round. Quick: `-- --rounds 1 --megabytes 256`.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { makeDemoBam } from '../examples/demo/make-bam.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    megabytes: { type: 'string', default: '512' },
    delays: { type: 'string', default: '0,30' },
    driver: { type: 'string', default: 'auto' },
  },
})
const rounds = Number(values.rounds)
const bytes = Number(values.megabytes) * 1024 * 1024
const cacheBytes = 256 * 1024 * 1024
const madeBytes = 2 ** 31
const rclone = process.env['SCORE_BENCH_RCLONE'] ?? (spawnSync('which', ['rclone']).stdout.toString().trim() || undefined)
const folder = mkdtempSync(join(tmpdir(), 'score-bench-mount-'))
const files = join(folder, 'files')
mkdirSync(files)
const tsx = ['--import', 'tsx']
const local = (name: string): string => join(import.meta.dirname, name)
const children = new Set<ChildProcess>()

interface Helper {
  readonly child: ChildProcess
  /** The next line that it writes. */
  line(): Promise<string>
  end(): Promise<void>
}

function startHelper(file: string, args: readonly string[]): Helper {
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] })
  children.add(child)
  const lines: string[] = []
  const waiting: ((line: string) => void)[] = []
  let rest = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n')
    rest = parts.pop() ?? ''
    for (const part of parts) {
      const next = waiting.shift()
      if (next) next(part)
      else lines.push(part)
    }
  })
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return {
    child,
    line: () => {
      const known = lines.shift()
      return known === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(known)
    },
    async end() {
      child.stdin?.end()
      const late = setTimeout(() => child.kill('SIGKILL'), 15_000)
      await gone
      clearTimeout(late)
      children.delete(child)
    },
  }
}

interface Mounted {
  readonly folder: string
  /** Resident bytes and CPU seconds of its process. */
  usage(): { readonly resident: number; readonly seconds: number }
  end(): Promise<void>
}

function usageOf(pid: number): { readonly resident: number; readonly seconds: number } {
  const resident = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return { resident, seconds: (Number(fields[11]) + Number(fields[12])) / 100 }
}

function emptyFolder(): string {
  return mkdtempSync(join(folder, 'mnt-'))
}

async function mountOurs(store: string): Promise<Mounted> {
  const mountPoint = emptyFolder()
  const made = Array.from({ length: 16 }, (_, index) => `made-${index}-${madeBytes}:${madeBytes}`)
  const real = readdirSync(files).map((name) => `${name}:${statSync(join(files, name)).size}`)
  const daemon = local('mount-product.mjs')
  const helper = startHelper(process.execPath, [daemon, store, mountPoint, String(cacheBytes), values.driver, ...made, ...real])
  if ((await helper.line()) !== 'ready') throw new Error('our mount did not come about')
  return { folder: join(mountPoint, 'a'), usage: () => usageOf(helper.child.pid as number), end: helper.end }
}

async function mountRclone(store: string, mode: 'off' | 'full'): Promise<Mounted> {
  const mountPoint = emptyFolder()
  const cache = ['--vfs-cache-mode', mode, '--cache-dir', join(folder, 'rclone'), '--config', '/dev/null']
  const child = spawn(rclone ?? '', ['mount', ':http:', mountPoint, '--http-url', store, '--read-only', ...cache], { stdio: 'ignore' })
  children.add(child)
  for (let tries = 0; readdirSync(mountPoint).length === 0; tries += 1) {
    if (tries > 200) throw new Error('rclone did not mount')
    await wait(50)
  }
  return {
    folder: mountPoint,
    usage: () => usageOf(child.pid as number),
    async end() {
      spawnSync('umount', ['-l', mountPoint])
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await gone
      children.delete(child)
      rmSync(join(folder, 'rclone'), { recursive: true, force: true })
    },
  }
}

function read(way: string, amount: number, ...paths: readonly string[]): number {
  const { status, stdout, stderr } = spawnSync('python3', [local('mount-reader.py'), way, String(amount), ...paths], { timeout: 120_000 })
  if (status !== 0) throw new Error(`${way}: ${stderr}`)
  return Number(stdout)
}

function samtools(...args: readonly string[]): number {
  const begun = performance.now()
  execFileSync('samtools', args, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 120_000 })
  return performance.now() - begun
}

const region = 'chr1:200001-202000'
const otherRegion = 'chr2:100001-102000'

interface Row {
  readonly name: string
  /** Higher is better, but for times. */
  readonly unit: 'MB/s' | '/s' | 'ms' | 'MiB' | 's/GiB'
  readonly must?: string
  readonly stretch?: string
}

const rows: readonly Row[] = [
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

async function measure(mounted: Mounted, resident: boolean): Promise<Map<string, number>> {
  const made = (index: number): string => join(mounted.folder, `made-${index}-${madeBytes}`)
  const bam = join(mounted.folder, 'demo.bam')
  const found = new Map<string, number>()
  found.set('region, cold', samtools('view', '-c', bam, region))
  found.set('region, index warm', samtools('view', '-c', bam, otherRegion))
  found.set('whole file counted', samtools('view', '-c', bam))
  const before = mounted.usage().seconds
  found.set('in order', read('sequential', bytes, made(0)))
  found.set('CPU in order', (mounted.usage().seconds - before) / (bytes / 2 ** 30))
  found.set('first 4 KiB', read('first', 1, made(1)))
  found.set('skim 256 KiB', read('skim', 1, made(2)))
  found.set('random 4 KiB, 1 job', read('random-1', 2, made(3)))
  found.set('random 4 KiB, 16 jobs', read('random-16', 2, made(3)))
  found.set('in order, 4 readers', read('sequential', bytes / 4, ...[4, 5, 6, 7].map(made)))
  if (resident) {
    read('sequential', bytes / 64, ...Array.from({ length: 64 }, (_, index) => made(index % 16)))
    found.set('resident, 64 readers', mounted.usage().resident / 2 ** 20)
  }
  return found
}

function middle(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] as number
}

type Columns = Map<string, Map<string, number>[]>

function report(delayMs: number, columns: Columns): void {
  console.log(`\nstore at ${delayMs} ms per response, ${rounds} rounds`)
  const ours = columns.get('ours') ?? []
  for (const { name, unit, must = '-', stretch = '-' } of rows) {
    const cells = [...columns].flatMap(([column, found]) => {
      const numbers = found.flatMap((round) => round.get(name) ?? [])
      if (numbers.length === 0) return []
      const own = ours.map((round, at) => (round.get(name) ?? 0) / (found[at]?.get(name) ?? Number.NaN)).filter(Number.isFinite)
      const ratio =
        column === 'ours' || own.length === 0
          ? ''
          : ` (ours ${[Math.min(...own), middle(own), Math.max(...own)].map((one) => one.toFixed(2)).join(' / ')})`
      return [`${column} ${middle(numbers).toFixed(middle(numbers) < 10 ? 2 : 0)}${ratio}`]
    })
    console.log(`  ${name}, ${unit}: ${cells.join(', ')}; must ${must}, stretch ${stretch}`)
  }
}

async function bench(delayMs: number): Promise<void> {
  const store = startHelper(process.execPath, [...tsx, local('mount-store.ts'), String(delayMs), files])
  const url = `http://127.0.0.1:${await store.line()}`
  const columns: Columns = new Map()
  const add = (column: string, found: Map<string, number>): void => void columns.set(column, [...(columns.get(column) ?? []), found])
  const makers: readonly (readonly [string, () => Promise<Mounted>])[] = [
    ['ours', () => mountOurs(url)],
    ...(rclone === undefined
      ? []
      : ([
          ['rclone off', () => mountRclone(url, 'off')],
          ['rclone full', () => mountRclone(url, 'full')],
        ] as const)),
  ]
  for (let round = 0; round < rounds; round += 1) {
    for (const [column, mount] of makers) {
      const mounted = await mount()
      try {
        add(column, await measure(mounted, column === 'ours'))
      } finally {
        await mounted.end()
      }
    }
    const own = `${url}/demo.bam`
    add(
      'samtools over HTTP',
      new Map([
        ['region, cold', samtools('view', '-c', own, region)],
        ['whole file counted', samtools('view', '-c', own)],
      ]),
    )
    const bam = join(files, 'demo.bam')
    add(
      'local file',
      new Map([
        ['region, cold', samtools('view', '-c', bam, region)],
        ['whole file counted', samtools('view', '-c', bam)],
      ]),
    )
  }
  await store.end()
  report(delayMs, columns)
}

try {
  const made = await makeDemoBam({ path: join(files, 'demo.bam'), targetBytes: 137_000_000 })
  console.log(
    `${(made.sizeBytes / 1e6).toFixed(0)} MB of BAM, ${bytes / 2 ** 20} MiB in order; Node ${process.version}, driver ${values.driver}`,
  )
  if (rclone) console.log(spawnSync(rclone, ['version']).stdout.toString().split('\n')[0])
  else console.log('rclone is not here: set SCORE_BENCH_RCLONE to have its columns')
  console.log(execFileSync('samtools', ['--version']).toString().split('\n')[0])
  for (const delay of values.delays.split(',')) await bench(Number(delay))
} finally {
  for (const child of children) child.kill('SIGKILL')
  for (const name of readdirSync(folder).filter((one) => one.startsWith('mnt-'))) spawnSync('umount', ['-l', join(folder, name)])
  rmSync(folder, { recursive: true, force: true })
}
