import type { ScoreApi } from '../api/score-api.ts'
import type { DiskCache } from '../bytes/disk-cache.ts'
import { createRangeSockets } from '../bytes/range-sockets.ts'
import { createStreamedSource } from '../bytes/streamed-source.ts'
import type { RetryNotice, RetryPolicy } from '../core/retry.ts'
import type { Network } from '../http/network.ts'
import { keepReadBuffers } from '../http/read-buffers.ts'
import { createRequester } from '../http/requester.ts'
import type { OpenObject } from '../mount/shared-sources.ts'

export interface ObjectOpenerOptions {
  readonly api: Pick<ScoreApi, 'objectUrl'>
  /** Proxies and authorities of certificates; default: the store is reached directly, and node's authorities hold. */
  readonly network?: Network
  /** Connections kept while they are idle; default 32. */
  readonly connections?: number
  /** Tries of a request; default four, 0.1 s apart and more, so that they fit into the time of a kernel's read. */
  readonly retry?: Partial<RetryPolicy>
  readonly onRetry?: (notice: RetryNotice) => void
  /** Seconds without a byte after which a connection counts as broken; default 10. */
  readonly stallSeconds?: number
  /** Keeps what was read, beyond this process too. */
  readonly diskCache?: DiskCache
  /** Clock in ms since 1970; default the system's. */
  readonly now?: () => number
}

/** Opens objects of a Score service for a mount. */
export interface ObjectOpener {
  readonly open: OpenObject
  close(): Promise<void>
}

const idleMs = 4000

/**
 * Objects behind the signed URLs of a service, over connections that all of them share. A URL is asked for when an object
 * is opened, so that what may not be read fails there, and again before it runs out or when it was refused.
 */
export function createObjectOpener(options: ObjectOpenerOptions): ObjectOpener {
  const { api, network, connections = 32, stallSeconds = 10, retry = {}, onRetry, now } = options
  const requester = createRequester({
    agent: { keepAlive: true, scheduling: 'lifo', maxFreeSockets: connections, timeout: idleMs, noDelay: true, autoSelectFamily: true },
    ...(network && { network }),
    tune(agent, direct) {
      if (direct) keepReadBuffers(agent)
    },
  })
  const sockets = createRangeSockets({ idle: connections, ...(network && { network }) })
  return {
    open: async (objectId, { headBytes } = {}) => {
      const source = createStreamedSource({
        url: async (call) => {
          const { url, expiresAt } = await api.objectUrl(objectId, call)
          return { url, expiresAt: expiresAt.getTime() }
        },
        name: `object ${objectId}`,
        requester,
        sockets,
        retry: { attempts: 4, baseDelayMs: 100, maximumDelayMs: 1000, ...retry },
        stallSeconds,
        ...(onRetry && { onRetry }),
        ...(now && { now }),
        ...(headBytes !== undefined && { headBytes }),
      })
      return options.diskCache?.over(source, objectId) ?? source
    },
    async close() {
      sockets.close()
      requester.destroy()
    },
  }
}
