import type { Dispatcher } from 'undici'
import { type Network, proxyOf, proxyRefusal, trustedAuthorities } from './network.ts'

/** The way to one origin. */
export interface NetworkRoute {
  readonly dispatcher: Dispatcher
  readonly proxy?: string
}

export interface DispatcherOptions {
  /** Most connections to one origin; default: as many as there are requests at a time. */
  readonly connections?: number
  /** Longest wait for a connection; default 10 s. */
  readonly connectTimeoutMs?: number
}

/** undici's kept connections over a network, one way for each proxy. */
export function createNetworkDispatchers(
  { Agent, ProxyAgent }: typeof import('undici'),
  network: Network,
  { connections, connectTimeoutMs }: DispatcherOptions = {},
): (url: URL) => NetworkRoute {
  const ca = trustedAuthorities(network.ca)
  const connect = { ...(ca === undefined ? {} : { ca }), ...(connectTimeoutMs === undefined ? {} : { timeout: connectTimeoutMs }) }
  const most = connections === undefined ? {} : { connections }
  const direct = new Agent({ connect, ...most })
  const byProxy = new Map<string, NetworkRoute>()
  return (url) => {
    const secure = url.protocol === 'https:'
    const target = { secure, host: url.hostname, port: Number(url.port || (secure ? 443 : 80)) }
    const proxy = proxyOf(target, network.proxies)
    if (proxy === undefined) return { dispatcher: direct }
    let route = byProxy.get(proxy)
    if (!route) {
      // Many proxies allow no tunnel to port 80, so `http:` goes without.
      const dispatcher = new ProxyAgent({ uri: proxy, requestTls: connect, proxyTls: connect, proxyTunnel: false, ...most })
      route = { dispatcher, proxy }
      byProxy.set(proxy, route)
    }
    return route
  }
}

/** undici has only words for the refusal of a tunnel. */
function tunnelRefusal(error: unknown): number | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 6; at = at.cause, depth++) {
    const status = /Proxy response \((\d{3})\)|Proxy Authentication Required \((407)\)/.exec(at.message)
    if (status !== null) return Number(status[1] ?? status[2])
  }
  return undefined
}

/** What a proxy on the route said in place of an answer, as the user should hear it; any other error as it is. */
export function routeFailure(error: unknown, { proxy }: NetworkRoute, host: string): unknown {
  const status = proxy === undefined ? undefined : tunnelRefusal(error)
  return proxy === undefined || status === undefined ? error : proxyRefusal(proxy, host, status)
}
