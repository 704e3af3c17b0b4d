import { createServer, type RequestListener } from 'node:http'
import Koa, { type Context, type Middleware } from 'koa'
import { ScoreError } from '../../src/index.ts'
import { bearerToken } from './bearer-token.ts'
import { deferContinue } from './deferred-continue.ts'
import { bind, drain } from './listening.ts'
import { createProblemMiddleware } from './problem-middleware.ts'
import { reporting } from './request-event.ts'
import { createScoreMiddleware, type ScoreMiddlewareOptions } from './score-middleware.ts'
import type { ServedScore } from './served-score.ts'

export interface ScoreServerOptions extends ScoreMiddlewareOptions {
  /** Default `127.0.0.1`. */
  readonly host?: string
  /** 0 = any free one. Default 5431. */
  readonly port?: number
  /** Believe a proxy's `X-Forwarded-For` for the address in events. Default false. */
  readonly trustProxy?: boolean
}

export interface Listening<Score extends ServedScore> {
  /** The address that was bound, with the prefix, such as `http://127.0.0.1:5431`. */
  readonly url: string
  /** What is served there. */
  readonly score: Score
}

export interface ScoreServer<Score extends ServedScore = ServedScore> {
  /**
   * Binds the port and serves.
   *
   * @throws `invalid-configuration` when the port is taken or may not be bound; what the making of the service throws.
   */
  listen(): Promise<Listening<Score>>
  /** Takes no new requests, lets those that run end within the deadline (default 10 s), then cuts them off. */
  close(options?: { readonly deadlineSeconds?: number }): Promise<void>
}

/** A service that needs to know its own address before it can be made, for the URLs that it signs. */
export type ServedScoreAt<Score extends ServedScore = ServedScore> = (url: string) => Score | Promise<Score>

/** Long enough for a load balancer's idle connections, which are 60 s at most places. */
const keepAliveMs = 65_000
const headersMs = 60_000
/** Tokens with many scopes are long. */
const headerBytes = 64 * 1024

/** What nobody took: 401 to strangers, 404 to those with a good token, as the original. */
function unknownPath(score: ServedScore): (ctx: Context) => Promise<void> {
  return async (ctx) => {
    if (ctx.path !== '/health') await score.service.as(bearerToken(ctx)).profile()
    throw new ScoreError('object-not-found', `there is nothing at ${ctx.path}`)
  }
}

/** Of the addresses in `X-Forwarded-For` only the last was written by the proxy; those before it are the client's own tale. */
function koaOptions(trustProxy: boolean): { readonly proxy: boolean; readonly maxIpsCount: number } {
  return { proxy: trustProxy, maxIpsCount: 1 }
}

function createListener(score: ServedScore, options: ScoreServerOptions): RequestListener {
  const app = new Koa(koaOptions(options.trustProxy ?? false))
  // Koa would write to stderr; what went wrong is in the request's event.
  app.silent = true
  const { onRequest, ...rest } = options
  const now = options.now ?? Date.now
  const service = createScoreMiddleware(score, { home: true, ...rest })
  const unknown = createProblemMiddleware(now)
  const all: Middleware = (ctx) => service(ctx, () => unknown(ctx, () => unknownPath(score)(ctx)))
  app.use(onRequest ? reporting(onRequest, now, all) : all)
  return app.callback()
}

/**
 * A server of its own on node:http. Give it a function when the service must know the address it is reached under: the
 * port is bound first, and requests wait until the service is there.
 *
 * No time limit but silence cuts a slow transfer; see `stallSeconds`.
 */
export function createScoreServer<Score extends ServedScore>(
  score: Score | ServedScoreAt<Score>,
  options: ScoreServerOptions = {},
): ScoreServer<Score> {
  const { host = '127.0.0.1', port = 5431 } = options
  const prefix = (options.prefix ?? '').replace(/\/+$/, '')
  let resolveListener: (listener: RequestListener) => void = () => undefined
  const ready = new Promise<RequestListener>((resolve) => {
    resolveListener = resolve
  })
  let closing = false
  let listener = typeof score === 'function' ? undefined : createListener(score, options)
  const server = createServer({ maxHeaderSize: headerBytes, headersTimeout: headersMs, requestTimeout: 0, keepAliveTimeout: keepAliveMs })
  deferContinue(server, `${prefix}/store/`)
  server.on('request', (request, response) => {
    if (closing) response.setHeader('Connection', 'close')
    if (listener) listener(request, response)
    else void ready.then((made) => made(request, response))
  })
  return {
    async listen() {
      const url = `${await bind(server, host, port)}${prefix}`
      if (typeof score !== 'function') return { url, score }
      try {
        const made = await score(url)
        listener = createListener(made, options)
        resolveListener(listener)
        return { url, score: made }
      } catch (error) {
        await drain(server, 0)
        throw error
      }
    },
    async close({ deadlineSeconds = 10 } = {}) {
      closing = true
      if (server.listening) await drain(server, deadlineSeconds)
    },
  }
}
