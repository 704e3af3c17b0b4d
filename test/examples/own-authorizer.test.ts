import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { suite } from '../support/suite.ts'

const root = join(import.meta.dirname, '../..')

suite('examples: own-authorizer.ts', (test) => {
  test('knows its badges, and what they are good for', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'score-own-authorizer-'))
    const child = spawn(process.execPath, ['--import', 'tsx', 'examples/own-authorizer.ts', folder], {
      cwd: root,
      env: { ...process.env, PORT: '0' },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    try {
      const url = await new Promise<string>((resolve, reject) => {
        let said = ''
        child.stdout.on('data', (text: Buffer) => {
          said += text
          const ready = /ready at (\S+)\n/.exec(said)?.[1]
          if (ready !== undefined) resolve(ready)
        })
        child.once('exit', () => reject(new Error(`it ended before it was ready: ${said}`)))
      })
      const get = (path: string, badge: string) => fetch(`${url}${path}`, { headers: { authorization: `Bearer ${badge}` } })
      assert.is((await get('/profile', 'badge-of-ada-7f1c9e')).status, 200)
      const refused = await get('/profile', 'badge-of-eve-000000')
      assert.equal([refused.status, refused.headers.get('www-authenticate')?.includes('invalid_token')], [401, true])
      const publish = (study: string) => {
        const headers = { authorization: 'Bearer badge-of-ada-7f1c9e' }
        return fetch(`${url}/studies/${study}/analysis/publish/none`, { method: 'PUT', headers })
      }
      assert.is((await publish('OTHER')).status, 403)
      assert.is((await publish('DEMO')).status, 404)
    } finally {
      child.kill('SIGTERM')
      await exited
      await rm(folder, { recursive: true })
    }
  })
})
