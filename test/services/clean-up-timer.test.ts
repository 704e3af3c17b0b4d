import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { suite } from '../support/suite.ts'
import { type ScoreProcess, startProgram, startScoreServer } from './support/score-process.ts'

const week = 7 * 86_400_000

/** Makes whatever of the object lies in the folder a week old, as if nobody had gone on with its upload. */
async function age(folder: string, objectId: string): Promise<number> {
  const then = new Date(Date.now() - week)
  let aged = 0
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile() || !path.includes(objectId)) continue
    await utimes(path, then, then)
    aged++
  }
  return aged
}

suite('services/clean-up of a running server', (test) => {
  let folder: string
  test.before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'score-clean-up-'))
  })
  test.after(() => rm(folder, { recursive: true }))

  test('of two servers of a folder one ends the upload that was left alone, by itself, and then none does for half a day', async () => {
    const env = {
      SCORE_DATA: join(folder, 'data'),
      SCORE_AUTH: 'none',
      SERVER_PORT: '0',
      SERVER_ADDRESS: '127.0.0.1',
      UPLOAD_CLEAN_INTERVALSECONDS: '1',
    }
    const serve = (changes: Readonly<Record<string, string>> = {}): Promise<ScoreProcess> =>
      startScoreServer({ cwd: folder, env: { ...env, ...changes } })
    const size = 1000
    for (const name of ['stale.bin', 'young.bin']) await writeFile(join(folder, name), Buffer.alloc(size, name))

    const first = await serve({ UPLOAD_CLEAN_ENABLED: 'false' })
    const ids: string[] = []
    for (const name of ['stale.bin', 'young.bin']) {
      const client = { STORAGE_URL: first.url, METADATA_URL: first.url, ACCESSTOKEN: 'anyone' }
      const { code, stdout, stderr } = await startProgram(['register', '--study', 'DEMO', name], { cwd: folder, env: client }).finished
      assert.is(code, 0, stderr)
      const objectId = stdout.split('\n')[1]?.split('\t')[0] ?? ''
      const begun = await fetch(`${first.url}/upload/${objectId}/uploads?fileSize=${size}&overwrite=false`, { method: 'POST' })
      assert.is(begun.status, 200, await begun.text())
      ids.push(objectId)
    }
    const [stale, young] = ids as [string, string]
    assert.is(await first.end(), 0, first.log())
    assert.ok((await age(env.SCORE_DATA, stale)) >= 2)

    const servers = await Promise.all([serve(), serve()])
    try {
      const statusOf = async (objectId: string, { url }: ScoreProcess): Promise<number> =>
        (await fetch(`${url}/upload/${objectId}/status?fileSize=${size}`)).status
      // Whoever asks for its status goes on with an upload, which then is none that was left alone.
      const isThere = async (objectId: string): Promise<boolean> =>
        (await readdir(join(env.SCORE_DATA, 'store/state/upload'))).some((name) => name.startsWith(objectId))
      for (const deadline = Date.now() + 120_000; (await isThere(stale)) && Date.now() < deadline; ) await wait(100)
      for (const server of servers) {
        assert.is(await statusOf(stale, server), 404, server.log())
        assert.is(await statusOf(young, server), 200, server.log())
      }
      await age(env.SCORE_DATA, young)
      // Each looks a few more times.
      await wait(5000)
      assert.ok(await isThere(young), 'the clean-up ran twice')
    } finally {
      for (const server of servers) assert.is(await server.end(), 0, server.log())
    }
    for (const server of servers) assert.not.match(server.log(), /cleaning up failed/)
  })
})
