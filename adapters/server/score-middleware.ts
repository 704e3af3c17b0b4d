import type Router from '@koa/router'
import type { Context, Middleware, Next } from 'koa'
import { errorBody, ScoreError } from '../../src/index.ts'
import { answerEmpty, answerJson } from './answers.ts'
import { createCatalogueRouter } from './catalogue-router.ts'
import { createCors } from './cors.ts'
import { type FailedAuthenticationOptions, throttleFailedAuthentications } from './failed-authentications.ts'
import { createProblemMiddleware, requestPath } from './problem-middleware.ts'
import { type RequestEvent, reporting } from './request-event.ts'
import { createRouteTable } from './route-table.ts'
import { createScoreRouter } from './score-router.ts'
import { securityHeaders } from './security-headers.ts'
import type { ServedScore } from './served-score.ts'
import { createStoreMiddleware } from './store-middleware.ts'

export interface ScoreMiddlewareOptions {
  /** Path under which the service lies in the app: `/score`. Default: at its root. */
  readonly prefix?: string
  /** Origins of web pages that may call; default `http://localhost:8081`, as the original. */
  readonly corsOrigins?: readonly string[]
  /** Whether the catalogue is read without a token, as Song's; default `open`. */
  readonly catalogueReads?: 'open' | 'token'
  /** Told of every request once it is answered. Default: nobody. */
  readonly onRequest?: (event: RequestEvent) => void
  /** A data connection that moves no byte for so long is cut; default 300. */
  readonly stallSeconds?: number
  /** Largest body of a request that needs none; default 1 MiB. */
  readonly bodyLimitBytes?: number
  /** Answer `/` with a page that links the documentation; default false; `createScoreServer` does. */
  readonly home?: boolean
  /** How failed authentications are throttled; `false`: they are not. */
  readonly throttle?: FailedAuthenticationOptions | false
  readonly now?: () => number
}

/** As Koa's own, put together once. Those that only pass on add no promise, and what one throws reaches the one before it. */
function chain(middlewares: readonly Middleware[]): Middleware {
  return middlewares.reduceRight<Middleware>(
    (rest, middleware) => (ctx, next) => middleware(ctx, () => rest(ctx, next)),
    (_ctx, next) => next(),
  )
}

function requirePrefix(prefix: string): string {
  const trimmed = prefix.replace(/\/+$/, '')
  if (trimmed === '' || trimmed.startsWith('/')) return trimmed
  throw new ScoreError('invalid-configuration', `'${prefix}' is no path prefix: it must begin with a slash, such as /score`)
}

/** Takes the prefix off the path while `inner` runs; everything outside of it goes on to the next middleware. */
function underPrefix(prefix: string, inner: Middleware): Middleware {
  if (prefix === '') return inner
  return async (ctx, next) => {
    const whole = ctx.path
    if (whole !== prefix && !whole.startsWith(`${prefix}/`)) return next()
    ctx.path = whole.slice(prefix.length) || '/'
    await inner(ctx, async () => {
      ctx.path = whole
      await next()
    })
  }
}

/** No request but the catalogue's and the store's has a body; a big one is not even read. */
function bodyGuard(limitBytes: number): Middleware {
  return (ctx, next) => {
    const { 'content-length': bytes = '0' } = ctx.req.headers
    if (Number(bytes) <= limitBytes) return next()
    ctx.set('Connection', 'close')
    throw new ScoreError('invalid-request', `the request has a body of ${bytes} bytes where none is expected`)
  }
}

function routed(router: Router, now: () => number): Middleware {
  const routes = createRouteTable(router)
  const unmatched = async (ctx: Context, next: Next): Promise<unknown> => {
    const methods = new Set(router.match(ctx.path, ctx.method).path.flatMap((layer) => layer.methods))
    methods.delete('HEAD')
    if (methods.size === 0) return next()
    ctx.set('Allow', [...methods].sort().join(', '))
    if (ctx.method === 'OPTIONS') return answerEmpty(ctx)
    ctx.status = 405
    const message = `${ctx.method} is not possible here; ${[...methods].sort().join(', ')} is`
    return answerJson(ctx, errorBody(405, message, { path: requestPath(ctx), now: now() }))
  }
  return (ctx, next) => routes.run(ctx, next) ?? unmatched(ctx, next)
}

/**
 * The service, its catalogue and its store as one Koa middleware (score-server.md 1; song.md 1). Paths that are none of
 * theirs go on to the next middleware.
 *
 * @throws `invalid-configuration` for a prefix without slash, or a catalogue without an authorizer.
 */
export function createScoreMiddleware(score: ServedScore, options: ScoreMiddlewareOptions = {}): Middleware {
  const { now = Date.now, corsOrigins = ['http://localhost:8081'], stallSeconds = 300, bodyLimitBytes = 1024 * 1024 } = options
  if (score.service === undefined) throw new ScoreError('invalid-configuration', 'a server needs a service: { service, … }')
  const prefix = requirePrefix(options.prefix ?? '')
  const catalogueReads = options.catalogueReads ?? 'open'
  const router = createScoreRouter(score, { home: options.home ?? false, catalogueReads })
  const middlewares: Middleware[] = [createCors(corsOrigins), createProblemMiddleware(now)]
  if (score.dataPlane) middlewares.push(createStoreMiddleware(score.dataPlane, stallSeconds))
  middlewares.push(securityHeaders)
  if (options.throttle !== false) middlewares.push(throttleFailedAuthentications({ now, ...options.throttle }))
  if (score.catalogue) {
    const { catalogue, authorizer } = score
    if (!authorizer) throw new ScoreError('invalid-configuration', 'a catalogue is served only with an authorizer for its writes')
    middlewares.push(createCatalogueRouter({ catalogue, authorizer, reads: catalogueReads, now: () => new Date(now()) }))
  }
  middlewares.push(bodyGuard(bodyLimitBytes), routed(router, now))
  const all = underPrefix(prefix, chain(middlewares))
  return options.onRequest ? reporting(options.onRequest, now, all) : all
}
