import { writeSync } from 'node:fs'
import { type Context, suite as uvuSuite } from 'uvu'
import { failureDetail, hookFailed } from './failure-detail.ts'

type Body<C> = (context: C) => Promise<void> | void

export interface SuiteApi<C> {
  (name: string, body: Body<C>): void
  /** A test that cannot run here: counted and printed with its reason; a failure where CI requires the part. */
  skip(name: string, reason: string): void
  before(hook: Body<C>): void
  after(hook: Body<C>): void
  beforeEach(hook: Body<C>): void
  afterEach(hook: Body<C>): void
}

/** What a test file tells the runner, one JSON line each, over a pipe of their own: what a test prints cannot be mistaken for it. */
export type TestReport =
  | { readonly kind: 'suite'; readonly suite: string; readonly tests: number }
  | { readonly kind: 'start' | 'pass'; readonly suite: string; readonly test: string }
  | { readonly kind: 'skip'; readonly suite: string; readonly test: string; readonly reason: string }
  | { readonly kind: 'fail'; readonly suite: string; readonly test: string; readonly reason: string; readonly detail: readonly string[] }
  | { readonly kind: 'end'; readonly suite: string }

const reportDescriptor = process.env['SCORE_TEST_REPORT_FD']
// A process that a test starts must not report into the runner of this one.
delete process.env['SCORE_TEST_REPORT_FD']

function report(line: TestReport): void {
  if (reportDescriptor !== undefined) writeSync(Number(reportDescriptor), `${JSON.stringify(line)}\n`)
  else if (line.kind === 'skip') process.stdout.write(`  SKIP ${line.suite} › ${line.test}: ${line.reason}\n`)
}

function reportFailure(suite: string, test: string, error: Error): void {
  report({ kind: 'fail', suite, test, reason: error.message.split('\n')[0] ?? '', detail: failureDetail(error) })
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(`a non-error was thrown: ${String(thrown)}`)
}

interface Hooks<C> {
  readonly before: Body<C>[]
  readonly after: Body<C>[]
  readonly beforeEach: Body<C>[]
  readonly afterEach: Body<C>[]
}

/** Runs every hook, also after one has thrown, so that what was opened is closed. */
async function runHooks<C>(kind: string, hooks: readonly Body<C>[], context: C): Promise<Error[]> {
  const failures: Error[] = []
  for (const hook of hooks) {
    try {
      await hook(context)
    } catch (thrown) {
      failures.push(new Error(`${kind} hook: ${asError(thrown).message}`, { cause: asError(thrown) }))
    }
  }
  return failures
}

async function runBody<C>(body: Body<C>, hooks: Hooks<C>, context: C): Promise<void> {
  const failures = await runHooks('before each', hooks.beforeEach, context)
  if (failures.length === 0) {
    try {
      await body(context)
    } catch (thrown) {
      failures.push(asError(thrown))
    }
  }
  failures.push(...(await runHooks('after each', hooks.afterEach, context)))
  const [first, ...others] = failures
  if (first === undefined) return
  for (const other of others) process.stderr.write(`and: ${other.stack}\n`)
  if (first.cause instanceof Error) process.stderr.write(`${first.cause.stack}\n`)
  throw first
}

/**
 * uvu with its silent passes closed (lukeed/uvu #60, #80, #191, #201, #205): hooks run inside the tests, so that one that
 * throws fails what it was for; non-errors count as errors; a suite without tests fails; the suite runs itself. There is
 * no `only`. The runner (`run.ts`) hears of every test before and after it, and fails the file when the two do not agree.
 */
export function suite<C extends Context = Context>(name: string, define: (test: SuiteApi<C>) => void): void {
  const inner = uvuSuite<C>(name)
  const hooks: Hooks<C> = { before: [], after: [], beforeEach: [], afterEach: [] }
  let tests = 0
  let ready: Promise<Error[]> | undefined
  let toldOfBefore = false
  const add = (testName: string, body: Body<C>): void => {
    tests += 1
    inner(testName, async (context) => {
      report({ kind: 'start', suite: name, test: testName })
      try {
        ready ??= runHooks('before', hooks.before, context)
        const [unready] = await ready
        if (unready !== undefined) {
          const first = toldOfBefore ? new Error(hookFailed) : unready
          toldOfBefore = true
          throw first
        }
        await runBody(body, hooks, context)
      } catch (thrown) {
        reportFailure(name, testName, asError(thrown))
        throw asError(thrown)
      }
      report({ kind: 'pass', suite: name, test: testName })
    })
  }
  const skip = (testName: string, reason: string): void => {
    if (process.env['SCORE_TEST_REQUIRE'] === '1') {
      add(testName, () => {
        throw new Error(`required here, but would be skipped: ${reason}`)
      })
      return
    }
    tests += 1
    inner.skip(testName)
    report({ kind: 'skip', suite: name, test: testName, reason })
  }
  const api: SuiteApi<C> = Object.assign(add, {
    skip,
    before: (hook: Body<C>) => void hooks.before.push(hook),
    after: (hook: Body<C>) => void hooks.after.push(hook),
    beforeEach: (hook: Body<C>) => void hooks.beforeEach.push(hook),
    afterEach: (hook: Body<C>) => void hooks.afterEach.push(hook),
  })
  define(api)
  report({ kind: 'suite', suite: name, tests })
  inner('after hooks', async (context) => {
    const failures = ready === undefined ? [] : await runHooks('after', hooks.after, context)
    if (tests === 0) failures.push(new Error(`the suite "${name}" has no tests`))
    const [first] = failures
    if (first !== undefined) {
      reportFailure(name, 'after hooks', first)
      throw first.cause ?? first
    }
    report({ kind: 'end', suite: name })
  })
  inner.run()
}
