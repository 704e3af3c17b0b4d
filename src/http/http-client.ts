import ky, { type KyInstance } from 'ky'
import type { CallOptions } from '../core/call-options.ts'
import { isScoreError, ScoreError } from '../core/errors.ts'
import { redactUrl } from '../core/redact.ts'
import { type RetryNotice, type RetryPolicy, retry } from '../core/retry.ts'
import { type AnswerToError, errorOfAnswer, type HttpAnswer, isWebPage } from './http-answer.ts'
import { isCertificateError, networkError } from './network-error.ts'
import { parseRetryAfter } from './retry-after.ts'

/** A bearer token, or how to get one; asked before each try, so that it may be renewed. */
export type TokenSource = string | (() => Promise<string | undefined> | string | undefined)

export interface HttpClientOptions {
  /** `http(s)://host[:port][/prefix]`; a path prefix is kept, whatever a request adds is appended to it. */
  readonly baseUrl: string
  readonly token?: TokenSource
  readonly fetch?: typeof fetch
  /** From sending a request to having read its answer; default 60. */
  readonly timeoutSeconds?: number
  readonly retry?: Partial<RetryPolicy>
  readonly userAgent?: string
  /** Told before each repeat. */
  readonly onRetry?: (notice: RetryNotice) => void
  /** What a failed answer means; default {@link errorOfAnswer}, which also takes what this leaves. */
  readonly errorOf?: AnswerToError
  /** Clock in ms, against which a date in `Retry-After` is read; default the system's. */
  readonly now?: () => number
}

export interface HttpRequest {
  /** Default GET. */
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE'
  /** Appended to the base URL; begins with a slash. Build it with {@link pathOf}. */
  readonly path: string
  /** In the order given; values are percent-encoded. `undefined` leaves a parameter out. */
  readonly query?: readonly (readonly [name: string, value: string | number | boolean | undefined])[]
  /** Sent as `application/json`. */
  readonly json?: unknown
  readonly accept?: string
  /** Whether the request may be sent again when its answer was lost; default: any but POST. */
  readonly idempotent?: boolean
  readonly timeoutSeconds?: number
  readonly retry?: Partial<RetryPolicy>
  /** What a failed answer means to this request; asked before the client's own. */
  readonly errorOf?: AnswerToError
}

/**
 * Requests to one service. Each call throws what `errorOf` makes of a failed answer; `unavailable` when there is no
 * answer, or none that can be understood, naming the address and the way out; `unauthenticated` for a token that no
 * header can carry; `invalid-configuration` when the service lies elsewhere.
 */
export interface HttpClient {
  readonly baseUrl: string
  /** The parsed answer. */
  json(request: HttpRequest, options?: CallOptions): Promise<unknown>
  text(request: HttpRequest, options?: CallOptions): Promise<string>
}

interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly body: string
  readonly url: string
}

const mostRedirects = 5
const redirects = new Set([301, 302, 303, 307, 308])

/** A path of percent-encoded segments: `` pathOf`/studies/${study}/analysis/${id}` ``. */
export function pathOf(texts: TemplateStringsArray, ...segments: readonly string[]): string {
  return texts.reduce((path, text, index) => path + pathSegment(segments[index - 1] as string) + text)
}

/**
 * A name or id, percent-encoded.
 *
 * @throws `invalid-request` for an empty one and for dots alone, which every URL parser folds away.
 */
export function pathSegment(segment: string): string {
  if (segment === '' || segment === '.' || segment === '..')
    throw new ScoreError('invalid-request', `'${segment}' cannot be a name or id: it must not be empty or consist of dots`)
  return encodeURIComponent(segment)
}

