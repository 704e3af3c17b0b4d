import { randomUUID } from 'node:crypto'
import type { Context, Middleware } from 'koa'
import { isScoreError, type ProblemCode, redactText } from '../../src/index.ts'
import { inRequest, type RequestContext } from './request-context.ts'

/** What happened to one request, without token, query and signature. */
export interface RequestEvent {
  /** Of this server's own making; also in the answer's header `X-Request-Id`, and in what is said of decisions. */
  readonly requestId: string
  readonly method: string
  /** Without query. */
  readonly path: string
  /** The pattern that took it, such as `/upload/:objectId`. */
  readonly route?: string
  /** That the path names, where it names one. */
  readonly objectId?: string
  readonly status: number
  readonly durationMs: number
  /** The peer's, or the client's as the trusted proxy tells. */
  readonly remoteAddress: string
  readonly userAgent?: string
  /** Why it failed, where it did. */
  readonly problem?: { readonly code: ProblemCode | 'unknown'; readonly message: string }
  /** Stack of a failure that is the server's own, for its operator. */
  readonly stack?: string
  /** The client went away before it had its answer. */
  readonly aborted: boolean
}

/** One line, printable: what a caller sends must not forge lines of a log. */
function printable(text: string, longest: number): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, '?').slice(0, longest)
}

function problemOf(failure: unknown): Pick<RequestEvent, 'problem' | 'stack'> {
  if (failure === undefined) return {}
  const message = redactText(failure instanceof Error ? failure.message : String(failure))
  const code = isScoreError(failure) ? failure.code : 'unknown'
  const own = code === 'unknown' || code === 'internal' || code === 'invalid-configuration' || code === 'local-storage'
  const stack = own && failure instanceof Error && failure.stack !== undefined ? { stack: redactText(failure.stack) } : {}
  return { problem: { code, message }, ...stack }
}

/** Remembers why a request failed, for its event. */
export function noteFailure(ctx: Context, failure: unknown): void {
  ctx.state['failure'] = failure
}

function requestEvent(ctx: Context, durationMs: number, { requestId, remoteAddress }: RequestContext): RequestEvent {
  const route: unknown = ctx.state['route']
  const objectId: unknown = (ctx as { readonly params?: Readonly<Record<string, unknown>> }).params?.['objectId']
  const userAgent = ctx.get('User-Agent')
  return {
    requestId,
    method: printable(ctx.method, 20),
    path: printable(ctx.originalUrl.split('?', 1)[0] as string, 2000),
    ...(typeof route === 'string' ? { route } : {}),
    ...(typeof objectId === 'string' ? { objectId: printable(objectId, 100) } : {}),
    status: ctx.status,
    durationMs,
    remoteAddress: printable(remoteAddress, 100),
    ...(userAgent === '' ? {} : { userAgent: printable(userAgent, 200) }),
    ...problemOf(ctx.state['failure']),
    aborted: !ctx.res.writableFinished,
  }
}

/** Tells of every request that `inner` takes, once its answer is out or its client is gone; not of what it passes on. */
export function reporting(onRequest: (event: RequestEvent) => void, now: () => number, inner: Middleware): Middleware {
  return async (ctx, next) => {
    const started = now()
    const context = { requestId: randomUUID(), remoteAddress: ctx.ip }
    let passedOn = false
    ctx.res.once('close', () => {
      if (!passedOn) onRequest(requestEvent(ctx, now() - started, context))
    })
    ctx.set('X-Request-Id', context.requestId)
    await inRequest(context, () =>
      inner(ctx, () => {
        passedOn = true
        return next()
      }),
    )
  }
}
