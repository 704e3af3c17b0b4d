import * as assert from 'uvu/assert'
import { scheduleSweeps } from '../../../adapters/server/index.ts'
import { suite } from '../../support/suite.ts'

/** A clock that is moved by hand: what is planned, and a way to let it come. */
function handClock() {
  const planned: { readonly delayMs: number; readonly work: () => void }[] = []
  return {
    after(delayMs: number, work: () => void) {
      const plan = { delayMs, work }
      planned.push(plan)
      return () => {
        const at = planned.indexOf(plan)
        if (at >= 0) planned.splice(at, 1)
      }
    },
    delays: () => planned.map(({ delayMs }) => delayMs),
    async come() {
      planned.shift()?.work()
      for (let turn = 0; turn < 10; turn++) await Promise.resolve()
    },
  }
}

const unexpected = (error: unknown): void => assert.unreachable(String(error))

const minute = 60_000
const hour = 60 * minute

suite('sweep schedule', (test) => {
  test('soon after the start, then every day, up to half as late again', async () => {
    const clock = handClock()
    const chances = [0, 0.5, 0.999]
    let sweeps = 0
    const end = scheduleSweeps({
      sweep: async () => {
        sweeps++
      },
      onFailure: unexpected,
      random: () => chances.shift() ?? 0,
      after: clock.after,
    })
    assert.equal(clock.delays(), [10 * minute])
    await clock.come()
    assert.equal(clock.delays(), [30 * hour])
    await clock.come()
    assert.ok((clock.delays()[0] ?? 0) < 36 * hour)
    assert.is(sweeps, 2)
    await end()
    assert.equal(clock.delays(), [])
  })

  test('a failure is told, and the next sweep comes all the same', async () => {
    const clock = handClock()
    const failures: unknown[] = []
    const end = scheduleSweeps({
      sweep: async () => {
        throw new Error('no store')
      },
      onFailure: (error) => failures.push(error),
      after: clock.after,
    })
    await clock.come()
    assert.is(failures.length, 1)
    assert.is(clock.delays().length, 1)
    await end()
  })

  test('ending tells a running sweep to stop, waits for it, says nothing of it, and plans no other', async () => {
    const clock = handClock()
    let stopped = false
    const end = scheduleSweeps({
      sweep: ({ signal }) =>
        new Promise((_, reject) => {
          signal?.addEventListener('abort', () => {
            stopped = true
            reject(signal.reason as Error)
          })
        }),
      onFailure: unexpected,
      after: clock.after,
    })
    await clock.come()
    await end()
    assert.ok(stopped)
    assert.equal(clock.delays(), [])
  })

  test('no process is kept alive by it', () => {
    // The runner fails a file that does not end by itself.
    scheduleSweeps({ sweep: async () => undefined, onFailure: unexpected })
  })
})
