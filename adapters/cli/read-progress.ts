import type { CommandContext } from './context.ts'
import { formatBytes, formatDuration, formatRate, printable } from './format.ts'
import { everyMs } from './progress-view.ts'

/** Shows how far the reading of files is: one rewritten line on a terminal, a plain line every ten seconds elsewhere, or JSON. */
export interface ReadProgress {
  /** So many bytes more will be read. */
  expect(bytes: number): void
  /** So many were read, of what is called so. */
  read(bytes: number, name: string): void
  /** Takes the line away. */
  stop(): void
}

const lineEveryMs = 10_000
const redrawEveryMs = 500
const jsonEveryMs = 1000

export function createReadProgress(
  { output, now }: Pick<CommandContext, 'output' | 'now'>,
  every: (ms: number, work: () => void) => () => void = everyMs,
): ReadProgress {
  const began = now()
  let total = 0
  let done = 0
  let current = ''
  const describe = (): string => {
    const seconds = (now() - began) / 1000
    const rate = seconds > 0 ? done / seconds : 0
    const most = Math.max(done, total)
    const left = rate > 0 ? `ETA ${formatDuration((most - done) / rate)}` : 'ETA -:--'
    return `${String(Math.floor((100 * done) / most)).padStart(3)}%  ${formatBytes(done)} of ${formatBytes(most)} read  ${formatRate(rate)}  ${left}  ${printable(current)}`
  }
  const tick = (): void => {
    if (done === 0) return
    if (output.json) output.event({ type: 'progress', bytes: done, totalBytes: Math.max(done, total) })
    else if (output.interactive) output.progressLine(describe())
    else output.say(describe().trim())
  }
  const pace = output.json ? jsonEveryMs : output.interactive ? redrawEveryMs : lineEveryMs
  const stop = output.json || output.showsProgress ? every(pace, tick) : () => {}
  return {
    expect(bytes) {
      total += bytes
    },
    read(bytes, name) {
      done += bytes
      current = name
    },
    stop() {
      stop()
      output.clearProgressLine()
    },
  }
}
