import * as assert from 'uvu/assert'
import { createOutput, type OutputOptions } from '../../../adapters/cli/output.ts'
import { createProgressView, type ProgressView } from '../../../adapters/cli/progress-view.ts'
import { suite } from '../../support/suite.ts'
import { createSink, type Sink } from './support.ts'

const MiB = 1024 * 1024
const escapeCharacter = String.fromCharCode(27)

interface Stage {
  readonly view: ProgressView
  readonly stdout: Sink
  readonly stderr: Sink
  readonly pace: () => number
  at(seconds: number): void
  tick(): void
}

function stage(options: Partial<OutputOptions> & { readonly tty?: boolean; readonly objects?: number } = {}): Stage {
  const stdout = createSink()
  const stderr = createSink({ tty: options.tty ?? false })
  const output = createOutput({ stdout, stderr, strict: false, quiet: false, silent: false, json: false, color: false, ...options })
  let now = 0
  let work = (): void => {}
  let every = 0
  const view = createProgressView({
    output,
    now: () => now,
    objects: options.objects ?? 1,
    every: (ms, given) => {
      every = ms
      work = given
      return () => {
        work = () => {}
      }
    },
  })
  return {
    view,
    stdout,
    stderr,
    pace: () => every,
    at: (seconds) => {
      now = seconds * 1000
    },
    tick: () => work(),
  }
}

function begin({ view }: Stage, objectId = 'o1', name = '/data/a.bam'): void {
  view.sink({ type: 'started', objectId, direction: 'upload', name, totalBytes: 100 * MiB, totalParts: 5 })
}

suite('progress view', (test) => {
  test('elsewhere than on a terminal: a plain line every ten seconds', () => {
    const it = stage()
    begin(it)
    it.at(10)
    it.view.sink({ type: 'bytes', objectId: 'o1', count: 50 * MiB })
    it.view.sink({ type: 'part', objectId: 'o1', partNumber: 1, bytes: 20 * MiB, outcome: 'moved' })
    it.tick()
    assert.is(it.pace(), 10_000)
    assert.is(it.stderr.text(), '50%  50.0 MiB of 100.0 MiB  5.00 MiB/s  ETA 0:10  parts 1/5  a.bam\n')
    assert.is(it.stdout.text(), '')
  })

  test('on a terminal the line is rewritten in place, fits, and goes away', () => {
    const it = stage({ tty: true })
    begin(it, 'o1', `/data/${'long'.repeat(40)}.bam`)
    it.tick()
    it.view.stop()
    assert.not.match(it.stderr.text(), /\n/)
    const [, first = ''] = it.stderr.text().split('\r')
    assert.match(first, /^ {2}0% {2}0 B of 100\.0 MiB/)
    assert.is(first.length, 79)
    assert.ok(it.stderr.text().endsWith(`\r${' '.repeat(79)}\r`))
  })

  test('kept parts count as done, not as speed', () => {
    const it = stage()
    begin(it)
    it.view.sink({ type: 'part', objectId: 'o1', partNumber: 1, bytes: 20 * MiB, outcome: 'kept' })
    it.at(2)
    it.view.sink({ type: 'bytes', objectId: 'o1', count: 10 * MiB })
    it.tick()
    assert.match(it.stderr.text(), /^30% {2}30\.0 MiB of 100\.0 MiB {2}5\.00 MiB\/s {2}ETA 0:14/)
  })

  test('bytes of a failed part are taken back; the retry is told', () => {
    const it = stage()
    begin(it)
    it.view.sink({ type: 'bytes', objectId: 'o1', count: 10 * MiB })
    it.view.sink({ type: 'bytes', objectId: 'o1', count: -10 * MiB })
    it.view.sink({ type: 'retry', objectId: 'o1', partNumber: 2, attempt: 1, waitMs: 1500, reason: 'the store answered 503' })
    it.tick()
    assert.match(it.stderr.text(), /a\.bam: the store answered 503; next try in 0:02\n0% {2}0 B of/)
  })

  test('a set is summed and its files are counted', () => {
    const it = stage({ objects: 3 })
    begin(it)
    begin(it, 'o2', 'b.bam')
    it.view.sink({ type: 'bytes', objectId: 'o1', count: 100 * MiB })
    it.view.sink({ type: 'finished', objectId: 'o1' })
    it.at(1)
    it.tick()
    assert.match(it.stderr.text(), /^50% {2}100\.0 MiB of 200\.0 MiB .* files 1\/3 {2}b\.bam\n$/)
  })

  test('a stall shows: the speed is that of the last seconds', () => {
    const it = stage()
    begin(it)
    it.view.sink({ type: 'bytes', objectId: 'o1', count: 50 * MiB })
    for (const second of [1, 10, 20, 30]) {
      it.at(second)
      it.tick()
    }
    assert.match(it.stderr.text().trimEnd().split('\n').at(-1) ?? '', /0 B\/s {2}ETA -:--/)
  })

  test('--json: events on stdout, bytes summed up at most once a second, nothing on stderr', () => {
    const it = stage({ json: true })
    begin(it)
    it.view.sink({ type: 'bytes', objectId: 'o1', count: 1 })
    it.tick()
    it.view.sink({ type: 'finished', objectId: 'o1', md5: 'x' })
    const lines = it.stdout
      .text()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string })
    assert.equal(
      lines.map(({ type }) => type),
      ['started', 'progress', 'finished'],
    )
    assert.is(it.pace(), 1000)
    assert.is(it.stderr.text(), '')
  })

  for (const kind of ['quiet', 'silent'] as const) {
    test(`--${kind}: no progress`, () => {
      const it = stage({ [kind]: true, tty: true })
      begin(it)
      it.tick()
      it.view.stop()
      assert.is(it.stderr.text(), '')
    })
  }

  test('a name with control characters is shown, not obeyed', () => {
    const it = stage()
    begin(it, 'o1', `a${escapeCharacter}[2J.bam`)
    it.tick()
    assert.match(it.stderr.text(), /a\\x1b\[2J\.bam\n$/)
  })
})

