import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { makeDemoBam } from '../../../examples/demo/make-bam.ts'
import { createBamReader, createMemorySource } from '../../../src/index.ts'
import { suite } from '../../support/suite.ts'
import { type CliWorld, createCliWorld, until } from './cli-world.ts'

const root = join(import.meta.dirname, '..', '..', '..')
const program = [process.execPath, '--import', join(root, 'node_modules/tsx/dist/esm/index.mjs'), join(root, 'adapters/cli/score.ts')]
const words = program.map((word) => `'${word}'`).join(' ')

let world: CliWorld

interface Ran {
  readonly code: number | null
  readonly stdout: Buffer
  readonly stderr: string
}

/** Runs a line of shell, in which `score` is the program. */
function shell(line: string, command: readonly [string, ...string[]] = ['sh', '-c']): Promise<Ran> {
  const [first, ...rest] = command
  const child = spawn(first, [...rest, line.replaceAll('score ', `${words} `)], { cwd: world.folder, stdio: ['ignore', 'pipe', 'pipe'] })
  const out: Buffer[] = []
  let stderr = ''
  child.stdout.on('data', (piece: Buffer) => out.push(piece))
  child.stderr.setEncoding('utf8').on('data', (piece: string) => (stderr += piece))
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout: Buffer.concat(out), stderr })))
}

const isolated = ['unshare', '-rm', 'sh', '-c'] as const
const noMounts =
  spawnSync('unshare', ['-rm', 'sh', '-c', 'mount -t tmpfs -o size=100k tmpfs /mnt']).status === 0
    ? undefined
    : 'unshare cannot mount a tmpfs here (user namespaces are off)'

suite('score view as a process', (test) => {
  test.before(async () => {
    world = await createCliWorld()
    await makeDemoBam({ path: join(world.folder, 'demo.bam'), targetBytes: 4_000_000, seed: 3 })
  })
  test.after(() => world.close())

  test('BAM to standard output, byte for byte what goes into a file', async () => {
    const piped = await shell('score view demo.bam chr1 chr2 --output-format bam --output-original-header | cat')
    assert.is(piped.stderr, '')
    let reads = 0
    for await (const _ of createBamReader(createMemorySource(piped.stdout)).records()) reads += 1
    const counted = await world.run(['view', 'demo.bam', 'chr1', 'chr2', '--count', '--json'])
    const counts = counted.stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { readonly reads: number }).reads)
    assert.ok(reads > 500)
    assert.is(
      reads,
      counts.reduce((sum, count) => sum + count, 0),
    )
    await createBamReader(createMemorySource(piped.stdout)).checkEofMarker()
  })

  test('a reader that goes away: silence, exit code 0', async () => {
    for (const format of ['sam', 'bam']) {
      const { stdout, stderr } = await shell(`{ score view demo.bam --output-format ${format}; echo "code $?" >&2; } | head -c 100`)
      assert.is(stdout.length, 100)
      assert.is(stderr, 'code 0\n')
    }
  })

  test('standard output on a full disk', async () => {
    const { code, stderr } = await shell('score view demo.bam > /dev/full')
    assert.is(code, 9, stderr)
    assert.match(stderr, /cannot write to standard output.*ENOSPC/)
  })

  const onFullDisk = (name: string, body: () => Promise<void>): void =>
    noMounts === undefined ? test(name, body) : test.skip(name, noMounts)

  onFullDisk('files on a full disk: an error that says so, and nothing left', async () => {
    mkdirSync(join(world.folder, 'small'))
    const { code, stdout, stderr } = await shell(
      'mount -t tmpfs -o size=200k tmpfs small && score view demo.bam --output-format bam --output-dir small; code=$?; ls -A small; exit $code',
      isolated,
    )
    assert.is(code, 9, stderr)
    assert.match(stderr, /cannot write '[^']+small\/demo\.bam': there is no space left on the device/)
    assert.is(stdout.toString(), '')
  })

  test('interrupted in the middle: 130, and no file', async () => {
    const started = world.start(['view', 'demo.bam', '--output-format', 'sam', '--stdout'])
    // Nobody reads more than the pipe holds, so it cannot have ended when the signal comes.
    started.child.stdout?.pause()
    await until('the first bytes', () => (started.child.stdout?.readableLength ?? 0) > 0 || started.child.exitCode !== null)
    started.child.kill('SIGINT')
    started.child.stdout?.resume()
    const { code } = await started.ended
    assert.is(code, 130)
  })

  test('progress goes on while reads stream, as lines and as JSON', async () => {
    writeFileSync(join(world.folder, 'list.bed'), 'chr1\t0\t400000\n')
    const { stdout } = await shell('score view demo.bam --bed-query list.bed --output-format bam --output-dir told --json')
    const events = stdout
      .toString()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { readonly type: string })
    assert.is(events.at(-1)?.type, 'summary')
    assert.equal(readdirSync(join(world.folder, 'told')), ['demo.list.bed.bam'])
  })
})
