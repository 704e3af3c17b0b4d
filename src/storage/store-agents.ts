import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { type Network, proxyOf, trustedAuthorities } from '../http/network.ts'

/** Connections to one store, kept between requests. */
export interface StoreAgents {
  readonly httpAgent: HttpAgent
  readonly httpsAgent: HttpsAgent
}

const kept = { keepAlive: true, maxSockets: 256 }

/** One store lies behind one proxy or none: rules for the endpoint hold for its other hosts (`bucket.endpoint`) too. */
export async function createStoreAgents(endpoint: string, network: Network | undefined): Promise<StoreAgents> {
  const { protocol, hostname, port } = new URL(endpoint)
  const secure = protocol === 'https:'
  const proxy = proxyOf({ secure, host: hostname, port: Number(port || (secure ? 443 : 80)) }, network?.proxies)
  const ca = trustedAuthorities(network?.ca)
  const trust = ca === undefined ? {} : { ca }
  if (proxy === undefined) return { httpAgent: new HttpAgent(kept), httpsAgent: new HttpsAgent({ ...kept, ...trust }) }
  const [{ HttpProxyAgent }, { HttpsProxyAgent }] = await Promise.all([import('http-proxy-agent'), import('https-proxy-agent')])
  const tunnel = new HttpsProxyAgent(proxy, { ...kept, ...trust })
  // Its constructor keeps what it was given for the way to the proxy only; behind the tunnel the same authorities hold.
  Object.assign(tunnel.options, trust)
  return { httpAgent: new HttpProxyAgent(proxy, { ...kept, ...trust }), httpsAgent: tunnel }
}
