import type { CallOptions } from '../../src/index.ts'

export interface SweepScheduleOptions {
  /** What is done, such as `score.sweep` of an embedded score. It may run in several servers at once. */
  readonly sweep: (options: CallOptions) => Promise<void>
  /** Told when a sweep failed; the next one comes all the same. */
  readonly onFailure: (error: unknown) => void
  /** Default 24. */
  readonly everyHours?: number
  /** Until the first sweep, so that a server that is started every day sweeps too; default 10. */
  readonly firstMinutes?: number
  /** 0 to below 1; default `Math.random`. */
  readonly random?: () => number
  /** Calls back after so many ms, and returns what calls that off; default a timer that keeps no process alive. */
  readonly after?: (delayMs: number, work: () => void) => () => void
}

function afterUnref(delayMs: number, work: () => void): () => void {
  const timer = setTimeout(work, delayMs)
  timer.unref()
  return () => clearTimeout(timer)
}

/**
 * Cleans up now and then: soon after the start, then every day, each time up to half as late again, so that servers that
 * were started together do not sweep together.
 *
 * @returns what ends it, and waits for a sweep that runs after telling it to stop.
 */
export function scheduleSweeps(options: SweepScheduleOptions): () => Promise<void> {
  const { sweep, onFailure, everyHours = 24, firstMinutes = 10, random = Math.random, after = afterUnref } = options
  const controller = new AbortController()
  const { signal } = controller
  let running: Promise<void> = Promise.resolve()
  let callOff: () => void = () => undefined

  const plan = (delayMs: number): void => {
    if (signal.aborted) return
    callOff = after(delayMs * (1 + random() / 2), () => {
      running = sweep({ signal })
        .catch((error: unknown) => {
          if (!signal.aborted) onFailure(error)
        })
        .then(() => plan(everyHours * 3_600_000))
    })
  }
  plan(firstMinutes * 60_000)
  return async () => {
    controller.abort(new Error('the server ends'))
    callOff()
    await running
  }
}
