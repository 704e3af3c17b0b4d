import type { CallOptions } from '../core/call-options.ts'

/** After a store asked for less traffic, one connection comes back per this time without another such answer. */
export const regrowMs = 10_000

/** A budget of connections, shared by all parts of all files of one run. */
export interface ConnectionGate {
  /** Most connections at once when the store has nothing against it. */
  readonly limit: number
  /** Waits for a connection. Of those waiting the lowest `order` is served first, then the longest waiting. */
  acquire(order: number, options?: CallOptions): Promise<Connection>
}

export interface Connection {
  /** The store asked for less traffic (429, 503): halves the budget, once for all requests begun before. */
  throttled(): void
  /** Gives the connection back; harmless when repeated. */
  release(): void
}

interface Waiting {
  readonly order: number
  readonly start: () => void
}

export function createConnectionGate(limit: number, now: () => number): ConnectionGate {
  const most = Math.max(1, Math.floor(limit))
  const waiting: Waiting[] = []
  let active = 0
  let reducedTo = most
  let reducedAt = Number.NEGATIVE_INFINITY
  let epoch = 0

  function capacity(): number {
    return Math.min(most, reducedTo + Math.floor((now() - reducedAt) / regrowMs))
  }

  function serve(): void {
    while (waiting.length > 0 && active < capacity()) {
      let first = 0
      for (let i = 1; i < waiting.length; i++) if ((waiting[i] as Waiting).order < (waiting[first] as Waiting).order) first = i
      const [next] = waiting.splice(first, 1)
      next?.start()
    }
  }

  function connect(): Connection {
    active++
    const begunIn = epoch
    let held = true
    return {
      throttled() {
        if (begunIn !== epoch) return
        epoch++
        reducedTo = Math.max(1, Math.floor(capacity() / 2))
        reducedAt = now()
      },
      release() {
        if (!held) return
        held = false
        active--
        serve()
      },
    }
  }

  return {
    limit: most,
    acquire(order, options) {
      const { signal } = options ?? {}
      return new Promise<Connection>((resolve, reject) => {
        signal?.throwIfAborted()
        const entry: Waiting = {
          order,
          start() {
            signal?.removeEventListener('abort', cancel)
            resolve(connect())
          },
        }
        const cancel = (): void => {
          const at = waiting.indexOf(entry)
          if (at >= 0) waiting.splice(at, 1)
          reject(signal?.reason)
        }
        signal?.addEventListener('abort', cancel, { once: true })
        waiting.push(entry)
        serve()
      })
    },
  }
}
