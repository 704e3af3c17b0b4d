import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { isScoreError } from '../../src/core/errors.ts'
import { createFileExclusive, isTemporaryName, syncDirectory, temporaryPath, writeFileAtomic } from '../../src/files/atomic-write.ts'
import { suite } from '../support/suite.ts'

suite<{ folder: string }>('files/atomic-write', (test) => {
  test.beforeEach(async (context) => {
    context.folder = await mkdtemp(join(tmpdir(), 'score-files-'))
  })
  test.afterEach(async ({ folder }) => rm(folder, { recursive: true }))

  test('creates, replaces, and leaves nothing beside', async ({ folder }) => {
    const path = join(folder, 'a')
    await writeFileAtomic(path, 'one')
    await writeFileAtomic(path, new TextEncoder().encode('two'), { durable: false })
    assert.is(await readFile(path, 'utf8'), 'two')
    assert.equal(await readdir(folder), ['a'])
  })

  test('gives the mode asked for, from the first moment', async ({ folder }) => {
    await writeFileAtomic(join(folder, 'secret'), 'x', { mode: 0o600 })
    await createFileExclusive(join(folder, 'key'), 'x', { mode: 0o600 })
    assert.is((await stat(join(folder, 'secret'))).mode & 0o777, 0o600)
    assert.is((await stat(join(folder, 'key'))).mode & 0o777, 0o600)
  })

  test('a reader never sees a mixture while writers replace the file', async ({ folder }) => {
    const path = join(folder, 'a')
    const texts = ['a', 'b', 'c'].map((letter) => letter.repeat(200_000))
    await writeFileAtomic(path, texts[0] as string)
    let writing = true
    const writers = Promise.all(
      texts.map(async (text) => {
        for (let round = 0; round < 10; round++) await writeFileAtomic(path, text, { durable: false })
      }),
    ).then(() => {
      writing = false
    })
    let reads = 0
    while (writing) {
      assert.ok(texts.includes(await readFile(path, 'utf8')))
      reads++
    }
    await writers
    assert.ok(reads > 0)
  })

  test('exclusive creation has one winner, whose content stays', async ({ folder }) => {
    const path = join(folder, 'a')
    const results = await Promise.all(Array.from({ length: 20 }, (_, index) => createFileExclusive(path, `${index}`, { durable: false })))
    assert.is(results.filter(Boolean).length, 1)
    assert.is(await readFile(path, 'utf8'), `${results.indexOf(true)}`)
    assert.equal(await readdir(folder), ['a'])
  })

  test('a target that cannot be written names itself and leaves nothing', async ({ folder }) => {
    await writeFile(join(folder, 'file'), '')
    for (const path of [join(folder, 'missing', 'a'), join(folder, 'file', 'a')]) {
      for (const write of [writeFileAtomic, createFileExclusive]) {
        try {
          await write(path, 'x')
          assert.unreachable()
        } catch (error) {
          assert.ok(isScoreError(error, 'local-storage'), String(error))
          assert.ok(error.message.includes(path), error.message)
        }
      }
    }
    assert.equal(await readdir(folder), ['file'])
  })

  test('temporary names are told from all others', () => {
    assert.ok(isTemporaryName(temporaryPath('').slice(0)))
    assert.not(isTemporaryName('.tmp-'))
    assert.not(isTemporaryName('a.bam'))
  })

  test('syncing a folder that is not there fails', async ({ folder }) => {
    await syncDirectory(folder)
    try {
      await syncDirectory(join(folder, 'missing'))
      assert.unreachable()
    } catch (error) {
      assert.ok(isScoreError(error, 'local-storage'))
    }
  })
})
