import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative, resolve, sep } from 'node:path'
import type { Readable } from 'node:stream'
import { hookFailed, lastWords, withoutColours } from './failure-detail.ts'
import type { TestReport } from './suite.ts'

/**
 * Runs test files, each in a process group of its own, and keeps its own ledger: every announced test must have been heard
 * of once, every suite must have ended, the process must exit with 0 soon after its last test and leave nothing running.
 *
 * Usage: `run.ts [--jobs N] [--root DIR] [part of a file name ...]`; without names everything that Node alone can run.
 * The last line is `N passed, N failed, N skipped`; the exit code is 1 when anything failed.
 */
interface Outcome {
  readonly passed: number
  readonly skipped: readonly Skipped[]
  readonly failures: readonly Failure[]
  readonly output: string
  readonly seconds: number
}

/** A failed test, or what is wrong with the file as a whole. */
interface Failure {
  readonly line: string
  readonly detail: readonly string[]
}

interface Skipped {
  readonly title: string
  readonly reason: string
}

interface Limits {
  readonly fileSeconds: number
  readonly exitSeconds: number
}

/** Folders that need more than Node; each has a script of its own. */
const separate = ['compat/', 'services/', 'mount/real/', 'slow/']
const running = new Set<ChildProcess>()

function isSeparate(name: string): boolean {
  return separate.some((folder) => name.startsWith(folder))
}

function testFiles(root: string, wanted: readonly string[]): string[] {
  const all = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((name) => name.split(sep).join('/'))
    .filter((name) => name.endsWith('.test.ts'))
    .sort()
  const chosen = new Set<string>()
  if (wanted.length === 0) for (const name of all) if (!isSeparate(name)) chosen.add(name)
  for (const part of wanted) {
    const matches = all.filter((name) => name.includes(part))
    if (matches.length === 0) throw new Error(`no test file's name contains "${part}"`)
    for (const name of matches) chosen.add(name)
  }
  if (chosen.size === 0) throw new Error(`no test files in ${root}`)
  return [...chosen]
}

/** Kills the file's process and all it started. */
function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  } catch {
    // Nothing of the group is left.
  }
}

/** Living processes of the group, by command. Zombies don't count: where PID 1 is no init, nobody collects them. */
function groupMembers(group: number): string[] {
  if (!existsSync('/proc/self/stat')) return []
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      const [state, , processGroup] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      if (Number(processGroup) !== group || state === 'Z') return []
      return [readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim().slice(0, 120)]
    } catch {
      return [] // It ended while we looked.
    }
  })
}

/** Waits until nothing that the file started is left (tsx's own compiler takes a moment), for at most ten seconds. */
async function survivors(child: ChildProcess): Promise<readonly string[]> {
  const deadline = Date.now() + 10_000
  let members = groupMembers(child.pid ?? 0)
  while (members.length > 0 && Date.now() < deadline) {
    await new Promise((wake) => setTimeout(wake, 20))
    members = groupMembers(child.pid ?? 0)
  }
  return members
}

/** What one file said about its suites and tests. */
function createLedger() {
  const announced = new Map<string, number>()
  const ended = new Set<string>()
  const counts = new Map<string, number>()
  const skipped: Skipped[] = []
  const failures: Failure[] = []
  let passed = 0
  const fail = (line: string, detail: readonly string[] = []): void => void failures.push({ line, detail })
  let current: { readonly suite: string; readonly test: string } | undefined
  const hear = (line: TestReport): void => {
    if (line.kind === 'suite') {
      if (announced.has(line.suite)) fail(`two suites are called "${line.suite}"`)
      announced.set(line.suite, line.tests)
      return
    }
    if (line.kind === 'end') {
      ended.add(line.suite)
      return
    }
    if (line.kind === 'start') {
      current = line
      return
    }
    current = undefined
    const title = `${line.suite} › ${line.test}`
    if (line.test !== 'after hooks') counts.set(line.suite, (counts.get(line.suite) ?? 0) + 1)
    if (line.kind === 'pass') passed += 1
    else if (line.kind === 'skip') skipped.push({ title, reason: line.reason })
    else if (line.kind === 'fail') fail(`${title}: ${line.reason}`, line.detail)
  }
  const complete = (): boolean => announced.size > 0 && ended.size === announced.size
  const close = (): readonly Failure[] => {
    if (announced.size === 0) fail('no suite reported: is there one, and does it use suite() of test/support?')
    if (current !== undefined) {
      fail(`${current.suite} › ${current.test}: did not end`)
      counts.set(current.suite, (counts.get(current.suite) ?? 0) + 1)
    }
    for (const [suite, tests] of announced) {
      const heard = counts.get(suite) ?? 0
      if (heard !== tests) fail(`${suite}: ${tests} tests announced, ${heard} reported`)
    }
    return failures
  }
  return { hear, complete, close, passed: () => passed, skipped }
}

function eachLine(stream: Readable, take: (line: string) => void): void {
  let rest = ''
  stream.setEncoding('utf8')
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) take(line)
  })
}

function startFile(file: string): ChildProcess {
  const child = spawn(process.execPath, ['--import', 'tsx', file], {
    env: { ...process.env, FORCE_COLOR: '0', NO_COLOR: '1', SCORE_TEST_REPORT_FD: '3' },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    detached: true,
  })
  running.add(child)
  return child
}

