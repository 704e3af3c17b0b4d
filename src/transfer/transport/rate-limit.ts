/** Longest time that may be caught up on at once after a pause, in microseconds. */
const burstMicros = 50_000n

/** One budget of bytes per second for everything that holds the same cell, in whatever thread. */
export interface RateLimit {
  /** Bytes that one step should move, so that the flow stays smooth: a multiple of 64. */
  readonly quantumBytes: number
  /** Takes `bytes` out of the budget. Returns how long to wait before the next byte, in milliseconds; 0 = go on. */
  take(bytes: number): number
}

export interface RateLimitOptions {
  readonly bytesPerSecond: number
  /** Made by {@link createRateCell}; shared by the threads. */
  readonly cell: SharedArrayBuffer
  /** Monotonic and the same in all threads, in microseconds. */
  readonly nowMicros?: () => bigint
}

/** What threads share of a {@link RateLimit}: the moment up to which the budget is spent. */
export function createRateCell(): SharedArrayBuffer {
  return new SharedArrayBuffer(8)
}

function monotonicMicros(): bigint {
  return process.hrtime.bigint() / 1000n
}

/**
 * A token bucket in one number: the moment at which all that was taken will have been paid for. Taking moves the moment
 * on by `bytes / rate`; whoever takes waits until it has come.
 */
export function createRateLimit(options: RateLimitOptions): RateLimit {
  const { bytesPerSecond, nowMicros = monotonicMicros } = options
  const paidUntil = new BigInt64Array(options.cell)
  const perStep = Math.floor(bytesPerSecond / 20 / 64) * 64
  return {
    quantumBytes: Math.max(4096, perStep),
    take(bytes) {
      const cost = BigInt(Math.ceil((bytes * 1e6) / bytesPerSecond))
      for (;;) {
        const before = Atomics.load(paidUntil, 0)
        const now = nowMicros()
        const earliest = now - burstMicros
        const after = (before > earliest ? before : earliest) + cost
        if (Atomics.compareExchange(paidUntil, 0, before, after) !== before) continue
        return Math.max(0, Number(after - now)) / 1000
      }
    },
  }
}
