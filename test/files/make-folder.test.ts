import { existsSync } from 'node:fs'
import { mkdtemp, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { isScoreError } from '../../src/core/errors.ts'
import { makeFolder } from '../../src/files/make-folder.ts'
import { suite } from '../support/suite.ts'

const refused = async (path: string): Promise<string> => {
  const error = await makeFolder(path, { doing: 'keep it in' }).then(
    () => assert.unreachable(`${path} was made`),
    (reason: unknown) => reason,
  )
  assert.ok(isScoreError(error, 'local-storage'), String(error))
  return error.message
}

suite<{ folder: string }>('files/make-folder', (test) => {
  test.beforeEach(async (context) => {
    context.folder = await mkdtemp(join(tmpdir(), 'score-folder-'))
  })
  test.afterEach(async ({ folder }) => rm(folder, { recursive: true }))

  test('makes what is missing, with the mode, and says where that begins', async ({ folder }) => {
    const path = join(folder, 'a', 'b', 'c')
    assert.is(await makeFolder(path, { mode: 0o700 }), join(folder, 'a'))
    for (const made of [path, join(folder, 'a')]) assert.is((await stat(made)).mode & 0o777, 0o700)
    assert.is(await makeFolder(path), undefined)
    assert.is(await makeFolder(join(path, 'd')), join(path, 'd'))
    assert.is(await makeFolder('/'), undefined)
  })

  test('a file in the way is named', async ({ folder }) => {
    const file = join(folder, 'file')
    await writeFile(file, '')
    for (const path of [file, join(file, 'below'), join(file, 'far', 'below')]) {
      const message = await refused(path)
      assert.ok(message.includes(`cannot keep it in '${path}'`), message)
    }
  })

  test('what is not allowed is told as such, unless the folder is there', async () => {
    if (!existsSync('/sys/kernel')) return
    assert.match(await refused('/sys/score-nothing'), /EPERM|EACCES|EROFS/)
    assert.is(await makeFolder('/sys/kernel'), undefined)
  })

  test('a file system that answers ENOENT where the parent exists is an error, not a wait without end', async () => {
    if (!existsSync('/proc/self')) return
    for (const path of ['/proc/score-nothing', '/proc/score-nothing/below/it']) assert.match(await refused(path), /ENOENT/)
  })

  test('is made beside those who make and remove the same', async ({ folder }) => {
    const path = join(folder, 'a', 'b', 'c')
    const folders = [path, join(path, '..'), join(path, '..', '..')]
    const removeAll = async (): Promise<void> => {
      for (const one of folders) await rmdir(one).catch(() => undefined)
    }
    const remove = async (): Promise<void> => {
      for (let times = 0; times < 4; times++) await removeAll()
    }
    for (let round = 0; round < 100; round++) await Promise.all([makeFolder(path), makeFolder(path), remove(), makeFolder(path)])
    await removeAll()
    assert.is(await makeFolder(path), folders.at(-1))
  })
})
