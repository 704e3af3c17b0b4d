import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { redactUrl } from '../core/redact.ts'
import type { RetryPolicy } from '../core/retry.ts'
import { createHttpClient, type HttpRequest } from '../http/http-client.ts'

/** How an identity provider is asked. */
export interface EndpointOptions {
  readonly fetch?: typeof fetch
  /** For one request and its answer; default 5. */
  readonly timeoutSeconds?: number
  /** Default two tries; only what may pass is tried again. */
  readonly retry?: Partial<RetryPolicy>
}

/** One address of an identity provider. Redirects are never followed, whatever is asked. */
export interface Endpoint {
  readonly url: string
  /** For whoever runs the service: what is not safe about the address. */
  readonly warnings: readonly string[]
  json(request?: EndpointRequest, call?: CallOptions): Promise<unknown>
  text(request?: EndpointRequest, call?: CallOptions): Promise<string>
}

type EndpointRequest = Omit<HttpRequest, 'path' | 'query' | 'followRedirects'>

const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/**
 * @throws `invalid-configuration` when the text is no http(s) address, or holds a user or password; each call throws what
 *   `HttpClient` does.
 */
export function createEndpoint(address: string, options: EndpointOptions): Endpoint {
  if (!URL.canParse(address))
    throw new ScoreError('invalid-configuration', `'${redactUrl(address)}' is not an address: it must look like https://host/path`)
  const { protocol, origin, pathname, search, hostname, username, password } = new URL(address)
  if (username !== '' || password !== '')
    throw new ScoreError('invalid-configuration', `the address ${redactUrl(address)} holds a user or password; take them out`)
  const { fetch: fetcher, timeoutSeconds = 5, retry } = options
  const client = createHttpClient({
    baseUrl: protocol === 'http:' || protocol === 'https:' ? origin : address,
    timeoutSeconds,
    retry: { attempts: 2, ...retry },
    ...(fetcher ? { fetch: fetcher } : {}),
  })
  const path = `${pathname}${search}`
  const open = protocol === 'http:' && !loopback.test(hostname)
  return {
    url: address,
    warnings: open
      ? [`${redactUrl(address)} is asked without TLS, so whoever stands between can read and change what is said; use https`]
      : [],
    json: (request, call) => client.json({ ...request, path, followRedirects: false }, call),
    text: (request, call) => client.text({ ...request, path, followRedirects: false }, call),
  }
}
