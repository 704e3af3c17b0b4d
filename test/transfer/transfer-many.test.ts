import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { md5Hex } from '../../src/core/checksum.ts'
import { ScoreError } from '../../src/core/errors.ts'
import type { TransferOutcome, TransferTask } from '../../src/transfer/transfer-task.ts'
import { createPartTransport } from '../../src/transfer/transport/create-part-transport.ts'
import { suite } from '../support/suite.ts'
import { someBytes, type Workbench, withWorkbench } from './workbench.ts'

const partSize = 16 * 1024

function downloads({ score, folder }: Workbench, count: number, parts = 4): { tasks: TransferTask[]; ids: string[]; contents: Buffer[] } {
  score.partSize = partSize
  const ids = Array.from({ length: count }, () => randomUUID())
  const contents = ids.map((id, index) => {
    const bytes = someBytes(parts * partSize - index, index + 1)
    score.put(id, bytes)
    return bytes
  })
  return { ids, contents, tasks: ids.map((objectId, index) => ({ download: { objectId, path: join(folder, `f${index}`) } })) }
}

suite('several files', (test) => {
  test('up and down, mixed, in worker threads', () =>
    withWorkbench(
      async (bench) => {
        const { tasks, contents } = downloads(bench, 3)
        const objectId = randomUUID()
        const bytes = someBytes(5 * partSize, 99)
        const path = await bench.file('up', bytes)
        const seen: TransferOutcome[] = []
        const result = await bench.engine.transferMany([...tasks, { upload: { objectId, from: { path }, md5: md5Hex(bytes) } }], {
          files: 2,
          onOutcome: (outcome) => seen.push(outcome),
        })
        assert.equal([result.done, result.failed, result.notBegun, seen.length], [4, 0, 0, 4])
        for (const [index, content] of contents.entries()) assert.equal(await readFile(join(bench.folder, `f${index}`)), content)
        assert.equal(bench.score.objects.get(objectId)?.bytes, bytes)
        assert.equal(
          result.outcomes.map((outcome) => outcome.task),
          [...tasks, { upload: { objectId, from: { path }, md5: md5Hex(bytes) } }],
        )
      },
      { transport: createPartTransport({ workers: 2 }) },
    ))

  test('one budget of connections for all, the oldest file first, a bounded number of files', () =>
    withWorkbench(async (bench) => {
      const { tasks, ids } = downloads(bench, 5, 6)
      let open = 0
      let most = 0
      const begun = new Set<string>()
      let mostFiles = 0
      const finished = new Set<string>()
      const answered = async (): Promise<void> => {
        await new Promise((resolve) => setTimeout(resolve, 5))
        open--
      }
      bench.score.fault = (request) => {
        begun.add(request.objectId)
        open++
        most = Math.max(most, open)
        mostFiles = Math.max(mostFiles, [...begun].filter((id) => !finished.has(id)).length)
        return { kind: 'hold', until: answered() }
      }
      await bench.engine.transferMany(tasks, {
        concurrency: 3,
        files: 2,
        progress: (event) => void (event.type === 'finished' && finished.add(event.objectId)),
      })
      assert.ok(most <= 3, `${most} connections at once`)
      assert.ok(mostFiles <= 2, `${mostFiles} files at once`)
      assert.is(begun.size, ids.length)
      for (const [at, id] of [...begun].entries())
        assert.ok(Math.abs(ids.indexOf(id) - at) < 2, 'no file before one that is two places ahead of it')
    }))

  test('some fail: the others are done, each failure is told', () =>
    withWorkbench(async (bench) => {
      const { tasks, ids } = downloads(bench, 4)
      bench.score.objects.delete(ids[1] as string)
      const result = await bench.engine.transferMany(tasks)
      assert.equal([result.done, result.failed, result.notBegun], [3, 1, 0])
      assert.is(result.stoppedBy, undefined)
      const [, failed] = result.outcomes
      assert.ok(failed?.status === 'failed' && failed.error.code === 'object-not-found')
    }))

  test('no valid token: told once, the rest is not begun', () =>
    withWorkbench(async (bench) => {
      const { tasks } = downloads(bench, 30)
      bench.score.refuse = () => new ScoreError('unauthenticated', 'planned')
      const result = await bench.engine.transferMany(tasks, { files: 1 })
      assert.equal([result.done, result.failed, result.notBegun], [0, 1, 29])
      assert.is(result.stoppedBy?.code, 'unauthenticated')
    }))

  test('the same denial for most of the first twenty: the rest is not begun', () =>
    withWorkbench(async (bench) => {
      const { tasks, ids } = downloads(bench, 30, 1)
      const allowed = new Set(ids.slice(0, 8))
      bench.score.refuse = (_, [query]) =>
        allowed.has((query as { objectId: string }).objectId) ? undefined : new ScoreError('access-denied', 'planned')
      const result = await bench.engine.transferMany(tasks, { files: 1 })
      assert.equal([result.done, result.failed, result.notBegun], [8, 11, 11])
    }))

  test('unknown ids never stop the others', () =>
    withWorkbench(async (bench) => {
      const { tasks, ids } = downloads(bench, 30, 1)
      for (const id of ids.slice(0, 29)) bench.score.objects.delete(id)
      const result = await bench.engine.transferMany(tasks)
      assert.equal([result.done, result.failed, result.notBegun], [1, 29, 0])
    }))

  test('an abort ends it with the reason', () =>
    withWorkbench(async (bench) => {
      const { tasks } = downloads(bench, 5)
      const stop = new AbortController()
      bench.score.fault = () => {
        stop.abort(new Error('enough'))
        return undefined
      }
      const thrown = await bench.engine.transferMany(tasks, { signal: stop.signal }).catch((error: unknown) => error)
      assert.is((thrown as Error).message, 'enough')
    }))

  test('closing the engine ends what runs, and it can be gone on with', () =>
    withWorkbench(async (bench) => {
      const { tasks, contents } = downloads(bench, 1)
      const engine = bench.newEngine()
      bench.score.fault = (request) => (request.partNumber === 3 ? { kind: 'hold', until: new Promise(() => undefined) } : undefined)
      const running = engine.transferMany(tasks, { concurrency: 1 })
      while (bench.score.requests.length < 3) await new Promise((resolve) => setTimeout(resolve, 5))
      await engine.close()
      const result = await running
      assert.is(result.failed, 1)
      bench.score.fault = undefined
      const [outcome] = (await bench.engine.transferMany(tasks)).outcomes
      assert.ok(outcome?.status === 'done' && outcome.receipt.partsKept === 2)
      assert.equal(await readFile(join(bench.folder, 'f0')), contents[0])
    }))
})
