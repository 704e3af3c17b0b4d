import { setMaxListeners } from 'node:events'

/** Aborts when any of them does. Every part in flight listens to it, so Node's warning about many listeners is off. */
export function combinedSignal(...signals: readonly AbortSignal[]): AbortSignal {
  const signal = AbortSignal.any([...signals])
  setMaxListeners(0, signal)
  return signal
}
