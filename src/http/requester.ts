import { type AgentOptions, type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { HttpsProxyAgent } from 'https-proxy-agent'
import { type Network, proxyOf, proxyRefusal, trustedAuthorities } from './network.ts'
import type { RequestTarget } from './request-target.ts'

export interface SentRequest {
  readonly method: string
  readonly headers: Readonly<Record<string, string | number>>
  readonly signal?: AbortSignal
}

/** Sends requests over kept connections, through a proxy where the network has one. */
export interface Requester {
  request(target: RequestTarget, sent: SentRequest): ClientRequest
  /** Those of proxies come and go with the first request to them. */
  readonly agents: Iterable<HttpAgent>
  destroy(): void
}

export interface RequesterOptions {
  readonly network?: Network
  readonly agent: AgentOptions
  /** Told of each agent before its first request; `direct` is false for one that goes through a tunnel. */
  readonly tune?: (agent: HttpAgent, direct: boolean) => void
}

function authorityOf({ host, port }: RequestTarget): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** `http:` through a proxy: the whole address in the request line (RFC 9112, section 3.2.2), character for character. */
function throughProxy(target: RequestTarget, proxy: URL, headers: SentRequest['headers']) {
  const host = target.port === 80 ? authorityOf(target).replace(/:80$/, '') : authorityOf(target)
  const credentials = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`
  const secure = proxy.protocol === 'https:'
  return {
    secure,
    host: proxy.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(proxy.port || (secure ? 443 : 80)),
    path: `http://${host}${target.path}`,
    headers: {
      ...headers,
      host,
      ...(credentials === ':' ? {} : { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` }),
    },
  }
}

/** A tunnel that was refused looks like an answer of the store; nothing of the request has been sent. */
function refuseWithTunnel(request: ClientRequest, proxy: string, target: RequestTarget): void {
  request.once('proxyConnect', ({ statusCode = 0 }: { readonly statusCode?: number }) => {
    if (statusCode !== 200) request.destroy(proxyRefusal(proxy, target.host, statusCode))
  })
}

/** An answer of the proxy itself to a request that it should have passed on. */
function refuseWithoutCredentials(request: ClientRequest, proxy: string, target: RequestTarget): void {
  request.prependOnceListener('response', (response: IncomingMessage) => {
    if (response.statusCode === 407) request.destroy(proxyRefusal(proxy, target.host, 407))
  })
}

/**
 * @throws `invalid-configuration` on a request whose proxy refuses it, `unavailable` when the proxy cannot reach the host;
 *   both come as the request's `error`.
 */
export function createRequester({ network, agent: settings, tune }: RequesterOptions): Requester {
  const ca = trustedAuthorities(network?.ca)
  const trust = ca === undefined ? {} : { ca }
  const tuned = <Made extends HttpAgent>(agent: Made, direct: boolean): Made => {
    tune?.(agent, direct)
    return agent
  }
  const plain = tuned(new HttpAgent(settings), true)
  const secure = tuned(new HttpsAgent({ ...settings, ...trust, ALPNProtocols: ['http/1.1'] }), true)
  const tunnels = new Map<string, HttpAgent>()
  const tunnelOf = (proxy: string): HttpAgent => {
    let tunnel = tunnels.get(proxy)
    if (!tunnel) {
      tunnel = tuned(new HttpsProxyAgent(proxy, { ...settings, ...trust }), false)
      tunnels.set(proxy, tunnel)
    }
    return tunnel
  }
  return {
    request(target, { method, headers, signal }) {
      const proxy = proxyOf(target, network?.proxies)
      const abort = signal === undefined ? {} : { signal }
      if (proxy !== undefined && target.secure) {
        const { host, port, path } = target
        const request = requestHttps({ method, host, port, path, headers, agent: tunnelOf(proxy), ...trust, ...abort })
        refuseWithTunnel(request, proxy, target)
        return request
      }
      const hop = proxy === undefined ? { ...target, headers } : throughProxy(target, new URL(proxy), headers)
      const send = hop.secure ? requestHttps : requestHttp
      const { host, port, path } = hop
      const request = send({ method, host, port, path, headers: hop.headers, agent: hop.secure ? secure : plain, ...abort })
      if (proxy !== undefined) refuseWithoutCredentials(request, proxy, target)
      return request
    },
    get agents() {
      return [plain, secure, ...tunnels.values()]
    },
    destroy() {
      for (const agent of [plain, secure, ...tunnels.values()]) agent.destroy()
    },
  }
}
