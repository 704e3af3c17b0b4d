export type InterruptSignal = 'SIGINT' | 'SIGTERM'

/** Reason of the abort signal when the process is told to stop. */
export interface Interruption extends Error {
  readonly signalName: InterruptSignal
}

export function interruption(signalName: InterruptSignal): Interruption {
  return Object.assign(new Error(`interrupted by ${signalName}`), { name: 'AbortError', signalName })
}

/** 130 for SIGINT, 143 for SIGTERM, as shells expect; `undefined` when nothing interrupted. */
export function interruptExitCode(signal: AbortSignal): number | undefined {
  if (!signal.aborted) return undefined
  const { signalName } = signal.reason as Partial<Interruption>
  return signalName === 'SIGTERM' ? 143 : 130
}
