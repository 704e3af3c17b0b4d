/**
 * Real mounts of one store by us and by others, in turns:
 * `npm run bench:mount [-- --rounds N] [--megabytes N] [--stores 0,30,30@100] [--drivers fuse-native,kernel]`.
 *
 * A store is a delay of each answer, ms, and after @ what one of its connections gives, MB/s. `memory` among them compares the
 * drivers with a mount in C that reads from memory (needs cc, libfuse3-dev, pkg-config; fio for random reads).
 *
 * Needs root or fusermount, python3 and samtools; rclone from $SCORE_BENCH_RCLONE or PATH, else its columns are left out. Each
 * round gives every configuration a fresh mount and does all its readings; what is printed are medians, with the lowest, middle
 * and highest ratio of one round. Quick: `-- --rounds 1 --megabytes 256`.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { makeDemoBam } from '../examples/demo/make-bam.ts'
import {
  buildPassthrough,
  killAll,
  type Mounted,
  madeNames,
  mountOwn,
  mountPassthrough,
  mountPointsIn,
  mountRclone,
  type StoreTraits,
  startStore,
} from './mount-peers.ts'
import { type Columns, memoryRows, report, storeRows } from './mount-report.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    megabytes: { type: 'string', default: '512' },
    stores: { type: 'string', default: 'memory,0,30,30@100' },
    drivers: { type: 'string', default: process.getuid?.() === 0 ? 'fuse-native,kernel' : 'fuse-native' },
  },
})
const rounds = Number(values.rounds)
const bytes = Number(values.megabytes) * 1024 * 1024
const drivers = values.drivers.split(',')
const cacheBytes = 256 * 1024 * 1024
const rclone = process.env['SCORE_BENCH_RCLONE'] ?? (spawnSync('which', ['rclone']).stdout.toString().trim() || undefined)
const folder = mkdtempSync(join(tmpdir(), 'score-bench-mount-'))
const files = join(folder, 'files')
mkdirSync(files)
const emptyFolder = mountPointsIn(folder)

function read(way: string, amount: number, ...paths: readonly string[]): number {
  const script = join(import.meta.dirname, 'mount-reader.py')
  const { status, stdout, stderr } = spawnSync('python3', [script, way, String(amount), ...paths], { timeout: 120_000 })
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

function readInOrder(mounted: Mounted, path: string, found: Map<string, number>): void {
  const before = mounted.usage().seconds
  found.set('in order', read('sequential', bytes, path))
  found.set('CPU in order', (mounted.usage().seconds - before) / (bytes / 2 ** 30))
}

async function measure(mounted: Mounted, resident: boolean): Promise<Map<string, number>> {
  const made = (index: number): string => join(mounted.folder, madeNames[index] as string)
  const bam = join(mounted.folder, 'demo.bam')
  const found = new Map<string, number>()
  found.set('region, cold', samtools('view', '-c', bam, region))
  found.set('region, index warm', samtools('view', '-c', bam, otherRegion))
  found.set('whole file counted', samtools('view', '-c', bam))
  readInOrder(mounted, made(0), found)
  found.set('first 4 KiB', read('first', 1, made(1)))
  found.set('skim 256 KiB', read('skim', 1, made(2)))
  found.set('random 4 KiB, 1 job', read('random-1', 2, made(3)))
  found.set('random 4 KiB, 16 jobs', read('random-16', 2, made(3)))
  found.set('in order, 4 readers', read('sequential', bytes / 4, ...[4, 5, 6, 7].map(made)))
  if (resident) {
    read('sequential', bytes / 64, ...Array.from({ length: 64 }, (_, index) => made(index % madeNames.length)))
    found.set('resident, 64 readers', mounted.usage().resident / 2 ** 20)
  }
  return found
}

function samtoolsOn(bam: string): Map<string, number> {
  return new Map([
    ['region, cold', samtools('view', '-c', bam, region)],
    ['whole file counted', samtools('view', '-c', bam)],
  ])
}

type Configuration = readonly [column: string, mount: () => Promise<Mounted>]

async function inTurns(
  configurations: readonly Configuration[],
  columns: Columns,
  work: (mounted: Mounted, column: string) => Promise<ReadonlyMap<string, number>>,
): Promise<void> {
  for (const [column, mount] of configurations) {
    const mounted = await mount()
    try {
      columns.set(column, [...(columns.get(column) ?? []), await work(mounted, column)])
    } finally {
      await mounted.end()
    }
  }
}

const real = (): (readonly [string, number])[] => readdirSync(files).map((name) => [name, statSync(join(files, name)).size])

function own(store: string): Configuration[] {
  return drivers.map((driver) => [driver, () => mountOwn({ store, driver, cacheBytes, mountPoint: emptyFolder(), files: real() })])
}

async function benchStore(traits: StoreTraits): Promise<void> {
  const store = await startStore(traits, files)
  const columns: Columns = new Map()
  const peers = (rclone === undefined ? [] : (['off', 'full'] as const)).map((mode): Configuration => {
    const mount = { rclone: rclone ?? '', store: store.url, mode, cacheFolder: join(folder, 'rclone') }
    return [`rclone ${mode}`, () => mountRclone({ ...mount, mountPoint: emptyFolder() })]
  })
  for (let round = 0; round < rounds; round += 1) {
    await inTurns([...own(store.url), ...peers], columns, (mounted, column) => measure(mounted, drivers.includes(column)))
    for (const [column, bam] of [
      ['samtools over HTTP', `${store.url}/demo.bam`],
      ['local file', join(files, 'demo.bam')],
    ] as const)
      columns.set(column, [...(columns.get(column) ?? []), samtoolsOn(bam)])
  }
  await store.end()
  const { delayMs, megabytesPerSecond } = traits
  const rate = megabytesPerSecond === undefined ? '' : ` and ${megabytesPerSecond} MB/s a connection`
  report(`store at ${delayMs} ms a response${rate}, ${rounds} rounds`, storeRows, columns, drivers)
}

/** Reads a second by 16 jobs, past the kernel's cache; absent without fio. */
function randomReads(path: string): number | undefined {
  const job = ['--name=random', `--filename=${path}`, '--readonly', '--rw=randread', '--bs=4k', '--ioengine=psync', '--direct=1']
  const length = ['--numjobs=16', '--size=2g', '--runtime=2', '--time_based', '--group_reporting', '--output-format=json', '--thread']
  const { error, stdout } = spawnSync('fio', [...job, ...length], { timeout: 120_000 })
  if (error) return undefined
  // It writes what it has to say before the report.
  const told = stdout.toString()
  return Number(JSON.parse(told.slice(told.indexOf('{'))).jobs[0].read.iops)
}

