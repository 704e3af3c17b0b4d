import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { isIP } from 'node:net'
import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3'
import { proxyOf, trustedAuthorities } from '../../http/network.ts'
import { defaultIdleTimeoutMs, regionOfHost, requireStoreUrl, type S3BackendOptions } from './s3-options.ts'

type Sdk = typeof import('@aws-sdk/client-s3')

/** The SDK, loaded, and a client of one store. */
export interface S3Session {
  readonly sdk: Sdk
  readonly client: S3Client
}

const versionWarning = 'AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'

/** Which Node versions the SDK will support some day is no business of whoever runs `score`; all other warnings pass. */
function withoutVersionWarning<Result>(make: () => Result): Result {
  const before = process.env[versionWarning]
  process.env[versionWarning] = 'true'
  try {
    return make()
  } finally {
    if (before === undefined) delete process.env[versionWarning]
    else process.env[versionWarning] = before
  }
}

function silence(): void {}

const quiet = { trace: silence, debug: silence, info: silence, warn: silence, error: silence }

interface Agents {
  readonly httpAgent: HttpAgent
  readonly httpsAgent: HttpsAgent
}

const kept = { keepAlive: true, maxSockets: 256 }

/** One store lies behind one proxy or none: rules for the endpoint hold for `bucket.endpoint` too. */
async function agentsOf({ endpoint, region = 'us-east-1', network }: S3BackendOptions): Promise<Agents> {
  const { protocol, hostname, port } = new URL(endpoint ?? `https://s3.${region}.amazonaws.com`)
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

function clientConfig(options: S3BackendOptions, agents: Agents): S3ClientConfig {
  const { endpoint, forcePathStyle = true, credentials, connectTimeoutMs = 15_000, idleTimeoutMs = defaultIdleTimeoutMs } = options
  const host = endpoint === undefined ? undefined : new URL(endpoint).hostname
  const region = options.region ?? (host === undefined ? undefined : (regionOfHost(host) ?? 'us-east-1'))
  return {
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(credentials === undefined ? {} : { credentials }),
    // No bucket can be put before an IP address.
    forcePathStyle: forcePathStyle || (host !== undefined && isIP(host.replace(/^\[|\]$/g, '')) !== 0),
    // The newer default adds checksums that many stores answer with 411 or 501 (backends.md 5), and puts that of an empty
    // body into URLs.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    // src/core/retry.ts is the only loop.
    maxAttempts: 1,
    logger: quiet,
    requestHandler: {
      connectionTimeout: connectTimeoutMs,
      socketTimeout: idleTimeoutMs,
      logger: quiet,
      ...agents,
    },
  }
}

/**
 * Loads the SDK when it is first needed: it is large, and most users of the package have no S3.
 *
 * @throws at once `invalid-configuration` for an address that is none.
 */
export function createS3Session(options: S3BackendOptions): () => Promise<S3Session> {
  if (options.endpoint !== undefined) requireStoreUrl('endpoint', options.endpoint)
  let session: Promise<S3Session> | undefined
  const open = async (): Promise<S3Session> => {
    const [sdk, agents] = await Promise.all([import('@aws-sdk/client-s3'), agentsOf(options)])
    return { sdk, client: withoutVersionWarning(() => new sdk.S3Client(clientConfig(options, agents))) }
  }
  return () => {
    session ??= open()
    return session
  }
}
