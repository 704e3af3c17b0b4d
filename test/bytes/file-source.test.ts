import { appendFile, chmod, mkdir, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type ByteSource, readBytes } from '../../src/bytes/byte-source.ts'
import { createFileSource } from '../../src/bytes/file-source.ts'
import { createMemorySource } from '../../src/bytes/memory-source.ts'
import { isScoreError, type ProblemCode } from '../../src/core/errors.ts'
import { suite } from '../support/suite.ts'

const bytes = Buffer.from(Array.from({ length: 2_500_000 }, (_, index) => (index * 31 + (index >> 8)) & 255))

async function failure(work: () => Promise<unknown>, code: ProblemCode, ...parts: readonly string[]): Promise<void> {
  const error = await work().then(
    () => assert.unreachable(`no ${code}`),
    (reason: unknown) => reason,
  )
  assert.ok(isScoreError(error, code), String(error))
  for (const part of parts) assert.ok(error.message.includes(part), error.message)
}

const ranges = [
  [0, 0],
  [0, 1],
  [0, 2_500_000],
  [1_048_575, 1_048_577],
  [2_499_999, 2_500_000],
  [2_500_000, 2_500_000],
] as const

const wrongRanges = [
  [0, 2_500_001],
  [-1, 4],
  [7, 3],
  [0, Number.NaN],
  [0.5, 2],
] as const

suite<{ folder: string; path: string; source: ByteSource }>('bytes/file-source', (test) => {
  test.beforeEach(async (context) => {
    context.folder = await mkdtemp(join(tmpdir(), 'score-source-'))
    context.path = join(context.folder, 'a.bam')
    await writeFile(context.path, bytes)
    await utimes(context.path, 1_000_000, 1_000_000)
    context.source = createFileSource(context.path)
  })
  test.afterEach(async ({ folder, source }) => {
    await source.close()
    await rm(folder, { recursive: true })
  })

  test('gives every range of a file and of memory', async ({ source }) => {
    for (const one of [source, createMemorySource(bytes)]) {
      assert.is(await one.size(), bytes.length)
      for (const [start, end] of ranges)
        assert.ok(bytes.subarray(start, end).equals(await readBytes(one, { start, end })), `${start} ${end}`)
      for (const [start, end] of wrongRanges) {
        await failure(async () => {
          for await (const piece of one.stream({ start, end })) assert.unreachable(`${piece.length} bytes`)
        }, 'invalid-range')
      }
    }
  })

  test('several streams at once do not disturb each other', async ({ source }) => {
    const reads = Array.from({ length: 24 }, async (_, index) => {
      const range = { start: index * 1000, end: bytes.length - index }
      assert.ok(bytes.subarray(range.start, range.end).equals(await readBytes(source, range)))
    })
    await Promise.all(reads)
  })

  const changes: readonly [string, (path: string) => Promise<void>][] = [
    ['grows', (path) => appendFile(path, 'more')],
    ['is cut', (path) => writeFile(path, bytes.subarray(0, 1_500_000))],
    ['is written in place', (path) => writeFile(path, bytes)],
    ['gets another time', (path) => utimes(path, 1, 1)],
    ['is replaced', async (path) => rename(await writeFile(`${path}.new`, bytes).then(() => `${path}.new`), path)],
    ['is removed', (path) => rm(path)],
  ]
  for (const [change, make] of changes) {
    test(`a file that ${change} between reads is refused`, async ({ source, path }) => {
      await source.size()
      await make(path)
      await failure(() => readBytes(source, { start: 0, end: 10 }), 'object-changed', path)
    })
    test(`a file that ${change} during a read is refused`, async ({ source, path }) => {
      await failure(
        async () => {
          let pieces = 0
          for await (const piece of source.stream({ start: 0, end: bytes.length })) if (piece.length > 0 && ++pieces === 1) await make(path)
        },
        'object-changed',
        path,
      )
    })
  }

  test('what cannot be read says why', async ({ folder, path }) => {
    const missing = join(folder, 'missing.bam')
    await failure(() => createFileSource(missing).size(), 'invalid-request', missing, 'no file')
    await mkdir(join(folder, 'folder'))
    await failure(() => createFileSource(join(folder, 'folder')).size(), 'invalid-request', 'folder')
    if (process.getuid?.() === 0) return
    await chmod(path, 0)
    await failure(() => createFileSource(path).size(), 'local-storage', path, 'permission')
  })

  test('an abort ends a stream', async ({ source }) => {
    const stop = new AbortController()
    const read = async (): Promise<void> => {
      for await (const piece of source.stream({ start: 0, end: bytes.length }, { signal: stop.signal })) {
        assert.ok(piece.length > 0)
        stop.abort(new Error('told to stop'))
      }
    }
    assert.is(await read().catch((error: Error) => error.message), 'told to stop')
  })

  test('an empty file is a source of nothing', async ({ path }) => {
    await writeFile(path, '')
    const source = createFileSource(path)
    assert.is(await source.size(), 0)
    assert.is((await readBytes(source, { start: 0, end: 0 })).length, 0)
    await source.close()
    await source.close()
  })
})
