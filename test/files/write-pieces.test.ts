import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { isScoreError } from '../../src/core/errors.ts'
import { writeFilePieces } from '../../src/files/write-pieces.ts'
import { suite } from '../support/suite.ts'

async function* pieces(count: number, broken?: Error): AsyncGenerator<Uint8Array> {
  // One array, as sources may hand out their buffer again and again.
  const piece = new Uint8Array(1000)
  for (let at = 0; at < count; at += 1) yield piece.fill(at)
  if (broken) throw broken
}

suite('files written piece by piece', (test) => {
  let folder = ''
  test.before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'score-pieces-'))
  })
  test.after(() => rm(folder, { recursive: true }))

  test('the name is there once all is written, and replaces what had it', async () => {
    const path = join(folder, 'whole')
    assert.is(await writeFilePieces(path, pieces(3)), 3000)
    assert.is(await writeFilePieces(path, pieces(2)), 2000)
    assert.equal(
      [...(await readFile(path))].filter((_, at) => at % 1000 === 0),
      [0, 1],
    )
    assert.equal(await readdir(folder), ['whole'])
  })

  test('what breaks off leaves what was there before, and nothing else', async () => {
    const path = join(folder, 'kept')
    await writeFile(path, 'before')
    const stop = new AbortController()
    stop.abort(new Error('enough'))
    for (const work of [() => writeFilePieces(path, pieces(3, new Error('broken'))), () => writeFilePieces(path, pieces(3), stop)]) {
      await work().then(
        () => assert.unreachable(),
        (error: Error) => assert.match(error.message, /broken|enough/),
      )
    }
    assert.is(await readFile(path, 'utf8'), 'before')
    assert.equal((await readdir(folder)).sort(), ['kept', 'whole'])
  })

  test('a folder that is not there is told by its name', async () => {
    const path = join(folder, 'gone', 'file')
    await writeFilePieces(path, pieces(1)).then(
      () => assert.unreachable(),
      (error: unknown) => assert.ok(isScoreError(error, 'local-storage') && error.message.includes(`'${path}'`), String(error)),
    )
  })
})
