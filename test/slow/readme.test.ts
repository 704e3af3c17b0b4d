import { execFile, spawn } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as assert from 'uvu/assert'
import { makeDemoBam } from '../../examples/demo/make-bam.ts'
import { suite } from '../support/suite.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..', '..')

interface Block {
  /** `run: hand`, `file: examples/x.ts`, or empty for a block that nothing claims. */
  readonly claim: string
  readonly language: string
  readonly text: string
}

function blocks(markdown: string): Block[] {
  const found = markdown.matchAll(/(?:<!-- ([^>]+) -->\n)?```(\w*)\n([\s\S]*?)```/g)
  return [...found].map(([, claim = '', language = '', text = '']) => ({ claim, language, text }))
}

/** An example file as the README shows it: without its heading comment, importing the package by its name. */
function asShown(source: string): string {
  return source
    .replace(/^\/\*\*[\s\S]*?\*\/\n/, '')
    .replaceAll("'../src/index.ts'", "'score-sdk'")
    .replaceAll("'../adapters/server/index.ts'", "'score-sdk/server'")
}

/** A block may leave a server behind; its group is ended after the tests. */
const groups: number[] = []

async function shell(text: string, cwd: string, env: NodeJS.ProcessEnv): Promise<{ readonly code: number; readonly output: string }> {
  const child = spawn('bash', ['-euo', 'pipefail', '-c', text], { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  if (child.pid !== undefined) groups.push(child.pid)
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (output += data))
  const code = await new Promise<number>((resolve) => child.on('exit', (status) => resolve(status ?? 1)))
  return { code, output }
}

suite('README', (test) => {
  let folder = ''
  let shown: Block[] = []
  let env: NodeJS.ProcessEnv = {}

  test.before(async () => {
    shown = blocks(await readFile(join(root, 'README.md'), 'utf8'))
    await run('npm', ['run', 'build:js'], { cwd: root })
    folder = await mkdtemp(join(tmpdir(), 'score-readme-'))
    const bin = join(folder, 'bin')
    await mkdir(bin)
    for (const name of ['score', 'score-client']) {
      await writeFile(join(bin, name), `#!/bin/sh\nexec "${process.execPath}" "${join(root, 'dist', 'bin', `${name}.js`)}" "$@"\n`)
      await chmod(join(bin, name), 0o755)
    }
    await makeDemoBam({ path: join(folder, 'sample.bam'), targetBytes: 2_000_000 })
    await writeFile(join(folder, 'sample.vcf'), 'the bytes of sample.vcf\n'.repeat(1000))
    const { ACCESSTOKEN: _, STORAGE_URL: __, METADATA_URL: ___, ...inherited } = process.env
    env = { ...inherited, PATH: `${bin}:${process.env['PATH']}`, XDG_STATE_HOME: join(folder, 'state'), HOME: folder }
  })

  test.after(async () => {
    for (const group of groups) {
      try {
        process.kill(-group, 'SIGKILL')
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
      }
    }
    await rm(folder, { recursive: true, force: true })
  })

  test('every example is claimed by a test', () => {
    const known = /^(run: (hand|slices|env|steps)|file: examples\/[\w-]+\.ts|proven: .+)$/
    for (const { claim, text } of shown) assert.match(claim, known, `unclaimed example:\n${text}`)
    assert.ok(shown.length >= 6)
  })

  test('the code shown is the code of the examples, which tests run', async () => {
    const files = shown.filter(({ claim }) => claim.startsWith('file: '))
    assert.is(files.length, 2)
    for (const { claim, text } of files) assert.is(text, asShown(await readFile(join(root, claim.slice('file: '.length)), 'utf8')))
  })

  test('the commands shown work, one after the other', async () => {
    const text = (claim: string): string => {
      const block = shown.find((candidate) => candidate.claim === claim)
      if (!block) throw new Error(`the README has no block '${claim}'`)
      return block.text
    }
    const serverReady = 'until score ls >/dev/null 2>&1; do sleep 0.1; done\n'
    const hand = text('run: hand').replace(/(score serve [^\n]*&)\n/, (line) => `${line}${serverReady}`)
    assert.match(hand, 'until score ls')
    const first = await shell(hand, folder, env)
    assert.is(first.code, 0, first.output)

    const slices = await shell(text('run: slices'), folder, env)
    assert.is(slices.code, 0, slices.output)
    assert.match(slices.output, /^chr2\t[1-9]\d+$/m)
    assert.match(slices.output, /in total \(QC-passed reads/)
    assert.equal((await readdir(join(folder, 'slices'))).sort(), ['sample.chr2_1-100,000__chrM.bam', 'sample.chr2_1-100,000__chrM.bam.bai'])
    assert.ok((await readFile(join(folder, 'slice.bam'))).length > 1000)

    const steps = await shell(text('run: steps'), folder, env)
    assert.is(steps.code, 0, steps.output)
    assert.match(steps.output, /http:\/\/127\.0\.0\.1:\d+\/store\//)

    const manifest = (await readFile(join(folder, 'manifest.txt'), 'utf8')).split('\n')[1]?.split('\t')[0]
    await writeFile(join(folder, 'manifest.tsv'), `heading${'\t'.repeat(10)}\n\t\t${manifest}${'\t'.repeat(8)}\n`)
    const { stdout } = await run('score', ['info', '--json'], { env, cwd: folder })
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(stdout)?.[0]
    assert.ok(url, stdout)
    const other = await shell(text('run: env').replaceAll('http://127.0.0.1:5431', url), folder, env)
    assert.is(other.code, 0, other.output)
    assert.equal(await readFile(join(folder, 'downloads', 'sample.vcf')), await readFile(join(folder, 'sample.vcf')))
  })
})
