import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import {
  liveServers,
  type RunFile,
  removeDeadRunFiles,
  removeRunFile,
  runFolder,
  servesFolder,
  writeRunFile,
} from '../../../adapters/cli/run-file.ts'
import { ownProcess } from '../../../src/index.ts'
import { suite } from '../../support/suite.ts'

const home = mkdtempSync(join(tmpdir(), 'score-run-file-'))
const environment = { HOME: home }
let own: RunFile

/** Changes that make a server's file one not to be believed. */
const unbelieved: readonly { readonly name: string; readonly change: () => Partial<RunFile>; readonly mode?: number }[] = [
  { name: 'of a process that is gone', change: () => ({ pid: 2 ** 22 - 1, process: { ...own.process, pid: 2 ** 22 - 1 } }) },
  { name: 'of a pid that another process has now', change: () => ({ process: { ...own.process, processStart: '1' } }) },
  { name: 'of another machine with the same home', change: () => ({ process: { ...own.process, host: 'elsewhere' } }) },
  { name: 'of another boot or container', change: () => ({ process: { ...own.process, bootId: 'other' } }) },
  { name: 'whose pids disagree', change: () => ({ pid: own.pid + 1 }) },
  { name: 'that others may read', change: () => ({}), mode: 0o644 },
]

suite('run file', (test) => {
  test.before(async () => {
    own = {
      url: 'http://127.0.0.1:1',
      pid: process.pid,
      tokenPath: join(home, 'data/token'),
      startedAt: '2026-01-01T00:00:00.000Z',
      process: await ownProcess(),
    }
    mkdirSync(join(home, 'data'))
  })
  test.after(() => rmSync(home, { recursive: true }))

  test('none yet', async () => assert.equal(await liveServers(environment), []))

  test('written, found, removed', async () => {
    const path = await writeRunFile(environment, 5431, own)
    assert.is(path, join(home, '.local/state/score/run/5431.json'))
    assert.equal(await liveServers(environment), [{ ...own, path }])
    await removeRunFile(path, process.pid + 1)
    assert.is((await liveServers(environment)).length, 1, 'the file of another process stays')
    await removeRunFile(path, process.pid)
    assert.equal(await liveServers(environment), [])
  })

  for (const { name, change, mode } of unbelieved) {
    test(`a file ${name} is not believed`, async () => {
      const path = await writeRunFile(environment, 1, { ...own, ...change() })
      if (mode !== undefined) chmodSync(path, mode)
      assert.equal(await liveServers(environment), [])
      rmSync(path)
    })
  }

  test('what killed servers of this machine left is cleared away, and nothing else', async () => {
    const dead = { ...own.process, pid: 2 ** 22 - 1 }
    await writeRunFile(environment, 1, { ...own, pid: dead.pid, process: dead })
    await writeRunFile(environment, 2, { ...own, pid: dead.pid, process: { ...dead, host: 'elsewhere' } })
    const alive = await writeRunFile(environment, 3, own)
    await removeDeadRunFiles(environment)
    assert.equal(readdirSync(runFolder(environment)).sort(), ['2.json', '3.json'])
    rmSync(alive)
    rmSync(join(runFolder(environment), '2.json'))
  })

  test('what is no run file is passed over', async () => {
    const folder = runFolder(environment)
    writeFileSync(join(folder, '7.json'), '{"url":1}', { mode: 0o600 })
    writeFileSync(join(folder, '8.json'), 'half of a li', { mode: 0o600 })
    writeFileSync(join(folder, 'notes.json'), '{}', { mode: 0o600 })
    assert.equal(await liveServers(environment), [])
  })

  test('the folder that a server serves, however it is spelled', async () => {
    assert.ok(await servesFolder(own, join(home, 'x/../data')))
    assert.not(await servesFolder(own, home))
    assert.not(await servesFolder(own, join(home, 'gone')))
  })

  test('XDG_STATE_HOME', () => assert.is(runFolder({ XDG_STATE_HOME: '/s' }), '/s/score/run'))
})
