import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { redactUrl } from '../core/redact.ts'
import { type Network, proxyRefusal } from './network.ts'
import { createNetworkDispatchers, type DispatcherOptions, type NetworkRoute, routeFailure } from './network-dispatchers.ts'

/** A question without a body. */
export interface PooledRequest {
  readonly method: 'GET' | 'HEAD'
  /** Scheme and host: `https://store.example:9000`. */
  readonly origin: string
  /** Path and query, sent as they are. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

/** An answer of any status, read whole. */
export interface PooledAnswer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export interface PooledRequestsOptions extends DispatcherOptions {
  readonly network?: Network
  /** Longest silence within a request; default 300 s, as `fetch`. */
  readonly idleTimeoutMs?: number
}

/** Small questions over kept connections, at a fraction of what `fetch` or an SDK needs for one. Never repeats one. */
export interface PooledRequests {
  /**
   * @throws `invalid-configuration` when a proxy refuses; `unavailable` when one cannot reach the host, and for a body that
   *   comes slower than 1 KiB/s over `idleTimeoutMs`; the signal's reason when aborted; else undici's own error.
   */
  send(request: PooledRequest, options?: CallOptions): Promise<PooledAnswer>
}

const leastBytesPerSecond = 1024

interface Turn extends CallOptions {
  readonly request: PooledRequest
  readonly idleTimeoutMs: number
}

function whole(pieces: readonly Buffer[]): Buffer {
  const [only] = pieces
  return only !== undefined && pieces.length === 1 ? only : Buffer.concat(pieces)
}

/** Settles with one request: its handler, and what an abort does at each of its stages. */
function collect(
  { request, idleTimeoutMs, signal }: Turn,
  resolve: (answer: PooledAnswer) => void,
  reject: (reason: unknown) => void,
): Dispatcher.DispatchHandler {
  const pieces: Buffer[] = []
  const least = (leastBytesPerSecond * idleTimeoutMs) / 1000
  let [status, windowBytes, windowStart] = [0, 0, 0]
  let headers: IncomingHttpHeaders = {}
  let controller: Dispatcher.DispatchController | undefined
  const onAbort = (): void => {
    // One that waits for a connection has no controller yet: nobody waits for it any more, and its start ends it.
    controller?.abort(signal?.reason)
    reject(signal?.reason)
  }
  signal?.addEventListener('abort', onAbort, { once: true })
  const settled = (): void => signal?.removeEventListener('abort', onAbort)
  return {
    onRequestStart(started) {
      controller = started
      if (signal?.aborted) started.abort(signal.reason)
    },
    onResponseStart(_controller, code, given) {
      ;[status, headers, windowStart] = [code, given, performance.now()]
    },
    onResponseData(reading, chunk) {
      pieces.push(chunk)
      windowBytes += chunk.length
      const at = performance.now()
      if (at - windowStart < idleTimeoutMs) return
      if (windowBytes < least) {
        const message = `${redactUrl(`${request.origin}${request.path}`)} sends less than ${leastBytesPerSecond} bytes a second, so the rest is no longer waited for`
        reading.abort(new ScoreError('unavailable', message))
      }
      ;[windowBytes, windowStart] = [0, at]
    },
    onResponseEnd() {
      settled()
      resolve({ status, headers, body: whole(pieces) })
    },
    onResponseError(_controller, error) {
      settled()
      reject(error)
    },
  }
}

/** The library is loaded with the first request. */
export function createPooledRequests(options: PooledRequestsOptions = {}): PooledRequests {
  const { network = {}, idleTimeoutMs = 300_000, ...limits } = options
  const ways = new Map<string, NetworkRoute & { readonly host: string }>()
  let route: Promise<(url: URL) => NetworkRoute> | undefined
  const load = async () => createNetworkDispatchers(await import('undici'), network, limits)
  const wayTo = async (origin: string): Promise<NetworkRoute & { readonly host: string }> => {
    route ??= load()
    const url = new URL(origin)
    const way = { ...(await route)(url), host: url.hostname }
    ways.set(origin, way)
    return way
  }
  return {
    async send(request, { signal } = {}) {
      const way = ways.get(request.origin) ?? (await wayTo(request.origin))
      signal?.throwIfAborted()
      const turn: Turn = { request, idleTimeoutMs, ...(signal ? { signal } : {}) }
      const sent = { ...request, headersTimeout: idleTimeoutMs, bodyTimeout: idleTimeoutMs }
      try {
        const answer = await new Promise<PooledAnswer>((resolve, reject) => {
          way.dispatcher.dispatch(sent, collect(turn, resolve, reject))
        })
        if (way.proxy !== undefined && answer.status === 407) throw proxyRefusal(way.proxy, way.host, 407)
        return answer
      } catch (error) {
        signal?.throwIfAborted()
        throw routeFailure(error, way, way.host)
      }
    },
  }
}
