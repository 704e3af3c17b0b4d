import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { suite } from '../support/suite.ts'

const folder = await mkdtemp(join(tmpdir(), 'score-demo-test-'))
const demo = fileURLToPath(new URL('../../examples/demo/demo.ts', import.meta.url))

interface Told {
  readonly code: number | null
  readonly out: string
  readonly errors: string
}

/** The demo with the least file that has parts enough to kill in the middle. */
function run(args: readonly string[], onOutput: (out: string, child: ChildProcess) => void = () => undefined): Promise<Told> {
  const child = spawn(process.execPath, ['--import', 'tsx', demo, '--size', '100', ...args], { env: { ...process.env, TMPDIR: folder } })
  let out = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text
    onOutput(out, child)
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, errors })))
}

/** tsx keeps its compiled files in TMPDIR; they are not the demo's. */
async function leftFiles(): Promise<string[]> {
  return (await readdir(folder)).filter((name) => !name.startsWith('tsx-'))
}

/** Processes that work below the folder of a demo run; where there is no /proc, nothing can be said. */
async function leftProcesses(): Promise<string[]> {
  const left: string[] = []
  for (const id of await readdir('/proc').catch(() => [])) {
    const line = await readFile(`/proc/${id}/cmdline`, 'utf8').catch(() => '')
    if (line.includes(folder)) left.push(line.replaceAll('\0', ' '))
  }
  return left
}

suite('npm run demo', (test) => {
  test.after(() => rm(folder, { recursive: true, force: true }))

  test('tells the whole story and leaves nothing behind', async () => {
    const { code, out, errors } = await run([])
    assert.is(code, 0, out + errors)
    assert.match(out, /Make +demo\.bam, 10\d\.\d MiB, 4\d{5} reads/)
    assert.match(out, /Upload +killed with SIGKILL after [45] of 6 parts/)
    const kept = [...out.matchAll(/same command again: (\d) parts kept, (\d) (?:sent|fetched) at \d+ MiB\/s/g)]
    assert.is(kept.length, 2)
    for (const [, parts, moved] of kept) assert.ok(Number(parts) >= 4 && Number(parts) + Number(moved) === 6, out)
    assert.is(out.match(/[0-9a-f]{32} {2}demo\.bam/g)?.length, 2)
    assert.match(out, /Slice +chr2:100,000-300,000 and chrM out of the stored object: \d+\.\d MiB with its index/)
    assert.match(out, /[1-9]\d{3,} reads, as many as the file that was uploaded has there/)
    assert.match(out, 'How to go on')
    assert.equal(await leftFiles(), [])
    assert.equal(await leftProcesses(), [])
  })

  for (const [moment, seen] of [
    ['while it makes the file', 'Score SDK demo'],
    ['in the killed upload', 'Serve'],
    ['in the download', 'again'],
  ] as const) {
    test(`ended by Ctrl-C ${moment}: exit code 130, nothing left`, async () => {
      let interrupted = false
      const running = run([], (out, child) => {
        if (interrupted || !out.includes(seen)) return
        interrupted = true
        child.kill('SIGINT')
      })
      const { code, out, errors } = await running
      assert.ok(interrupted, out + errors)
      assert.is(code, 130, out + errors)
      assert.match(errors, 'interrupted by SIGINT')
      assert.equal(await leftFiles(), [])
      assert.equal(await leftProcesses(), [])
    })
  }

  test('--keep leaves the files, not the server', async () => {
    const kept = join(folder, 'kept')
    const { code, out, errors } = await run(['--keep', kept])
    assert.is(code, 0, out + errors)
    const names = await readdir(kept)
    for (const name of ['data', 'demo.bam', 'demo.bam.bai', 'download']) assert.ok(names.includes(name), names.join(' '))
    assert.match(out, `score serve --data ${join(kept, 'data')}`)
    assert.equal(await leftProcesses(), [])
  })
})