function requireBaseUrl(baseUrl: string): string {
  const trimmed = baseUrl.replace(/\/+$/, '')
  if (!URL.canParse(trimmed) || !/^https?:\/\//i.test(trimmed) || /[?#]/.test(trimmed))
    throw new ScoreError(
      'invalid-configuration',
      `'${redactUrl(baseUrl)}' is not the address of a service: it must look like https://host[:port][/prefix], without query`,
    )
  return trimmed
}

function queryOf(request: HttpRequest): string {
  const pairs = (request.query ?? []).filter(([, value]) => value !== undefined)
  const texts = pairs.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`)
  return texts.length === 0 ? '' : `?${texts.join('&')}`
}

async function bearer(token: TokenSource | undefined): Promise<string | undefined> {
  const value = (typeof token === 'function' ? await token() : token) || undefined
  if (value !== undefined && !/^[\x21-\x7e]+$/.test(value))
    throw new ScoreError(
      'unauthenticated',
      'the access token holds a blank, a line break or another character that no token has; check how it was set',
    )
  return value
}

/** One time limit over connection, answer and body. ky's ends with the headers. */
async function withinTime<Result>(
  seconds: number,
  url: string,
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
  }, seconds * 1000)
  try {
    return await work(stop.signal)
  } catch (error) {
    outer?.throwIfAborted()
    if (late) throw new ScoreError('unavailable', `${redactUrl(url)} did not answer within ${seconds} s; is the service overloaded?`)
    throw error
  } finally {
    clearTimeout(timer)
    outer?.removeEventListener('abort', onAbort)
  }
}

/**
 * A client of one service on ky and fetch. Requests that may be repeated are, on transient failures, as
 * `core/retry` says. Redirects are followed for reads only, and the token never goes to another origin.
 *
 * @throws `invalid-configuration` when the base URL is none.
 */
export function createHttpClient(options: HttpClientOptions): HttpClient {
  const baseUrl = requireBaseUrl(options.baseUrl)
  const { now = Date.now, timeoutSeconds = 60 } = options
  const instance: KyInstance = ky.create({ retry: 0, timeout: false, throwHttpErrors: false, redirect: 'manual' })
  const hopeless = new WeakSet<ScoreError>()
  const givenUp = (error: ScoreError): ScoreError => {
    hopeless.add(error)
    return error
  }

  const send = async (request: HttpRequest, url: string, token: string | undefined, signal: AbortSignal): Promise<Response> => {
    const headers = new Headers({ accept: request.accept ?? 'application/json' })
    if (token !== undefined) headers.set('authorization', `Bearer ${token}`)
    if (options.userAgent !== undefined) headers.set('user-agent', options.userAgent)
    const fetcher = options.fetch ?? globalThis.fetch
    try {
      return await instance(url, {
        method: request.method ?? 'GET',
        headers,
        signal,
        fetch: (input, init) => fetcher(input, init),
        ...(request.json === undefined ? {} : { json: request.json }),
      })
    } catch (error) {
      if (signal.aborted) throw error
      throw isCertificateError(error) ? givenUp(networkError(error, url)) : networkError(error, url)
    }
  }

  const readBody = async (response: Response, url: string, signal: AbortSignal): Promise<string> => {
    try {
      return await response.text()
    } catch (error) {
      if (signal.aborted) throw error
      throw networkError(error, url)
    }
  }

  const redirected = (request: HttpRequest, response: Response, url: string): string => {
    const location = response.headers.get('location')
    const target = location !== null && URL.canParse(location, url) ? new URL(location, url).href : undefined
    const reads = request.method === undefined || request.method === 'GET' || request.method === 'HEAD'
    if (target !== undefined && /^https?:/.test(target) && reads) return target
    throw new ScoreError(
      'invalid-configuration',
      `${redactUrl(url)} sends on to ${target ? redactUrl(target) : 'nowhere'} (status ${response.status}); set that as the address of the service`,
    )
  }

  const follow = async (request: HttpRequest, first: string, signal: AbortSignal): Promise<Reply & { readonly authenticated: boolean }> => {
    const token = await bearer(options.token)
    let url = first
    for (let hop = 0; hop <= mostRedirects; hop++) {
      const sent = new URL(url).origin === new URL(first).origin ? token : undefined
      const response = await send(request, url, sent, signal)
      if (!redirects.has(response.status)) {
        const body = await readBody(response, url, signal)
        return { status: response.status, headers: response.headers, body, url, authenticated: sent !== undefined }
      }
      await response.body?.cancel()
      url = redirected(request, response, url)
    }
    throw new ScoreError('invalid-configuration', `${redactUrl(first)} sends on in circles; check the address of the service`)
  }

  const failure = (request: HttpRequest, reply: Reply & { readonly authenticated: boolean }): ScoreError => {
    const retryAfterSeconds = parseRetryAfter(reply.headers.get('retry-after'), now())
    const answer: HttpAnswer = {
      method: request.method ?? 'GET',
      ...reply,
      ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    }
    return request.errorOf?.(answer) ?? options.errorOf?.(answer) ?? errorOfAnswer(answer)
  }

  const exchange = (request: HttpRequest, callOptions: CallOptions): Promise<Reply> => {
    const url = `${baseUrl}${request.path}${queryOf(request)}`
    const once = (): Promise<Reply> =>
      withinTime(request.timeoutSeconds ?? timeoutSeconds, url, callOptions.signal, async (signal) => {
        const reply = await follow(request, url, signal)
        if (reply.status < 200 || reply.status > 299) throw failure(request, reply)
        return reply
      })
    const repeatable = request.idempotent ?? request.method !== 'POST'
    return retry(once, {
      ...callOptions,
      policy: { ...options.retry, ...request.retry },
      ...(options.onRetry ? { onRetry: options.onRetry } : {}),
      // Only what says nothing about the request itself: a part that does not match is for the caller to send again.
      retryable: (error) => repeatable && isScoreError(error, 'unavailable') && !hopeless.has(error),
    })
  }

  return {
    baseUrl,
    async text(request, callOptions = {}) {
      const reply = await exchange({ accept: 'text/plain, application/json, */*', ...request }, callOptions)
      if (isWebPage(reply.headers, reply.body)) throw notUnderstood(reply, 'a web page')
      return reply.body
    },
    async json(request, callOptions = {}) {
      const reply = await exchange(request, callOptions)
      return parseJson(reply)
    },
  }
}

function notUnderstood(reply: Reply, what: string): ScoreError {
  return new ScoreError(
    'unavailable',
    `${redactUrl(reply.url)} answered with ${what} instead of JSON: check the address; a proxy or a login page may stand between`,
  )
}

function parseJson(reply: Reply): unknown {
  try {
    return JSON.parse(reply.body)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw notUnderstood(reply, isWebPage(reply.headers, reply.body) ? 'a web page' : reply.body === '' ? 'an empty body' : 'something else')
  }
}
