/** Ends a wait that takes too long. One thing is waited for at a time. */
export interface Watchdog {
  /** From now on `seconds` may pass without a {@link Watchdog.touch}; then `expire` is told what was waited for. */
  expect(seconds: number, what: string): void
  touch(): void
  rest(): void
}

/**
 * A thread that was held up (by a slow disk, by its own hashing) sees its timers before the bytes that came meanwhile. So
 * an expiry counts only when the next turns of the event loop bring nothing either.
 */
export function createWatchdog(expire: (what: string, seconds: number) => void): Watchdog {
  let timer: NodeJS.Timeout | undefined
  let touches = 0
  const rest = (): void => {
    clearTimeout(timer)
    timer = undefined
  }
  return {
    expect(seconds, what) {
      rest()
      const current = setTimeout(() => {
        const before = touches
        setImmediate(() =>
          setImmediate(() => {
            if (timer === current && touches === before) expire(what, seconds)
          }),
        )
      }, seconds * 1000)
      timer = current
    },
    touch() {
      touches++
      timer?.refresh()
    },
    rest,
  }
}