suite('output', (test) => {
  const make = (options: Partial<OutputOptions> & { readonly tty?: boolean }): { stdout: Sink; stderr: Sink; run(): void } => {
    const stdout = createSink()
    const stderr = createSink({ tty: options.tty ?? false })
    const output = createOutput({ stdout, stderr, strict: false, quiet: false, silent: false, json: false, color: true, ...options })
    return {
      stdout,
      stderr,
      run: () => {
        output.data('data\n')
        output.say('word')
        output.warn('care')
        output.error('bad')
        output.event({ type: 'x' })
      },
    }
  }
  const rows: readonly {
    readonly name: string
    readonly options: Partial<OutputOptions> & { readonly tty?: boolean }
    readonly out: string
    readonly err: string
  }[] = [
    { name: 'plain', options: {}, out: 'data\n', err: 'word\nWARNING: care\nERROR: bad\n' },
    { name: 'strict', options: { strict: true }, out: 'data\n', err: 'word\nWARN: care\nERROR: bad\n' },
    { name: 'silent', options: { silent: true }, out: 'data\n', err: '' },
    { name: 'json', options: { json: true }, out: 'data\n{"type":"x"}\n', err: 'WARNING: care\nERROR: bad\n' },
    {
      name: 'colours on a terminal',
      options: { tty: true },
      out: 'data\n',
      err: `word\n${escapeCharacter}[33mWARNING:${escapeCharacter}[0m care\n${escapeCharacter}[1;31mERROR:${escapeCharacter}[0m ${escapeCharacter}[31mbad${escapeCharacter}[0m\n`,
    },
    {
      name: 'no colours where they are not wanted',
      options: { tty: true, color: false },
      out: 'data\n',
      err: 'word\nWARNING: care\nERROR: bad\n',
    },
  ]
  for (const { name, options, out, err } of rows) {
    test(name, () => {
      const it = make(options)
      it.run()
      assert.is(it.stdout.text(), out)
      assert.is(it.stderr.text(), err)
    })
  }
})
