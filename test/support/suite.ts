import { type Context, suite as uvuSuite } from 'uvu'

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

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(`a non-error was thrown: ${String(thrown)}`)
}

/**
 * uvu with its silent passes closed (lukeed/uvu #60, #80, #191, #201, #205): a hook that throws fails a test of its own,
 * non-errors count as errors, and the suite runs itself.
 */
export function suite<C extends Context = Context>(name: string, define: (test: SuiteApi<C>) => void): void {
  const inner = uvuSuite<C>(name)
  const hookFailures: string[] = []
  let hooksFatal = false
  const guarded =
    (kind: string, hook: Body<C>) =>
    async (context: C): Promise<void> => {
      try {
        await hook(context)
      } catch (thrown) {
        hookFailures.push(`${kind}: ${asError(thrown).stack}`)
        if (kind === 'before') hooksFatal = true
      }
    }
  const afterHooks: Body<C>[] = []
  let context: C | undefined
  const test = ((testName: string, body: Body<C>) => {
    inner(testName, async (given) => {
      context = given
      if (hooksFatal) throw new Error('not run: a before hook failed')
      try {
        await body(given)
      } catch (thrown) {
        throw asError(thrown)
      }
    })
  }) as SuiteApi<C>
  test.skip = (testName, reason) => {
    if (process.env['SCORE_TEST_REQUIRE'] === '1') {
      inner(testName, () => {
        throw new Error(`required here, but would be skipped: ${reason}`)
      })
    } else {
      process.stdout.write(`  SKIP ${name} › ${testName}: ${reason}\n`)
      inner.skip(testName)
    }
  }
  test.before = (hook) => inner.before(guarded('before', hook))
  test.beforeEach = (hook) => inner.before.each(guarded('before each', hook))
  test.afterEach = (hook) => inner.after.each(guarded('after each', hook))
  test.after = (hook) => void afterHooks.push(hook)
  define(test)
  inner('hooks passed', async () => {
    for (const hook of afterHooks) await guarded('after', hook)((context ?? {}) as C)
    if (hookFailures.length > 0) throw new Error(hookFailures.join('\n'))
  })
  inner.run()
}