async function runFile(file: string, limits: Limits): Promise<Outcome> {
  const started = Date.now()
  const ledger = createLedger()
  const child = startFile(file)
  const output: Buffer[] = []
  const trouble: string[] = []
  const stop = (why: string): void => {
    trouble.push(why)
    killGroup(child)
  }
  let lingering: NodeJS.Timeout | undefined
  const limit = setTimeout(() => stop(`killed: took longer than ${limits.fileSeconds} s`), limits.fileSeconds * 1000)
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data: Buffer) => output.push(data))
  eachLine(child.stdio[3] as Readable, (line) => {
    ledger.hear(JSON.parse(line) as TestReport)
    clearTimeout(lingering)
    if (!ledger.complete()) return
    lingering = setTimeout(() => stop(`killed: still running ${limits.exitSeconds} s after its last test`), limits.exitSeconds * 1000)
  })
  const closed = new Promise((done) => child.once('close', done))
  const status = await new Promise<string>((done, fail) => {
    child.once('error', fail)
    child.once('exit', (code, signal) => done(signal ?? String(code)))
  })
  clearTimeout(limit)
  clearTimeout(lingering)
  const left = await survivors(child)
  if (left.length > 0 && trouble.length === 0) trouble.push(`left running: ${left.join(' | ')}`)
  killGroup(child)
  await closed
  running.delete(child)
  const told = withoutColours(Buffer.concat(output).toString('utf8')).trimEnd()
  const failures = [...ledger.close(), ...trouble.map((line) => ({ line, detail: [] }))]
  if (status !== '0' && failures.length === 0) failures.push({ line: `all tests passed, but the process ended with ${status}`, detail: [] })
  return {
    passed: ledger.passed(),
    skipped: ledger.skipped,
    failures: withLastWords(failures, told),
    output: told,
    seconds: (Date.now() - started) / 1000,
  }
}

/** Where no test can say what went wrong, the end of what its file printed may. */
function withLastWords(failures: readonly Failure[], output: string): readonly Failure[] {
  const mute = failures.find(({ detail }) => detail.length === 0)
  const words = lastWords(output)
  return failures.map((failure) => (failure === mute ? { ...failure, detail: words } : failure))
}

function print(name: string, outcome: Outcome): void {
  const { passed, skipped, failures, seconds, output } = outcome
  const counts = [`${passed} passed`]
  if (failures.length > 0) counts.push(`${failures.length} failed`)
  if (skipped.length > 0) counts.push(`${skipped.length} skipped`)
  const lines = [`${failures.length > 0 ? 'FAIL' : 'ok  '} ${name}  ${counts.join(', ')}  ${seconds.toFixed(1)} s`]
  for (const reason of new Set(skipped.map((test) => test.reason))) {
    const [first, ...others] = skipped.filter((test) => test.reason === reason)
    lines.push(`  SKIP ${first?.title}${others.length > 0 ? ` and ${others.length} more` : ''}: ${reason}`)
  }
  if (failures.length > 0) lines.push(output, ...failures.map(({ line }) => `  FAILED ${name}: ${line}`))
  console.log(lines.join('\n'))
}

/** A file's failures for the end of the run; tests that were not run for want of a hook say nothing of their own. */
function toldAgain(path: string, failures: readonly Failure[]): string[] {
  const telling = failures.filter(({ line }) => !line.endsWith(`: ${hookFailed}`))
  const lines = telling.flatMap(({ line, detail }) => [`  ${path}: ${line}`, ...detail.map((text) => `      ${text}`)])
  const mute = failures.length - telling.length
  return mute === 0 ? lines : [...lines, `      and ${mute} more: ${hookFailed}`]
}

function takeOption(args: string[], name: string): string | undefined {
  const at = args.indexOf(name)
  return at < 0 ? undefined : args.splice(at, 2)[1]
}

function seconds(variable: string, standard: number): number {
  return Number(process.env[variable] ?? standard)
}

async function main(): Promise<void> {
  const args = process.argv.slice(2)
  const jobs = Number(takeOption(args, '--jobs') ?? Math.min(8, availableParallelism()))
  const root = resolve(takeOption(args, '--root') ?? join(import.meta.dirname, '..'))
  const limits = { fileSeconds: seconds('SCORE_TEST_FILE_SECONDS', 480), exitSeconds: seconds('SCORE_TEST_EXIT_SECONDS', 60) }
  const queue = testFiles(root, args)
  const totals = { passed: 0, failed: 0, skipped: 0 }
  const failed: string[] = []
  const work = async (): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const patience = isSeparate(name) ? 2 : 1
      const outcome = await runFile(join(root, name), { ...limits, fileSeconds: limits.fileSeconds * patience })
      totals.passed += outcome.passed
      totals.failed += outcome.failures.length
      totals.skipped += outcome.skipped.length
      failed.push(...toldAgain(relative(process.cwd(), join(root, name)), outcome.failures))
      print(name, outcome)
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, jobs) }, work))
  if (failed.length > 0) console.log(`\nFailures:\n${failed.join('\n')}`)
  console.log(`${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`)
  process.exitCode = totals.failed > 0 ? 1 : 0
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    for (const child of running) killGroup(child)
    process.exit(signal === 'SIGINT' ? 130 : 143)
  })
}

try {
  await main()
} catch (error) {
  console.log(error instanceof Error ? error.message : String(error))
  console.log('0 passed, 1 failed, 0 skipped')
  process.exitCode = 1
}
