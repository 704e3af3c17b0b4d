import { type Network, proxyRefusal } from './network.ts'
import { createNetworkDispatchers, type NetworkRoute, routeFailure } from './network-dispatchers.ts'

type Undici = typeof import('undici')

/**
 * `fetch` over the given network, for bodies of moderate size: they are held in memory. The library is loaded with the
 * first request.
 *
 * It rejects like `fetch`, but with `invalid-configuration` when the proxy refuses, and `unavailable` when the proxy cannot
 * reach the host.
 */
export function createNetworkFetch(network: Network): typeof fetch {
  let loaded: Promise<{ readonly undici: Undici; readonly route: (url: URL) => NetworkRoute }> | undefined
  const load = async () => {
    const undici = await import('undici')
    return { undici, route: createNetworkDispatchers(undici, network) }
  }
  return async (input, init) => {
    loaded ??= load()
    const { undici, route } = await loaded
    // node's own Request is a stranger to the library: its parts are handed over.
    const request = new Request(input, init)
    const { hostname } = new URL(request.url)
    const way = route(new URL(request.url))
    const body = request.body === null ? {} : { body: new Uint8Array(await request.arrayBuffer()) }
    const { method, redirect, signal } = request
    const headers = [...request.headers]
    try {
      const response: unknown = await undici.fetch(request.url, {
        method,
        headers,
        redirect,
        signal,
        dispatcher: way.dispatcher,
        ...body,
      })
      const answer = response as Response
      if (way.proxy !== undefined && answer.status === 407) throw proxyRefusal(way.proxy, hostname, 407)
      return answer
    } catch (error) {
      throw routeFailure(error, way, hostname)
    }
  }
}
