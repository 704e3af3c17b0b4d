import Router, { type RouterContext } from '@koa/router'
import type { Context, Middleware } from 'koa'
import { type Authorizer, type Catalogue, ScoreError, songError } from '../../src/index.ts'
import { bearerToken, hasAuthorization } from './bearer-token.ts'
import { addReads, addWrites } from './catalogue-routes.ts'
import { readJsonBody } from './json-body.ts'
import { noteFailure } from './request-event.ts'
import { describeProblem, songProblem } from './song-problem.ts'

export interface CatalogueRouterOptions {
  readonly catalogue: Catalogue
  /** Asked before every write, with the action `catalogue-write`. */
  readonly authorizer: Authorizer
  /** `open` (default): reads need no token, as Song's, and one that has run out does no harm. `token`: a good one is needed. */
  readonly reads?: 'open' | 'token'
  /** Largest body; default 32 MiB. */
  readonly bodyLimitBytes?: number
  readonly now?: () => Date
}

const ownPath = /^\/(?:isAlive|entities|studies|submit|schemas|export)(?:\/|$)/

interface Problem {
  readonly errorId: string
  readonly status: number
  readonly message: string
}

async function bodyOf(ctx: Context, limitBytes: number): Promise<{ readonly value: unknown } | Problem> {
  const body = await readJsonBody(ctx.req, limitBytes)
  if (body.type === 'json') return { value: body.value }
  if (body.type === 'too-large') {
    ctx.set('Connection', 'close')
    return { errorId: 'payload.too.large', status: 413, message: `the body is larger than ${limitBytes} bytes` }
  }
  if (body.type === 'wrong-type')
    return { errorId: 'unsupported.media.type', status: 415, message: `the body must be application/json, not '${body.contentType}'` }
  throw songError('payload.parsing', body.type === 'empty' ? '#: the body is empty; JSON is expected' : '#: the body is not JSON')
}

/**
 * Serves a catalogue as Song's REST API (song.md 1, what it marks must and should). Paths that are not Song's go on to
 * the next middleware; every refusal below its own has Song's JSON form.
 */
export function createCatalogueRouter(options: CatalogueRouterOptions): Middleware {
  const { catalogue, authorizer, reads = 'open', bodyLimitBytes = 32 * 1024 * 1024, now = () => new Date() } = options
  const router = new Router()

  const refuse = (ctx: Context, problem: Problem): void => {
    ctx.status = problem.status
    ctx.type = 'application/json'
    ctx.body = JSON.stringify(songProblem({ ...problem, requestUrl: ctx.originalUrl, now: now() }))
    if (problem.status === 401) ctx.set('WWW-Authenticate', hasAuthorization(ctx) ? 'Bearer error="invalid_token"' : 'Bearer')
    if (problem.status === 403) ctx.set('WWW-Authenticate', 'Bearer error="insufficient_scope"')
  }

  const answer = (ctx: Context, value: unknown): void => {
    ctx.status = 200
    ctx.type = 'application/json'
    ctx.body = JSON.stringify(value)
  }

  addReads((path, handler) => {
    router.get(path, async (ctx) => {
      ctx.state['route'] = path
      if (reads === 'token') {
        const token = bearerToken(ctx)
        if (token === undefined) throw new ScoreError('unauthenticated', 'this catalogue is read with an access token only')
        await authorizer.authorize({ token, action: 'identify' })
      }
      answer(ctx, await handler(ctx, new URLSearchParams(ctx.querystring)))
    })
  }, catalogue)

  addWrites((method, path, body, handler) => {
    router[method](path, async (ctx) => {
      ctx.state['route'] = path
      const study = ctx.params['study']
      await authorizer.authorize({ token: bearerToken(ctx), action: 'catalogue-write', ...(study === undefined ? {} : { study }) })
      const given = body === 'json' ? await bodyOf(ctx, bodyLimitBytes) : { value: undefined }
      if ('errorId' in given) {
        refuse(ctx, given)
        return
      }
      answer(ctx, await handler(ctx, new URLSearchParams(ctx.querystring), given.value))
    })
  }, catalogue)

  const unmatched = (ctx: Context): void => {
    const methods = [...new Set(router.match(ctx.path, ctx.method).path.flatMap((layer) => layer.methods))]
    if (methods.length === 0) {
      const message = `there is nothing at ${ctx.path}; this catalogue speaks a subset of Song`
      refuse(ctx, { errorId: 'not.found', status: 404, message })
      return
    }
    ctx.set('Allow', methods.join(', '))
    const message = `${ctx.method} is not possible at ${ctx.path}; ${methods.join(', ')} is`
    refuse(ctx, { errorId: 'method.not.allowed', status: 405, message })
  }

  const routes = router.routes()
  const serve = async (ctx: Context): Promise<void> => {
    try {
      await routes(ctx as RouterContext, async () => unmatched(ctx))
    } catch (error) {
      noteFailure(ctx, error)
      refuse(ctx, describeProblem(error))
    }
  }
  return (ctx, next) => (ownPath.test(ctx.path) ? serve(ctx) : next())
}
