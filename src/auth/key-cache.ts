import type { CallOptions } from '../core/call-options.ts'
import { createSharedCalls } from '../core/shared-calls.ts'

export interface KeyCacheOptions {
  /** How long keys are used before they are read again; default 600. */
  readonly lifeSeconds?: number
  /** The least time between two readings that tokens of unknown keys ask for; default 30. */
  readonly coolDownSeconds?: number
  /** How long after their life keys are still used when they cannot be read again; default 3600. */
  readonly outageSeconds?: number
  /** Clock in ms since 1970; default the system's. */
  readonly now?: () => number
}

/** Keys that live elsewhere and change there. Each call throws what reading them throws. */
export interface KeyCache<Keys> {
  current(call?: CallOptions): Promise<Keys>
  /** Newer keys than those that did not do; `undefined` when the cool-down forbids to ask. */
  renewed(stale: Keys, call?: CallOptions): Promise<Keys | undefined>
}

/** How soon after a failure the keys are asked for again, so that a provider that is down is not run over. */
const failureCoolDownMs = 5000

interface Known<Keys> {
  readonly keys: Keys
  readonly at: number
}

export function createKeyCache<Keys>(read: () => Promise<Keys>, options: KeyCacheOptions = {}): KeyCache<Keys> {
  const { lifeSeconds = 600, coolDownSeconds = 30, outageSeconds = 3600, now = Date.now } = options
  const calls = createSharedCalls<Keys>()
  let known: Known<Keys> | undefined
  let failure: { readonly error: unknown; readonly at: number } | undefined

  const readOnce = async (): Promise<Keys> => {
    try {
      const keys = await read()
      known = { keys, at: now() }
      failure = undefined
      return keys
    } catch (error) {
      failure = { error, at: now() }
      throw error
    }
  }
  const ask = (call?: CallOptions): Promise<Keys> => calls.share('keys', readOnce, call)
  const failedJustNow = (): boolean => failure !== undefined && now() - failure.at < failureCoolDownMs
  const age = (): number => (known === undefined ? Number.POSITIVE_INFINITY : (now() - known.at) / 1000)
  const refresh = async (call?: CallOptions): Promise<void> => {
    if (failedJustNow()) return
    // What goes wrong is kept in `failure`. Where it is known that the provider is down, nobody waits for it.
    if (failure !== undefined && age() < lifeSeconds + outageSeconds) ask().catch(() => undefined)
    else await ask(call).catch(() => call?.signal?.throwIfAborted())
  }

  return {
    async current(call) {
      if (known !== undefined && age() < lifeSeconds) return known.keys
      await refresh(call)
      // A provider that is down must not shut everyone out at once: keys outlive their life, but not for long.
      if (known !== undefined && age() < lifeSeconds + outageSeconds) return known.keys
      throw failure?.error
    },
    async renewed(stale, call) {
      if (known !== undefined && known.keys !== stale) return known.keys
      if (failedJustNow()) throw failure?.error
      return age() < coolDownSeconds ? undefined : ask(call)
    },
  }
}
