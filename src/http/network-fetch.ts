import type { Dispatcher } from 'undici'
import { type Network, proxyOf, proxyRefusal, trustedAuthorities } from './network.ts'

type Undici = typeof import('undici')

/** undici has only words for the refusal of a tunnel. */
function tunnelRefusal(error: unknown): number | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 6; at = at.cause, depth++) {
    const status = /Proxy response \((\d{3})\)/.exec(at.message)?.[1]
    if (status !== undefined) return Number(status)
  }
  return undefined
}

interface Route {
  readonly dispatcher: Dispatcher
  readonly proxy?: string
}

function routerOf({ Agent, ProxyAgent }: Undici, network: Network): (url: URL) => Route {
  const ca = trustedAuthorities(network.ca)
  const trust = ca === undefined ? {} : { ca }
  const direct = new Agent({ connect: trust })
  const byProxy = new Map<string, Route>()
  return (url) => {
    const secure = url.protocol === 'https:'
    const target = { secure, host: url.hostname, port: Number(url.port || (secure ? 443 : 80)) }
    const proxy = proxyOf(target, network.proxies)
    if (proxy === undefined) return { dispatcher: direct }
    let route = byProxy.get(proxy)
    if (!route) {
      // Many proxies allow no tunnel to port 80, so `http:` goes without.
      const dispatcher = new ProxyAgent({ uri: proxy, requestTls: trust, proxyTls: trust, proxyTunnel: false })
      route = { dispatcher, proxy }
      byProxy.set(proxy, route)
    }
    return route
  }
}

/**
 * `fetch` over the given network, for bodies of moderate size: they are held in memory. The library is loaded with the
 * first request.
 *
 * It rejects like `fetch`, but with `invalid-configuration` when the proxy refuses, and `unavailable` when the proxy cannot
 * reach the host.
 */
export function createNetworkFetch(network: Network): typeof fetch {
  let loaded: Promise<{ readonly undici: Undici; readonly route: (url: URL) => Route }> | undefined
  const load = async () => {
    const undici = await import('undici')
    return { undici, route: routerOf(undici, network) }
  }
  return async (input, init) => {
    loaded ??= load()
    const { undici, route } = await loaded
    // node's own Request is a stranger to the library: its parts are handed over.
    const request = new Request(input, init)
    const { dispatcher, proxy } = route(new URL(request.url))
    const body = request.body === null ? {} : { body: new Uint8Array(await request.arrayBuffer()) }
    const { method, redirect, signal } = request
    const headers = [...request.headers]
    try {
      const response: unknown = await undici.fetch(request.url, { method, headers, redirect, signal, dispatcher, ...body })
      const answer = response as Response
      if (proxy !== undefined && answer.status === 407) throw proxyRefusal(proxy, new URL(request.url).hostname, 407)
      return answer
    } catch (error) {
      const status = tunnelRefusal(error)
      throw proxy === undefined || status === undefined ? error : proxyRefusal(proxy, new URL(request.url).hostname, status)
    }
  }
}
