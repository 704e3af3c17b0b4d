import ky from 'ky'
import { ScoreError } from '../core/errors.ts'
import { redactUrl } from '../core/redact.ts'
import { networkError } from './network-error.ts'

/** How to get a bearer token; asked before each try, so that it may change. */
export interface TokenReader {
  (): Promise<string | undefined> | string | undefined
  /** Asked once when a service refuses the token (401): another one, for one more try. Absent: there is no way to renew. */
  renew?(refused: string): Promise<string | undefined>
}

/** A bearer token, or how to get one. */
export type TokenSource = string | TokenReader

export interface ExchangeOptions {
  readonly token?: TokenSource
  readonly fetch?: typeof fetch
  readonly userAgent?: string
}

export interface ExchangeRequest {
  readonly method: string
  readonly url: string
  readonly accept: string
  readonly json?: unknown
  readonly form?: URLSearchParams | FormData
  /** Takes the place of the token. */
  readonly authorization?: string
  /** Default true. */
  readonly followRedirects?: boolean
  /** For connection, answer and body together. */
  readonly timeoutSeconds: number
}

/** An answer of any status, read whole. */
export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly body: string
  /** Who answered at last; may hold secrets in its query. */
  readonly url: string
  /** Whether a token was sent along. */
  readonly authenticated: boolean
}

const mostRedirects = 5
const redirects = new Set([301, 302, 303, 307, 308])

// ky's own time limit ends with the headers, and its redirects are fetch's: both are done here.
const plain = ky.create({ retry: 0, timeout: false, throwHttpErrors: false, redirect: 'manual' })

async function bearer(token: TokenSource | undefined): Promise<string | undefined> {
  return requireBearer((typeof token === 'function' ? await token() : token) || undefined)
}

function requireBearer(value: string | undefined): string | undefined {
  if (value !== undefined && !/^[\x21-\x7e]+$/.test(value))
    throw new ScoreError(
      'unauthenticated',
      'the access token holds a blank, a line break or another character that no token has; check how it was set',
    )
  return value
}

async function withinTime<Result>(
  request: ExchangeRequest,
  outer: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  outer?.throwIfAborted()
  const stop = new AbortController()
  const onAbort = (): void => stop.abort(outer?.reason)
  outer?.addEventListener('abort', onAbort, { once: true })
  let late = false
  const timer = setTimeout(() => {
    late = true
    stop.abort()
  }, request.timeoutSeconds * 1000)
  try {
    return await work(stop.signal)
  } catch (error) {
    outer?.throwIfAborted()
    if (!late) throw error
    throw new ScoreError(
      'unavailable',
      `${redactUrl(request.url)} did not answer within ${request.timeoutSeconds} s; the service may be overloaded, or a firewall in between`,
    )
  } finally {
    clearTimeout(timer)
    outer?.removeEventListener('abort', onAbort)
  }
}

async function orNetworkError<Result>(work: Promise<Result>, url: string, signal: AbortSignal): Promise<Result> {
  try {
    return await work
  } catch (error) {
    if (signal.aborted || error instanceof ScoreError) throw error
    throw networkError(error, url)
  }
}

function send(request: ExchangeRequest, url: string, authorization: string | undefined, options: ExchangeOptions, signal: AbortSignal) {
  const headers = new Headers({ accept: request.accept })
  if (authorization !== undefined) headers.set('authorization', authorization)
  if (options.userAgent !== undefined) headers.set('user-agent', options.userAgent)
  const fetcher = options.fetch ?? globalThis.fetch
  const { method, json, form } = request
  const body = form === undefined ? (json === undefined ? {} : { json }) : { body: form }
  return plain(url, { method, headers, signal, fetch: (input, init) => fetcher(input, init), ...body })
}

function nextUrl(request: ExchangeRequest, response: Response, url: string): string {
  const location = response.headers.get('location')
  const target = location !== null && URL.canParse(location, url) ? new URL(location, url).href : undefined
  const reads = (request.method === 'GET' || request.method === 'HEAD') && request.followRedirects !== false
  if (target !== undefined && /^https?:/.test(target) && reads) return target
  throw new ScoreError(
    'invalid-configuration',
    `${redactUrl(url)} sends on to ${target ? redactUrl(target) : 'nowhere'} (status ${response.status}); set that as the address of the service`,
  )
}

/** With the token, and with a newer one when it is refused: it may have run out since it was made. */
async function ask(request: ExchangeRequest, options: ExchangeOptions, signal: AbortSignal): Promise<Reply> {
  if (request.authorization !== undefined) return follow(request, request.authorization, options, signal)
  const token = await bearer(options.token)
  const reply = await follow(request, token === undefined ? undefined : `Bearer ${token}`, options, signal)
  if (reply.status !== 401 || !reply.authenticated || token === undefined || typeof options.token !== 'function') return reply
  const newer = requireBearer(await options.token.renew?.(token))
  return newer === undefined || newer === token ? reply : follow(request, `Bearer ${newer}`, options, signal)
}

async function follow(
  request: ExchangeRequest,
  authorization: string | undefined,
  options: ExchangeOptions,
  signal: AbortSignal,
): Promise<Reply> {
  const { origin } = new URL(request.url)
  let { url } = request
  for (let hop = 0; hop <= mostRedirects; hop++) {
    const sent = new URL(url).origin === origin ? authorization : undefined
    const response = await orNetworkError(send(request, url, sent, options, signal), url, signal)
    if (!redirects.has(response.status)) {
      const body = await orNetworkError(response.text(), url, signal)
      return { status: response.status, headers: response.headers, body, url, authenticated: sent !== undefined }
    }
    await response.body?.cancel()
    url = nextUrl(request, response, url)
  }
  throw new ScoreError('invalid-configuration', `${redactUrl(request.url)} sends on in circles; check the address of the service`)
}

/**
 * One request and its answer; a token that is refused is renewed once, where it can be. Redirects are followed for reads only, and the token never goes to another origin.
 *
 * @throws `unavailable` when there is no answer; `unauthenticated` for a token that no header can carry;
 *   `invalid-configuration` when the service lies elsewhere; the signal's reason when aborted.
 */
export function exchange(request: ExchangeRequest, options: ExchangeOptions, outer: AbortSignal | undefined): Promise<Reply> {
  return withinTime(request, outer, (signal) => ask(request, options, signal))
}
