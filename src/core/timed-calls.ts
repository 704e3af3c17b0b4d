/** How long a call took, and whether it failed. */
export interface CallTime {
  readonly durationMs: number
  readonly failed: boolean
}

export interface TimedCalls {
  /** Of a call that waits for nothing. */
  now<Result>(call: () => Result, tell: (time: CallTime) => void): Result
  one<Result>(call: () => Promise<Result>, tell: (time: CallTime) => void): Promise<Result>
  /** Of a stream: until its end, or until its reader had enough, which is no failure. */
  many<Item>(call: () => AsyncIterable<Item>, tell: (time: CallTime) => void): AsyncGenerator<Item>
}

/** Measures calls, for those who observe a port. @param now - milliseconds */
export function createTimedCalls(now: () => number): TimedCalls {
  return {
    now(call, tell) {
      const started = now()
      let failed = true
      try {
        const result = call()
        failed = false
        return result
      } finally {
        tell({ durationMs: now() - started, failed })
      }
    },
    async one(call, tell) {
      const started = now()
      let failed = true
      try {
        const result = await call()
        failed = false
        return result
      } finally {
        tell({ durationMs: now() - started, failed })
      }
    },
    async *many(call, tell) {
      const started = now()
      let failed = false
      try {
        yield* call()
      } catch (error) {
        failed = true
        throw error
      } finally {
        tell({ durationMs: now() - started, failed })
      }
    },
  }
}