async function benchMemory(): Promise<void> {
  const passthrough = buildPassthrough(folder)
  const columns: Columns = new Map()
  if ('missing' in passthrough) console.log(`\nno comparison with C: ${passthrough.missing}`)
  const peers: Configuration[] =
    'missing' in passthrough ? [] : [['C, one thread', () => mountPassthrough(passthrough.path, emptyFolder())]]
  for (let round = 0; round < rounds; round += 1) {
    await inTurns([...own('memory'), ...peers], columns, async (mounted) => {
      const found = new Map<string, number>()
      // Once for the just-in-time compiler, as in a mount that has been up for a while.
      read('sequential', bytes, join(mounted.folder, madeNames[1] as string))
      readInOrder(mounted, join(mounted.folder, madeNames[0] as string), found)
      const random = randomReads(join(mounted.folder, madeNames[2] as string))
      if (random !== undefined) found.set('random 4 KiB, 16 jobs', random)
      return found
    })
  }
  report(`memory, ${rounds} rounds`, memoryRows, columns, drivers)
}

try {
  const made = await makeDemoBam({ path: join(files, 'demo.bam'), targetBytes: 137_000_000 })
  console.log(
    `${(made.sizeBytes / 1e6).toFixed(0)} MB of BAM, ${bytes / 2 ** 20} MiB in order; Node ${process.version}, drivers ${values.drivers}`,
  )
  if (rclone) console.log(spawnSync(rclone, ['version']).stdout.toString().split('\n')[0])
  else console.log('rclone is not here: set SCORE_BENCH_RCLONE to have its columns')
  console.log(execFileSync('samtools', ['--version']).toString().split('\n')[0])
  for (const store of values.stores.split(',')) {
    const [delay = '', rate] = store.split('@')
    if (store === 'memory') await benchMemory()
    else await benchStore({ delayMs: Number(delay), ...(rate !== undefined && { megabytesPerSecond: Number(rate) }) })
  }
} finally {
  killAll()
  for (const name of readdirSync(folder).filter((one) => one.startsWith('mnt-'))) spawnSync('umount', ['-l', join(folder, name)])
  rmSync(folder, { recursive: true, force: true })
}
