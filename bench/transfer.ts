import { execFileSync, spawnSync } from 'node:child_process'
import { createHash, randomFillSync } from 'node:crypto'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startLocalStore } from './local-store.ts'

/**
 * Transfers of one large file against nginx on this machine, product and peers in interleaved rounds. Only ratios within a
 * run mean anything. `npm run bench:transfer -- --size-mib 2048 --rounds 5 --folder /dev/shm`.
 */
const { values } = parseArgs({
  options: {
    'size-mib': { type: 'string', default: '2048' },
    'part-mib': { type: 'string', default: '64' },
    rounds: { type: 'string', default: '5' },
    concurrency: { type: 'string', default: '8' },
    workers: { type: 'string', default: '' },
    folder: { type: 'string', default: tmpdir() },
    package: { type: 'string', default: join(import.meta.dirname, '../dist/index.js') },
    only: { type: 'string', default: '' },
  },
})
const mib = 1024 * 1024
const size = Number(values['size-mib']) * mib
const partSize = Number(values['part-mib']) * mib
const concurrency = Number(values.concurrency)
const objectId = '6f1c1a60-7d3f-5a0e-9d0a-0d5f0f6e2b11'

interface Plan {
  readonly md5: string
  readonly parts: readonly {
    readonly number: number
    readonly range: { readonly start: number; readonly end: number }
    readonly md5: string
  }[]
}

interface Run {
  readonly seconds: number
  readonly cpuSeconds: number
  readonly storeCpuSeconds: number
  readonly product?: { readonly partsMoved: number; readonly verified: string; readonly rssMib: number; readonly loopDelayP99Ms: number }
}

interface Variant {
  readonly name: string
  readonly direction: 'download' | 'upload'
  readonly command: string
  readonly verified?: string
}

/** Incompressible, so that nothing on the way can make it smaller. */
function makeObject(path: string): Plan {
  const fd = openSync(path, 'w')
  const whole = createHash('md5')
  const block = Buffer.allocUnsafe(mib)
  const parts = []
  for (let start = 0; start < size; start += partSize) {
    const end = Math.min(size, start + partSize)
    const part = createHash('md5')
    for (let at = start; at < end; at += mib) {
      randomFillSync(block)
      writeSync(fd, block)
      whole.update(block)
      part.update(block)
    }
    parts.push({ number: parts.length + 1, range: { start, end }, md5: part.digest('hex') })
  }
  closeSync(fd)
  return { md5: whole.digest('hex'), parts }
}

function md5Of(paths: readonly string[]): string {
  const hash = createHash('md5')
  const block = Buffer.allocUnsafe(4 * mib)
  for (const path of paths) {
    const fd = openSync(path, 'r')
    for (let count = readSync(fd, block); count > 0; count = readSync(fd, block)) hash.update(block.subarray(0, count))
    closeSync(fd)
  }
  return hash.digest('hex')
}

function foreignCpu(): number {
  const fields = readFileSync('/proc/stat', 'utf8').split('\n')[0]?.split(/\s+/).slice(1).map(Number) ?? []
  const [user = 0, nice = 0, system = 0, , , irq = 0, soft = 0, steal = 0] = fields
  return (user + nice + system + irq + soft + steal) / 100
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[middle] ?? 0) : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
}

function spread(numbers: readonly number[], digits: number): string {
  return [Math.min(...numbers), median(numbers), Math.max(...numbers)].map((n) => n.toFixed(digits)).join(' / ')
}

function version(command: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  return `${stdout}${stderr}`.split('\n')[0] ?? ''
}

const folder = mkdtempSync(join(values.folder, 'score-bench-'))
const store = await startLocalStore(join(folder, 'store'))
try {
  await compare()
} finally {
  await store.close()
  rmSync(folder, { recursive: true })
}

async function compare(): Promise<void> {
  const object = join(store.root, 'object.bin')
  const plan = makeObject(object)
  const out = join(folder, 'out')
  const source = join(folder, 'source')
  const uploads = join(store.root, 'up')
  execFileSync('cp', [object, source])
  const variants = chooseVariants(plan, object, source, out)
  const results = new Map<string, Run[]>(variants.map(({ name }) => [name, []]))
  const foreign: number[] = []
  for (let round = 0; round <= Number(values.rounds); round++) {
    const before = foreignCpu()
    const started = performance.now()
    let own = 0
    for (const variant of variants) {
      rmSync(out, { force: true })
      rmSync(uploads, { recursive: true, force: true })
      const run = runOnce(variant)
      own += run.cpuSeconds + run.storeCpuSeconds
      checkWork(variant, run, plan, variant.direction === 'download' ? [out] : uploadedFiles(uploads))
      if (round > 0) results.get(variant.name)?.push(run)
      console.error(
        `round ${round}: ${variant.name}: ${(size / mib / run.seconds).toFixed(0)} MiB/s, ${run.cpuSeconds.toFixed(2)} s of CPU`,
      )
    }
    if (round > 0) foreign.push(Math.max(0, (foreignCpu() - before - own) / ((performance.now() - started) / 1000)))
  }
  report(variants, results, foreign)
}

function uploadedFiles(uploads: string): string[] {
  return readdirSync(uploads)
    .sort((a, b) => Number(a) - Number(b))
    .map((name) => join(uploads, name))
}

