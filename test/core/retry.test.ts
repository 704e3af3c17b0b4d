import * as assert from 'uvu/assert'
import { isScoreError, type ProblemCode, problems, ScoreError, toScoreError } from '../../src/core/errors.ts'
import { type RetryOptions, retry } from '../../src/core/retry.ts'
import { suite } from '../support/suite.ts'

function clock(): { readonly waits: number[]; readonly options: RetryOptions } {
  const waits: number[] = []
  return {
    waits,
    options: {
      random: () => 1,
      sleep: async (ms) => {
        waits.push(ms)
      },
    },
  }
}

suite('retry', (test) => {
  test('doubles the bound to its cap and gives the last failure', async () => {
    const { waits, options } = clock()
    let calls = 0
    const failing = retry(
      async () => {
        calls++
        throw new ScoreError('unavailable', `try ${calls}`)
      },
      { ...options, policy: { attempts: 5, baseDelayMs: 100, maximumDelayMs: 500 } },
    )
    const error = await failing.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    assert.ok(isScoreError(error, 'unavailable'))
    assert.is((error as Error).message, 'try 5')
    assert.equal(waits, [200, 400, 500, 500])
  })

  for (const [code, traits] of Object.entries(problems)) {
    test(`${code}: ${traits.retry === 'same-request' ? 'tried again' : 'at once'}`, async () => {
      const { waits, options } = clock()
      const work = async (attempt: number): Promise<number> => {
        if (attempt < 2) throw new ScoreError(code as ProblemCode, 'once')
        return attempt
      }
      const outcome = await retry(work, options).catch((error: unknown) => error)
      assert.is(waits.length, traits.retry === 'same-request' ? 1 : 0)
      assert.is(outcome === 2, traits.retry === 'same-request')
    })
  }

  test('waits as long as the peer asks, within two minutes', async () => {
    const { waits, options } = clock()
    const asked = [3, 100_000]
    await retry(async (attempt) => {
      const retryAfterSeconds = asked[attempt - 1]
      if (retryAfterSeconds !== undefined) throw new ScoreError('unavailable', 'busy', { retryAfterSeconds })
    }, options)
    assert.equal(waits, [4000, 121_000])
  })

  test('an abort ends the wait with its own reason', async () => {
    const controller = new AbortController()
    const reason = new Error('the user left')
    const running = retry(async () => Promise.reject(new ScoreError('unavailable', 'down')), {
      policy: { attempts: -1, baseDelayMs: 1e6, maximumDelayMs: 1e6 },
      random: () => 1,
      signal: controller.signal,
      onRetry: () => queueMicrotask(() => controller.abort(reason)),
    })
    assert.is(await running.catch((error: unknown) => error), reason)
  })

  test('unknown failures become ScoreErrors and keep their cause', () => {
    const cause = new TypeError('boom')
    const error = toScoreError(cause)
    assert.is(error.code, 'internal')
    assert.is(error.cause, cause)
    assert.is(toScoreError(error), error)
    assert.not.ok(isScoreError(cause))
    assert.not.ok(isScoreError(error, 'unavailable', 'access-denied'))
  })
})
