import { spawnSync } from 'node:child_process'
import { createHash, randomFillSync } from 'node:crypto'
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { cpus, release, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startLocalStore } from './local-store.ts'
import { median, type Name, names, type Run, spread, tabulate } from './transfer-report.ts'

/**
 * Transfers of one large file against nginx on this machine, product and peers in interleaved rounds. Only ratios within a
 * run mean anything. `npm run bench:transfer [-- --size-mib 2048 --rounds 5 --folder /dev/shm]`; fails when a floor is missed.
 */
const { values } = parseArgs({
  options: {
    'size-mib': { type: 'string', default: '2048' },
    'part-mib': { type: 'string', default: '64' },
    rounds: { type: 'string', default: '5' },
    connections: { type: 'string', default: '8' },
    workers: { type: 'string', default: '' },
    folder: { type: 'string', default: existsSync('/dev/shm') ? '/dev/shm' : tmpdir() },
    package: { type: 'string', default: join(import.meta.dirname, '../dist/index.js') },
    only: { type: 'string', default: '' },
  },
})
if (!['', 'download', 'upload'].includes(values.only)) throw new Error(`--only takes download or upload, not '${values.only}'`)
const mib = 1024 * 1024
const size = Number(values['size-mib']) * mib
const partSize = Number(values['part-mib']) * mib
const connections = Number(values.connections)
const rounds = Number(values.rounds)
const objectId = '6f1c1a60-7d3f-5a0e-9d0a-0d5f0f6e2b11'
/** With more than this many cores at other work, figures are not worth keeping. */
const mostForeign = 0.25

interface Plan {
  readonly md5: string
  readonly parts: readonly {
    readonly number: number
    readonly range: { readonly start: number; readonly end: number }
    readonly md5: string
  }[]
}

