import { isScoreError, type ProblemCode } from '../core/errors.ts'

/** Counts calls, those that have not ended, and those that their callers gave up. */
export function createCallTally(now: () => number) {
  const since = new Date(now())
  const pending = new Map<symbol, number>()
  const failures: Partial<Record<ProblemCode, number>> = {}
  let interrupted = 0
  return {
    async track<Result>(call: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
      const key = Symbol('call')
      pending.set(key, now())
      try {
        return await call()
      } catch (error) {
        const code = isScoreError(error) ? error.code : 'internal'
        if (signal?.aborted) interrupted += 1
        else failures[code] = (failures[code] ?? 0) + 1
        throw error
      } finally {
        pending.delete(key)
      }
    },
    told() {
      const [oldest] = pending.values()
      const oldestPendingMs = oldest === undefined ? 0 : now() - oldest
      return { since, pending: pending.size, oldestPendingMs, failures: { ...failures }, interrupted }
    },
  }
}
