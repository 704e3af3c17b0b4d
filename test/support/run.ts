import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join, relative } from 'node:path'

/**
 * Runs test files, each in a process of its own, and counts for itself: a file that reports no test, a suite that leaves
 * tests out, a crash after the last report all fail. Usage: `run.ts [--jobs N] [folder or part of a file name ...]`.
 */
interface Outcome {
  readonly file: string
  readonly passed: number
  readonly skipped: number
  readonly failed: number
  readonly output: string
  readonly seconds: number
}

const root = join(import.meta.dirname, '..')
const separate = new Set(['compat', 'services', 'mount', 'slow'])

function testFiles(wanted: readonly string[]): string[] {
  const all = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.test.ts'))
  const chosen = all.filter((name) => {
    const folder = name.split('/')[0] as string
    return wanted.length === 0 ? !separate.has(folder) : wanted.some((part) => name.includes(part))
  })
  return chosen.sort().map((name) => join(root, name))
}

function count(output: string, label: string): number {
  const matches = [...output.matchAll(new RegExp(`^\\s*${label}:\\s+(\\d+)`, 'gm'))]
  return matches.reduce((sum, match) => sum + Number(match[1]), 0)
}

async function runFile(file: string): Promise<Outcome> {
  const started = Date.now()
  const child = spawn(process.execPath, ['--import', 'tsx', file], {
    env: { ...process.env, FORCE_COLOR: '0', NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  child.stdout.on('data', (data: Buffer) => (output += data))
  child.stderr.on('data', (data: Buffer) => (output += data))
  const limit = setTimeout(
    () => {
      output += '\n(killed: the file took longer than its limit)\n'
      child.kill('SIGKILL')
    },
    Number(process.env['SCORE_TEST_FILE_SECONDS'] ?? 240) * 1000,
  )
  const code = await new Promise<number>((resolve) => child.on('close', (status) => resolve(status ?? 1)))
  clearTimeout(limit)
  const plain = output.replace(new RegExp(`${String.fromCharCode(27)}\\[[0-9;]*m`, 'g'), '')
  const total = count(plain, 'Total')
  const passed = count(plain, 'Passed')
  const skipped = count(plain, 'Skipped')
  const complete = code === 0 && total > 0 && passed === total
  return {
    file: relative(root, file),
    passed,
    skipped,
    failed: complete ? 0 : Math.max(1, total - passed),
    output: plain,
    seconds: (Date.now() - started) / 1000,
  }
}

async function main(): Promise<void> {
  const args = process.argv.slice(2)
  const jobsAt = args.indexOf('--jobs')
  const jobs = jobsAt >= 0 ? Number(args.splice(jobsAt, 2)[1]) : 2
  const files = testFiles(args)
  if (files.length === 0) throw new Error(`no test file matches ${args.join(' ')}`)
  const outcomes: Outcome[] = []
  const queue = [...files]
  const worker = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const outcome = await runFile(file)
      outcomes.push(outcome)
      const verdict = outcome.failed > 0 ? 'FAIL' : 'ok  '
      console.log(
        `${verdict} ${outcome.file}  ${outcome.passed} passed${outcome.skipped > 0 ? `, ${outcome.skipped} skipped` : ''}  ${outcome.seconds.toFixed(1)} s`,
      )
      if (outcome.failed > 0) console.log(outcome.output)
      else for (const line of outcome.output.split('\n')) if (line.includes('SKIP ')) console.log(line)
    }
  }
  await Promise.all(Array.from({ length: jobs }, worker))
  const sum = (field: 'passed' | 'failed' | 'skipped'): number => outcomes.reduce((total, outcome) => total + outcome[field], 0)
  console.log(`${sum('passed')} passed, ${sum('failed')} failed, ${sum('skipped')} skipped`)
  process.exitCode = sum('failed') > 0 ? 1 : 0
}

await main()
