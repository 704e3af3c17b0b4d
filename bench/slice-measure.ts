import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Seconds that passed, and seconds that processors worked, in all threads. */
export interface Timing {
  readonly seconds: number
  readonly processor: number
}

/** Two ways to make the same thing, which take turns. */
export interface Row {
  readonly name: string
  readonly against: string
  /** Least ratio of the medians, theirs to ours. */
  readonly floor: number
  readonly rounds: number
  readonly ours: () => Promise<Timing>
  readonly theirs: () => Timing
  /** What both made, when it is the same. @throws when it is not. */
  readonly same: () => string
}

/**
 * Runs a program, in a folder of its own: samtools leaves the index of a remote file where it runs, and takes it the next time
 * without asking. The shell that waits for it tells its processor time.
 */
export function run(command: string, args: readonly string[], output: 'ignore' | 'pipe' = 'ignore'): Timing & { readonly output: Buffer } {
  const cwd = mkdtempSync(join(tmpdir(), 'score-bench-run-'))
  const started = performance.now()
  const child = spawnSync('bash', ['-c', `TIMEFORMAT='processor %U %S'; time "$0" "$@"`, command, ...args], {
    stdio: ['ignore', output, 'pipe'],
    maxBuffer: 2 ** 31 - 1,
    cwd,
  })
  const seconds = (performance.now() - started) / 1000
  rmSync(cwd, { recursive: true })
  const said = child.stderr?.toString() ?? ''
  if (child.status !== 0) throw new Error(`${command} ${args.slice(0, 8).join(' ')}: ${child.error?.message ?? said}`)
  const [, user = '0', system = '0'] = /processor (\S+) (\S+)/.exec(said) ?? []
  return { seconds, processor: Number(user) + Number(system), output: child.stdout ?? Buffer.alloc(0) }
}

export async function timed(work: () => Promise<unknown>): Promise<Timing> {
  const [started, before] = [performance.now(), process.cpuUsage()]
  await work()
  const { user, system } = process.cpuUsage(before)
  return { seconds: (performance.now() - started) / 1000, processor: (user + system) / 1e6 }
}

/** Count and MD5 of the records of a file, in their order. */
export function recordsOf(path: string): string {
  const { output } = run('samtools', ['view', '--no-PG', path], 'pipe')
  let count = 0
  for (let at = output.indexOf(10); at >= 0; at = output.indexOf(10, at + 1)) count += 1
  return `${count} records, MD5 ${createHash('md5').update(output).digest('hex')}`
}

export function medianOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] as number
}

function spread(values: readonly number[]): string {
  return [Math.min(...values), medianOf(values), Math.max(...values)].map((value) => value.toFixed(3)).join('/')
}

/** Runs both ways in turns and prints what came of it. @returns whether the floor is met */
export async function report(row: Row): Promise<boolean> {
  const [ours, theirs]: [Timing[], Timing[]] = [[], []]
  for (let round = 0; round < row.rounds; round += 1) {
    ours.push(await row.ours())
    theirs.push(row.theirs())
  }
  const records = row.same()
  const ratios = ours.map(({ seconds }, round) => (theirs[round] as Timing).seconds / seconds)
  const [mine, other] = [ours, theirs].map((times) => times.map(({ seconds }) => seconds)) as [number[], number[]]
  const ratio = medianOf(other) / medianOf(mine)
  const [worked, theyWorked] = [ours, theirs].map((times) => medianOf(times.map(({ processor }) => processor)).toFixed(2))
  console.log(
    `| ${row.name} | ${spread(mine)} | ${row.against} ${spread(other)} | ${ratio.toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}) | ${row.floor}${ratio < row.floor ? ' **below**' : ''} | ${worked} / ${theyWorked} | ${records} |`,
  )
  return ratio >= row.floor
}
