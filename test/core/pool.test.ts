import { setImmediate as turn } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { runPool } from '../../src/core/pool.ts'
import { suite } from '../support/suite.ts'

suite('pool', (test) => {
  test('never more at once than allowed, and all of them', async () => {
    let running = 0
    let peak = 0
    const seen: number[] = []
    await runPool(
      Array.from({ length: 50 }, (_, index) => index),
      async (item) => {
        peak = Math.max(peak, ++running)
        await turn()
        running--
        seen.push(item)
      },
      { concurrency: 4 },
    )
    assert.is(peak, 4)
    assert.is(seen.length, 50)
  })

  test('takes items lazily', async () => {
    let taken = 0
    let done = 0
    let lead = 0
    function* items(): Generator<number> {
      for (let item = 0; item < 1000; item++) {
        taken++
        lead = Math.max(lead, taken - done)
        yield item
      }
    }
    await runPool(
      items(),
      async () => {
        await turn()
        done++
      },
      { concurrency: 3 },
    )
    assert.is(done, 1000)
    assert.ok(lead <= 5, `ran ${lead} ahead`)
  })

  test('the first failure stops the rest, and comes out after those that had begun have ended', async () => {
    const ended: number[] = []
    const aborted: number[] = []
    const failure = new Error('third')
    const outcome = await runPool(
      [1, 2, 3, 4, 5, 6, 7, 8],
      async (item, { signal }) => {
        if (item === 3) throw failure
        for (let round = 0; round < 5; round++) await turn()
        if (signal.aborted) aborted.push(item)
        ended.push(item)
      },
      { concurrency: 3 },
    ).catch((error: unknown) => error)
    assert.is(outcome, failure)
    assert.equal(ended, [1, 2])
    assert.equal(aborted, [1, 2])
  })

  test("the caller's abort wins, with its reason", async () => {
    const controller = new AbortController()
    const reason = new Error('stop')
    const outcome = await runPool(
      [1, 2, 3],
      async (item) => {
        if (item === 1) controller.abort(reason)
        await turn()
        throw new Error('a consequence')
      },
      { concurrency: 2, signal: controller.signal },
    ).catch((error: unknown) => error)
    assert.is(outcome, reason)
  })

  test('a source that fails half-way fails the pool', async () => {
    async function* items(): AsyncGenerator<number> {
      yield 1
      throw new Error('listing broke')
    }
    const outcome = await runPool(items(), async () => {}, { concurrency: 2 }).catch((error: unknown) => error)
    assert.match(String(outcome), /listing broke/)
  })
})
