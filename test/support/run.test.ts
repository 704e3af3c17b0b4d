import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import * as assert from 'uvu/assert'
import { suite } from './suite.ts'

const support = pathToFileURL(join(import.meta.dirname, 'suite.ts')).href
const uvu = import.meta.resolve('uvu')
const assertions = import.meta.resolve('uvu/assert')

interface Planted {
  /** What would pass silently without the guard, or must be told apart from it. */
  readonly name: string
  readonly source: string
  readonly line: RegExp
  readonly failures?: readonly RegExp[]
}

const mustBeKilled = (name: string): boolean => name === 'hangs' || name === 'keeps-running'

const inSuite = (name: string, body: string): string => `suite('${name}', (test) => {\n${body}\n})`

const planted: readonly Planted[] = [
  { name: 'passes', source: inSuite('s', `test('a', () => {}); test('b', () => {})`), line: /^ok {3}passes\.test\.ts {2}2 passed {2}/ },
  {
    name: 'fails',
    source: inSuite('s', `test('a', () => { throw new Error('one is not two') }); test('b', () => {})`),
    line: /^FAIL fails\.test\.ts {2}1 passed, 1 failed {2}/,
    failures: [/s › a: one is not two/],
  },
  {
    name: 'compares',
    source: `import * as assert from '${assertions}'\n${inSuite('s', `test('a', () => { assert.equal({ a: 1, b: 2 }, { a: 1, b: 3 }) })`)}`,
    line: /^FAIL compares\.test\.ts {2}0 passed, 1 failed/,
    failures: [/s › a: Expected values to be deeply equal:/],
  },
  {
    name: 'throws-at-once',
    source: 'throw new Error("not in a test")',
    line: /^FAIL throws-at-once/,
    failures: [/no suite reported/],
  },
  {
    name: 'before-throws',
    source: inSuite(
      's',
      `test.before(() => { throw new Error('no disk') }); test('a', () => {}); test('b', () => {}); test('c', () => {})`,
    ),
    line: /^FAIL before-throws\.test\.ts {2}0 passed, 3 failed/,
    failures: [/s › a: before hook: no disk/, /s › b: not run: a before hook failed/, /s › c: not run: a before hook failed/],
  },
  {
    name: 'before-each-throws',
    source: inSuite('s', `test.beforeEach(() => { throw new Error('no disk') }); test('a', () => {})`),
    line: /^FAIL before-each-throws/,
    failures: [/s › a: before each hook: no disk/],
  },
  {
    name: 'after-throws',
    source: inSuite('s', `test.after(() => { throw new Error('not closed') }); test('a', () => {})`),
    line: /^FAIL after-throws\.test\.ts {2}1 passed, 1 failed/,
    failures: [/s › after hooks: after hook: not closed/],
  },
  {
    name: 'fails-and-after-each-throws',
    source: inSuite('s', `test.afterEach(() => { throw new Error('late') }); test('a', () => { throw new Error('first') })`),
    line: /^FAIL fails-and/,
    failures: [/s › a: first/],
  },
  {
    name: 'throws-null',
    source: inSuite('s', `test('a', () => { throw null })`),
    line: /^FAIL throws-null/,
    failures: [/s › a: a non-error was thrown: null/],
  },
  { name: 'no-tests', source: inSuite('s', ''), line: /^FAIL no-tests/, failures: [/the suite "s" has no tests/] },
  { name: 'no-suite', source: 'suite', line: /^FAIL no-suite/, failures: [/no suite reported/] },
  {
    name: 'bare-uvu',
    source: `import { test } from '${uvu}'\ntest('a', () => {})\ntest.run()`,
    line: /^FAIL bare-uvu/,
    failures: [/no suite reported/],
  },
  { name: 'does-not-parse', source: 'const = 1', line: /^FAIL does-not-parse/, failures: [/no suite reported/] },
  {
    name: 'exits-early',
    source: inSuite('s', `test('a', () => {}); test('b', () => process.exit(0)); test('c', () => {})`),
    line: /^FAIL exits-early/,
    failures: [/s: 3 tests announced, 2 reported/, /s › b: did not end/],
  },
  {
    name: 'never-settles',
    source: inSuite('s', `test('a', () => new Promise(() => {}))`),
    line: /^FAIL never-settles/,
    failures: [/s › a: did not end/],
  },
  {
    name: 'crashes-after-its-report',
    source: inSuite('s', `test('a', () => { setTimeout(() => { throw new Error('late') }, 50) })`),
    line: /^FAIL crashes-after-its-report\.test\.ts {2}1 passed, 1 failed/,
    failures: [/all tests passed, but the process ended with 1/],
  },
  {
    name: 'keeps-running',
    source: inSuite('s', `test('a', () => { setInterval(() => {}, 1000) })`),
    line: /^FAIL keeps-running\.test\.ts {2}1 passed, 1 failed/,
    failures: [/killed: still running 5 s after its last test/],
  },
  {
    name: 'hangs',
    source: inSuite('s', `test('a', () => new Promise(() => { setInterval(() => {}, 1000) }))`),
    line: /^FAIL hangs/,
    failures: [/s › a: did not end/, /killed: took longer than 20 s/],
  },
  {
    name: 'leaves-a-child',
    source: `import { spawn } from 'node:child_process'
${inSuite('s', `test('a', () => { spawn('sleep', ['60'], { stdio: 'ignore' }).unref() })`)}`,
    line: /^FAIL leaves-a-child/,
    failures: [/left running: sleep 60/],
  },
  {
    name: 'prints-like-a-report',
    source: inSuite('s', `test('a', () => { console.log('Total: 9\\n  Passed:   9\\n9 passed, 0 failed, 0 skipped') })`),
    line: /^ok {3}prints-like-a-report\.test\.ts {2}1 passed {2}/,
  },
  {
    name: 'skips',
    source: inSuite('s', `test('a', () => {}); test.skip('b', 'there is no bee')`),
    line: /^ok {3}skips\.test\.ts {2}1 passed, 1 skipped/,
  },
]

