import type { CallOptions } from '../core/call-options.ts'
import { isScoreError, ScoreError } from '../core/errors.ts'
import { redactUrl } from '../core/redact.ts'
import { type RetryNotice, type RetryPolicy, retry } from '../core/retry.ts'
import { type AnswerToError, errorOfAnswer, type HttpAnswer, isWebPage } from './http-answer.ts'
import { exchange, type Reply, type TokenSource } from './http-exchange.ts'
import { isCertificateError } from './network-error.ts'
import { parseRetryAfter } from './retry-after.ts'

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
  /** Sent as `application/x-www-form-urlencoded` or `multipart/form-data`, in place of `json`. */
  readonly form?: URLSearchParams | FormData
  /** Value of the `Authorization` header of this request, in place of the client's token. */
  readonly authorization?: string
  /** Whether a read may be sent on to another address; default true. What is no read never is. */
  readonly followRedirects?: boolean
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
  if (new URL(trimmed).username !== '' || new URL(trimmed).password !== '')
    throw new ScoreError(
      'invalid-configuration',
      `the address ${redactUrl(trimmed)} holds a user or password; take it out and set an access token`,
    )
  return trimmed
}

function queryOf(request: HttpRequest): string {
  const pairs = (request.query ?? []).filter(([, value]) => value !== undefined)
  const texts = pairs.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`)
  return texts.length === 0 ? '' : `?${texts.join('&')}`
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
  const failure = (request: HttpRequest, method: string, reply: Reply): ScoreError => {
    const retryAfterSeconds = parseRetryAfter(reply.headers.get('retry-after'), now())
    const answer: HttpAnswer = { method, ...reply, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) }
    return request.errorOf?.(answer) ?? options.errorOf?.(answer) ?? errorOfAnswer(answer)
  }

  const ask = (request: HttpRequest, accept: string, { signal }: CallOptions): Promise<Reply> => {
    const { method = 'GET', path } = request
    const exchanged = {
      ...request,
      method,
      url: `${baseUrl}${path}${queryOf(request)}`,
      accept,
      timeoutSeconds: request.timeoutSeconds ?? timeoutSeconds,
    }
    const once = async (): Promise<Reply> => {
      const reply = await exchange(exchanged, options, signal)
      if (reply.status < 200 || reply.status > 299) throw failure(request, method, reply)
      return reply
    }
    const repeatable = request.idempotent ?? method !== 'POST'
    return retry(once, {
      ...(signal ? { signal } : {}),
      policy: { ...options.retry, ...request.retry },
      ...(options.onRetry ? { onRetry: options.onRetry } : {}),
      // Only what says nothing about the request itself: a part that does not match is for the caller to send again.
      retryable: (error) => repeatable && isScoreError(error, 'unavailable') && !isCertificateError(error),
    })
  }

  return {
    baseUrl,
    async text(request, callOptions = {}) {
      const reply = await ask(request, 'text/plain, application/json, */*', callOptions)
      if (isWebPage(reply.headers, reply.body)) throw notUnderstood(reply, 'a web page')
      return reply.body
    },
    async json(request, callOptions = {}) {
      return parseJson(await ask(request, 'application/json', callOptions))
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
