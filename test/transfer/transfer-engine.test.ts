import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { md5Hex } from '../../src/core/checksum.ts'
import { suite } from '../support/suite.ts'
import { someBytes, withWorkbench } from './workbench.ts'

const KiB = 1024

suite('transfer engine: the usual way', (test) => {
  test('a file goes up in parts and comes back the same; nothing else is left behind', () =>
    withWorkbench(async ({ engine, score, objectId, file, folder, events, left }) => {
      const bytes = someBytes(1000 * KiB + 17)
      const path = await file('a.bam', bytes)
      const up = await engine.upload({ objectId, from: { path }, md5: md5Hex(bytes) }, { progress: (event) => events.push(event) })
      assert.equal(score.objects.get(objectId)?.bytes.equals(bytes), true)
      assert.is(up.partsMoved, 16)
      assert.is(up.bytesMoved, bytes.length)
      assert.is(up.verified, 'whole')
      assert.equal(await left(), ['a.bam'])
      const target = join(folder, 'sub', 'b.bam')
      const down = await engine.download({ objectId, path: target }, { progress: (event) => events.push(event) })
      assert.equal(await readFile(target), bytes)
      assert.is(down.md5, md5Hex(bytes))
      assert.is(down.partsMoved, 16)
      assert.equal(await left('a.bam'), ['sub'])
      assert.is((await stat(target)).mode & 0o777, 0o666 & ~process.umask())
      const moved = events.filter((event) => event.type === 'bytes').reduce((sum, event) => sum + event.count, 0)
      assert.is(moved, 2 * bytes.length)
      assert.equal(
        events.filter((event) => event.type === 'started' || event.type === 'finished').map((event) => event.type),
        ['started', 'finished', 'started', 'finished'],
      )
    }))

  test('without an MD5 the file is read beforehand, and the service is told', () =>
    withWorkbench(async ({ engine, score, objectId, file }) => {
      const bytes = someBytes(200 * KiB)
      const receipt = await engine.upload({ objectId, from: { path: await file('a', bytes) } })
      assert.is(score.objects.get(objectId)?.md5, md5Hex(bytes))
      assert.is(receipt.md5, md5Hex(bytes))
    }))

  test('an empty object becomes an empty file', () =>
    withWorkbench(async ({ engine, score, objectId, folder, left }) => {
      score.put(objectId, Buffer.alloc(0))
      const receipt = await engine.download({ objectId, path: join(folder, 'empty') })
      assert.is((await stat(join(folder, 'empty'))).size, 0)
      assert.is(receipt.verified, 'whole')
      assert.equal(await left(), ['empty'])
    }))

  test('a range lands at the start of its file, whatever the MD5 of the whole', () =>
    withWorkbench(async ({ engine, score, objectId, folder, left }) => {
      const bytes = someBytes(500 * KiB)
      score.put(objectId, bytes)
      const path = join(folder, 'slice')
      const receipt = await engine.download({ objectId, path, range: { start: 100_001, end: 400_000 } })
      assert.equal(await readFile(path), bytes.subarray(100_001, 400_000))
      assert.is(receipt.md5, undefined)
      assert.is(receipt.verified, 'lengths')
      await engine.download({ objectId, path: join(folder, 'rest'), range: { start: 450_000 } })
      assert.equal(await readFile(join(folder, 'rest')), bytes.subarray(450_000))
      assert.equal((await left()).sort(), ['rest', 'slice'])
    }))

  test('many parts in flight warn of nothing', () =>
    withWorkbench(async ({ engine, score, objectId, folder }) => {
      const warnings: Error[] = []
      const note = (warning: Error): void => void warnings.push(warning)
      process.on('warning', note)
      score.partSize = 4 * KiB
      score.put(objectId, someBytes(400 * KiB))
      const stop = new AbortController()
      await engine.download({ objectId, path: join(folder, 'a') }, { concurrency: 48, signal: stop.signal })
      await new Promise((resolve) => setImmediate(resolve))
      process.off('warning', note)
      assert.equal(warnings.map(String), [])
    }))
})
