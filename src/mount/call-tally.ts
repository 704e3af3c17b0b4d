import { isScoreError, type ProblemCode } from '../core/errors.ts'

/** Counts calls, and those that have not ended. */
export function createCallTally(now: () => number) {
  const since = new Date(now())
  const pending = new Map<symbol, number>()
  const failures: Partial<Record<ProblemCode, number>> = {}
  return {
    async track<Result>(call: () => Promise<Result>): Promise<Result> {
      const key = Symbol('call')
      pending.set(key, now())
      try {
        return await call()
      } catch (error) {
        const code = isScoreError(error) ? error.code : 'internal'
        failures[code] = (failures[code] ?? 0) + 1
        throw error
      } finally {
        pending.delete(key)
      }
    },
    told() {
      const [oldest] = pending.values()
      return { since, pending: pending.size, oldestPendingMs: oldest === undefined ? 0 : now() - oldest, failures: { ...failures } }
    },
  }
}