function chooseVariants(plan: Plan, object: string, source: string, out: string): Variant[] {
  const url = `${store.url}/object.bin`
  const workers = values.workers === '' ? {} : { workers: Number(values.workers) }
  const product = (name: string, direction: 'download' | 'upload', verify?: string): string => {
    const parts = plan.parts.map((part) => ({ ...part, url: direction === 'download' ? url : `${store.url}/up/${part.number}` }))
    const path = direction === 'download' ? out : source
    const stateDir = join(folder, 'state')
    mkdirSync(stateDir, { recursive: true })
    const job = {
      package: values.package,
      direction,
      objectId,
      size,
      md5: plan.md5,
      parts,
      path,
      verify,
      stateDir,
      concurrency,
      transport: workers,
    }
    const file = join(folder, `${name}.json`)
    writeFileSync(file, JSON.stringify(job))
    return `'${process.execPath}' '${join(import.meta.dirname, 'transfer-product.mjs')}' '${file}'`
  }
  const all: Variant[] = [
    { name: 'curl', direction: 'download', command: `curl -s -o '${out}' '${url}'` },
    { name: 'product, part MD5', direction: 'download', command: product('parts', 'download', 'parts'), verified: 'parts' },
    { name: 'curl, then md5sum', direction: 'download', command: `curl -s -o '${out}' '${url}' && md5sum '${out}' >&2` },
    { name: 'product, part and whole MD5', direction: 'download', command: product('whole', 'download', 'auto'), verified: 'whole' },
    { name: 'curl -T', direction: 'upload', command: `curl -sf -T '${source}' '${store.url}/up/1'` },
    { name: 'product, part and whole MD5 (upload)', direction: 'upload', command: product('upload', 'upload'), verified: 'whole' },
    { name: 'md5sum, then curl -T', direction: 'upload', command: `md5sum '${source}' >&2 && curl -sf -T '${source}' '${store.url}/up/1'` },
  ]
  statSync(object)
  return all.filter(({ direction }) => values.only === '' || values.only === direction)
}

function runOnce({ name, command }: Variant): Run {
  const storeBefore = store.cpuSeconds()
  const started = performance.now()
  const { status, stdout, stderr } = spawnSync('bash', ['-c', `TIMEFORMAT='cpu %U %S'; time { ${command}; }`], { encoding: 'utf8' })
  const seconds = (performance.now() - started) / 1000
  if (status !== 0) throw new Error(`${name} failed: ${stdout}${stderr}`)
  const [, user, system] = /cpu ([\d.]+) ([\d.]+)/.exec(stderr) ?? []
  return {
    seconds,
    cpuSeconds: Number(user) + Number(system),
    storeCpuSeconds: store.cpuSeconds() - storeBefore,
    ...(stdout.startsWith('{') ? { product: JSON.parse(stdout) as NonNullable<Run['product']> } : {}),
  }
}

/** A run that did less than it should is no run. */
function checkWork(variant: Variant, run: Run, plan: Plan, files: readonly string[]): void {
  const md5 = md5Of(files)
  if (md5 !== plan.md5) throw new Error(`${variant.name}: the bytes that arrived have the MD5 ${md5}, not ${plan.md5}`)
  if (variant.verified === undefined) return
  const { partsMoved, verified } = run.product ?? {}
  if (partsMoved !== plan.parts.length || verified !== variant.verified)
    throw new Error(`${variant.name}: ${partsMoved} of ${plan.parts.length} parts verified, proof '${verified}'`)
}

function report(variants: readonly Variant[], results: ReadonlyMap<string, readonly Run[]>, foreign: readonly number[]): void {
  const runs = (name: string): readonly Run[] => results.get(name) ?? []
  const gib = size / 1024 / mib
  const lines = [
    `${cpus().length} cores (${cpus()[0]?.model}), Linux ${release()}, node ${process.version}, ${version('nginx', '-v')}, ${version('curl', '--version')}`,
    `${size / mib} MiB in parts of ${partSize / mib} MiB, ${concurrency} connections, workers ${values.workers || 'default'}, on ${version('stat', '-f', '-c', '%T', folder)}, ${values.rounds} rounds after one of warming up`,
    `other load during the rounds, in cores: ${spread(foreign, 2)}`,
    '',
    '| | MiB/s | CPU s/GiB | store CPU s/GiB | RSS MiB | loop delay p99 ms |',
    '|---|---|---|---|---|---|',
    ...variants.map(({ name }) => {
      const each = runs(name)
      const rates = each.map((run) => size / mib / run.seconds)
      const own = (pick: (product: NonNullable<Run['product']>) => number): string => {
        const found = each.flatMap((run) => (run.product ? [pick(run.product)] : []))
        return found.length === 0 ? '' : Math.max(...found).toFixed(0)
      }
      const cpu = median(each.map((run) => run.cpuSeconds)) / gib
      const storeCpu = median(each.map((run) => run.storeCpuSeconds)) / gib
      return `| ${name} | ${spread(rates, 0)} | ${cpu.toFixed(2)} | ${storeCpu.toFixed(2)} | ${own((p) => p.rssMib)} | ${own((p) => p.loopDelayP99Ms)} |`
    }),
    '',
    '| ratio, per round: min / median / max | |',
    '|---|---|',
    ...variants
      .filter(({ verified }) => verified !== undefined)
      .flatMap((product) =>
        variants
          .filter(({ direction, verified }) => direction === product.direction && verified === undefined)
          .map((peer) => {
            const ratios = runs(product.name).map((run, i) => (runs(peer.name)[i]?.seconds ?? 0) / run.seconds)
            return `| ${product.name} : ${peer.name} | ${spread(ratios, 2)} |`
          }),
      ),
  ]
  console.log(lines.join('\n'))
}