interface Variant {
  readonly name: Name
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

/** Whether the files, one after the other, are the object byte for byte. */
function areTheObject(paths: readonly string[], object: string): boolean {
  const expected = Buffer.allocUnsafe(4 * mib)
  const found = Buffer.allocUnsafe(4 * mib)
  const objectFd = openSync(object, 'r')
  let at = 0
  try {
    for (const path of paths) {
      const fd = openSync(path, 'r')
      try {
        for (let count = readSync(fd, found); count > 0; count = readSync(fd, found)) {
          if (readSync(objectFd, expected, 0, count, at) !== count) return false
          if (!expected.subarray(0, count).equals(found.subarray(0, count))) return false
          at += count
        }
      } finally {
        closeSync(fd)
      }
    }
    return at === size
  } finally {
    closeSync(objectFd)
  }
}

/** Seconds of all processors that were at work, since the machine started. */
function busySeconds(): number {
  const fields = readFileSync('/proc/stat', 'utf8').split('\n')[0]?.split(/\s+/).slice(1).map(Number) ?? []
  const [user = 0, nice = 0, system = 0, , , irq = 0, soft = 0, steal = 0] = fields
  return (user + nice + system + irq + soft + steal) / 100
}

function version(command: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  return `${stdout}${stderr}`.split('\n')[0] ?? ''
}

const begun = performance.now()
const folder = mkdtempSync(join(values.folder, 'score-bench-'))
try {
  const store = await startLocalStore(join(folder, 'store'))
  try {
    compare(store)
  } finally {
    await store.close()
  }
} finally {
  rmSync(folder, { recursive: true })
}

type Store = Awaited<ReturnType<typeof startLocalStore>>

function compare(store: Store): void {
  const object = join(store.root, 'object.bin')
  const out = join(folder, 'out')
  const uploads = join(store.root, 'up')
  const plan = makeObject(object)
  const variants = chooseVariants(store, plan, object, out)
  const results = new Map<Name, Run[]>(variants.map(({ name }) => [name, []]))
  const foreign: number[] = []
  const runOne = (variant: Variant): { readonly run: Run; readonly foreign: number } => {
    rmSync(out, { force: true })
    rmSync(uploads, { recursive: true, force: true })
    const before = busySeconds()
    const run = runOnce(variant, store)
    const other = Math.max(0, busySeconds() - before - run.cpuSeconds - run.storeCpuSeconds) / run.seconds
    const arrived = variant.direction === 'download' ? [out] : uploadedFiles(uploads)
    if (!areTheObject(arrived, object)) throw new Error(`${variant.name}: other bytes arrived than were sent`)
    checkWork(variant, run, plan)
    return { run, foreign: other }
  }
  // Memory that a guest never touched before is several times slower; so is code that was never loaded.
  for (const variant of variants.filter(({ name }) => name === names.curl || name === names.upParts || name === names.downParts))
    runOne(variant)
  for (let round = 1; round <= rounds; round++) {
    for (const variant of variants) {
      const one = runOne(variant)
      results.get(variant.name)?.push(one.run)
      foreign.push(one.foreign)
      const { seconds, cpuSeconds } = one.run
      console.error(`round ${round}: ${variant.name}: ${(size / mib / seconds).toFixed(0)} MiB/s, ${cpuSeconds.toFixed(2)} s of CPU`)
    }
  }
  report(results, foreign)
}

function uploadedFiles(uploads: string): string[] {
  return readdirSync(uploads)
    .sort((a, b) => Number(a) - Number(b))
    .map((name) => join(uploads, name))
}

function chooseVariants(store: Store, plan: Plan, object: string, out: string): Variant[] {
  const url = `${store.url}/object.bin`
  const stateDir = join(folder, 'state')
  mkdirSync(stateDir)
  const product = (direction: 'download' | 'upload', verify: 'parts' | 'auto'): string => {
    const parts = plan.parts.map((part) => ({ ...part, url: direction === 'download' ? url : `${store.url}/up/${part.number}` }))
    const path = direction === 'download' ? out : object
    const transport = values.workers === '' ? {} : { workers: Number(values.workers) }
    const job = { package: values.package, direction, objectId, size, md5: plan.md5, parts, path, verify, stateDir, connections, transport }
    const file = join(folder, `${direction}-${verify}.json`)
    writeFileSync(file, JSON.stringify(job))
    return `'${process.execPath}' '${join(import.meta.dirname, 'transfer-product.mjs')}' '${file}'`
  }
  const get = `curl -sf -o '${out}' '${url}'`
  const put = `curl -sf -T '${object}' '${store.url}/up/1'`
  const all: Variant[] = [
    { name: names.curl, direction: 'download', command: get },
    { name: names.downParts, direction: 'download', command: product('download', 'parts'), verified: 'parts' },
    { name: names.curlMd5, direction: 'download', command: `${get} && md5sum '${out}' >&2` },
    { name: names.downWhole, direction: 'download', command: product('download', 'auto'), verified: 'whole' },
    { name: names.curlT, direction: 'upload', command: put },
    { name: names.upParts, direction: 'upload', command: product('upload', 'parts'), verified: 'parts' },
    { name: names.md5CurlT, direction: 'upload', command: `md5sum '${object}' >&2 && ${put}` },
    { name: names.upWhole, direction: 'upload', command: product('upload', 'auto'), verified: 'whole' },
  ]
  return all.filter(({ direction }) => values.only === '' || values.only === direction)
}

function runOnce({ name, command }: Variant, store: Store): Run {
  const storeBefore = store.cpuSeconds()
  const started = performance.now()
  const { status, stdout, stderr } = spawnSync('bash', ['-c', `TIMEFORMAT='cpu %U %S'; time { ${command}; }`], {
    encoding: 'utf8',
    env: { ...process.env, LC_ALL: 'C' },
  })
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
function checkWork(variant: Variant, run: Run, plan: Plan): void {
  if (variant.verified === undefined) return
  const { partsMoved, verified } = run.product ?? {}
  if (partsMoved !== plan.parts.length || verified !== variant.verified)
    throw new Error(`${variant.name}: ${partsMoved} of ${plan.parts.length} parts verified, proof '${verified}'`)
}

function report(results: ReadonlyMap<Name, readonly Run[]>, foreign: readonly number[]): void {
  const { lines, missed } = tabulate(results, size / mib)
  const busy = median(foreign) > mostForeign ? `; more than ${mostForeign}: repeat in a quiet moment` : ''
  const about = [
    `${cpus().length} cores (${cpus()[0]?.model}), Linux ${release()}, node ${process.version}, ${version('nginx', '-v')}, ${version('curl', '--version')}`,
    `${size / mib} MiB in parts of ${partSize / mib} MiB, ${connections} connections, workers ${values.workers || 'default'}, on ${version('stat', '-f', '-c', '%T', folder)}, ${rounds} rounds, ${((performance.now() - begun) / 1000).toFixed(0)} s in all`,
    `other load during the runs, in cores: ${spread(foreign, 2)}${busy}`,
  ]
  console.log([...about, '', ...lines, '', missed === 0 ? 'every floor was held' : `${missed} floors were missed`].join('\n'))
  if (missed > 0) process.exitCode = 1
}
