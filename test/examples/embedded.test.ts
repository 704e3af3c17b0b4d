import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import * as assert from 'uvu/assert'
import { createScoreClient } from '../../src/index.ts'
import { freePort } from '../support/free-port.ts'
import { suite } from '../support/suite.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')

suite('examples', (test) => {
  let folder = ''
  test.before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'score-examples-'))
  })
  test.after(() => rm(folder, { recursive: true }))

  test('embedded.ts registers, uploads, publishes and downloads', async () => {
    const file = join(folder, 'reads.bam')
    await writeFile(file, Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 31) % 256)))
    const args = ['--import', 'tsx', 'examples/embedded.ts', join(folder, 'data'), file, join(folder, 'copy.bam')]
    const { stdout } = await run(process.execPath, args, { cwd: root, timeout: 240_000 })
    assert.match(stdout, /objectId/)
    assert.ok((await readFile(file)).equals(await readFile(join(folder, 'copy.bam'))))
  })

  test('own-koa-app.ts serves Score under its prefix, beside its own routes', async () => {
    const port = await freePort()
    const child = spawn(process.execPath, ['--import', 'tsx', 'examples/own-koa-app.ts', join(folder, 'app')], {
      cwd: root,
      env: { ...process.env, PORT: String(port) },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    try {
      let said = ''
      await new Promise<void>((resolve, reject) => {
        child.stdout.on('data', (text: Buffer) => {
          said += text
          if (said.includes('ready at')) resolve()
        })
        child.once('exit', () => reject(new Error(`it ended before it was ready: ${said}`)))
      })
      const url = `http://127.0.0.1:${port}/genomics/score`
      const token = (await readFile(join(folder, 'app', 'token'), 'utf8')).trim()
      const api = createScoreClient({ url, token })
      assert.is(await api.profile(), 's3')
      const sentinel = await api.sentinelUrl()
      assert.ok(sentinel.startsWith(`${url}/store/`))
      assert.is((await fetch(sentinel)).status, 200)
      assert.is(await (await fetch(`http://127.0.0.1:${port}/`)).text(), `Files are at ${url}`)
    } finally {
      child.kill('SIGTERM')
      await exited
    }
  })
})