interface Result {
  readonly lines: readonly string[]
  readonly code: number | null
}

async function run(root: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Result> {
  const child = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'run.ts'), '--root', root, ...args], {
    env: { ...process.env, SCORE_TEST_REQUIRE: '', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const code = await new Promise<number | null>((done) => child.once('close', done))
  return { lines: output.trimEnd().split('\n'), code }
}

suite('test runner', (test) => {
  const root = mkdtempSync(join(tmpdir(), 'score-run-test-'))
  // What must be killed has a folder of its own: its short limits must not end the others on a busy machine.
  const lasting = mkdtempSync(join(tmpdir(), 'score-run-test-'))
  const limits = { SCORE_TEST_FILE_SECONDS: '20', SCORE_TEST_EXIT_SECONDS: '5' }
  let all: Result
  let killed: Result
  const write = (name: string, source: string, folder = root): void => {
    writeFileSync(join(folder, `${name}.test.ts`), `import { suite } from '${support}'\n${source}\n`)
  }
  test.before(async () => {
    for (const { name, source } of planted) write(name, source, mustBeKilled(name) ? lasting : root)
    const kills = run(lasting, [], limits)
    all = await run(root, ['--jobs', '4'])
    killed = await kills
  })
  test.after(() => {
    for (const folder of [root, lasting]) rmSync(folder, { recursive: true })
  })

  for (const { name, line, failures = [] } of planted) {
    test(`a file that ${name.replaceAll('-', ' ')}`, () => {
      const { lines } = mustBeKilled(name) ? killed : all
      assert.is(lines.filter((text) => line.test(text)).length, 1, `${line} in\n${lines.join('\n')}`)
      const told = lines.filter((text) => text.startsWith(`  FAILED ${name}.test.ts: `))
      assert.is(told.length, failures.length, told.join('\n'))
      for (const failure of failures)
        assert.ok(
          told.some((text) => failure.test(text)),
          `${failure} in\n${told.join('\n')}`,
        )
    })
  }

  test('the last line sums up and the exit code is 1', () => {
    const failed = planted.reduce((sum, { name, failures = [] }) => sum + (mustBeKilled(name) ? 0 : failures.length), 0)
    assert.match(all.lines.at(-1) ?? '', new RegExp(`^\\d+ passed, ${failed} failed, 1 skipped$`))
    assert.is(all.code, 1)
  })

  test('the end tells again of every failure: where, which test, what it said, what differs and at which line', () => {
    const told = all.lines.slice(all.lines.lastIndexOf('Failures:'))
    const at = told.findIndex((text) => /^ {2}\S*compares\.test\.ts: s › a: Expected values to be deeply equal:$/.test(text))
    assert.equal(told.slice(at + 1, at + 3), ['      --  "b": 2', '      ++  "b": 3'])
    assert.match(told[at + 3] ?? '', /^ {6}at .*compares\.test\.ts:/)
    assert.ok(told.includes('      Error: not in a test'))
    assert.not(told.some((text) => text.startsWith('ok ')))
    assert.is(told.filter((text) => text.includes('not run')).join(), '      and 2 more: not run: a before hook failed')
  })

  test('a passing run exits with 0', async () => {
    const { lines, code } = await run(root, ['passes', 'skips'])
    assert.is(lines.at(-1), '3 passed, 0 failed, 1 skipped')
    assert.ok(lines.includes('  SKIP s › b: there is no bee'))
    assert.is(code, 0)
  })

  test('a required part that is missing fails', async () => {
    const { lines, code } = await run(root, ['skips'], { SCORE_TEST_REQUIRE: '1' })
    assert.is(lines.at(-1), '1 passed, 1 failed, 0 skipped')
    assert.is(code, 1)
  })

  test('a name that no file has fails, also beside one that some have', async () => {
    const { lines, code } = await run(root, ['passes', 'no-such-file'])
    assert.equal(lines, [`no test file's name contains "no-such-file"`, '0 passed, 1 failed, 0 skipped'])
    assert.is(code, 1)
  })
})
