import * as assert from 'uvu/assert'
import { createOutput } from '../../../adapters/cli/output.ts'
import { createReadProgress } from '../../../adapters/cli/read-progress.ts'
import { suite } from '../../support/suite.ts'
import { createSink } from './support.ts'

const MiB = 1024 * 1024

interface Shown {
  readonly stdout: string
  readonly stderr: string
  readonly pace: number
  readonly stopped: boolean
}

/** Two ticks, ten seconds apart: before anything was read, and with 3 of 12 MiB. */
function show(options: { readonly tty?: boolean; readonly json?: boolean; readonly quiet?: boolean }): Shown {
  const stdout = createSink()
  const stderr = createSink({ tty: options.tty ?? false })
  const output = createOutput({
    stdout,
    stderr,
    strict: false,
    quiet: options.quiet ?? false,
    silent: false,
    json: options.json ?? false,
    color: false,
  })
  let clock = 0
  let tick = (): void => undefined
  let pace = 0
  let stopped = false
  const progress = createReadProgress({ output, now: () => clock }, (ms, work) => {
    pace = ms
    tick = work
    return () => {
      stopped = true
    }
  })
  progress.expect(12 * MiB)
  tick()
  clock = 10_000
  progress.read(3 * MiB, 'x\u001b.bam')
  tick()
  progress.stop()
  return { stdout: stdout.text(), stderr: stderr.text(), pace, stopped }
}

suite('progress of reading', (test) => {
  const line = ' 25%  3.00 MiB of 12.0 MiB read  307.2 KiB/s  ETA 0:30  x\\x1b.bam'

  test('one line that is written over on a terminal, and taken away', () => {
    const { stderr, pace, stopped } = show({ tty: true })
    assert.ok(stderr.startsWith(`\r${line}`), JSON.stringify(stderr))
    assert.match(stderr, /\r +\r$/)
    assert.equal([pace, stopped], [500, true])
  })

  test('a line every ten seconds elsewhere', () => {
    const { stderr, pace } = show({})
    assert.is(stderr, `${line.trim()}\n`)
    assert.is(pace, 10_000)
  })

  test('an object every second for programs', () => {
    const { stdout, stderr, pace } = show({ json: true })
    assert.is(stdout, `{"type":"progress","bytes":${3 * MiB},"totalBytes":${12 * MiB}}\n`)
    assert.equal([stderr, pace], ['', 1000])
  })

  test('nothing where that is asked for', () => {
    const { stdout, stderr, pace } = show({ quiet: true, tty: true })
    assert.equal([stdout, stderr, pace], ['', '', 0])
  })
})
