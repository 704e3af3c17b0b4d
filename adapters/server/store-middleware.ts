import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import type { Context, Middleware } from 'koa'
import type { DataPlaneAnswer, LocalDataPlane } from '../../src/index.ts'
import { callSignal } from './call-signal.ts'
import { awaitsContinue, bodyOf } from './deferred-continue.ts'
import { noteFailure } from './request-event.ts'

const ownPath = /^\/store(?:\/|$)/

/** A refused body up to this size is read to its end, so that the connection lives on and the client sees the refusal. */
const drainBytes = 64 * 1024 * 1024

async function drained(res: ServerResponse): Promise<void> {
  const stop = new AbortController()
  try {
    await Promise.race([once(res, 'drain', { signal: stop.signal }), once(res, 'close', { signal: stop.signal })])
  } finally {
    stop.abort()
  }
}

/** Bytes to the client as fast as it takes them. The iterable is always begun, and so always ended. */
async function sendPieces(res: ServerResponse, body: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const piece of body) {
    if (res.destroyed) return
    if (!res.write(piece)) await drained(res)
  }
  res.end()
}

async function send(ctx: Context, answer: DataPlaneAnswer): Promise<void> {
  const { res } = ctx
  const { connection, ...headers } = answer.headers
  // A client that was never told to send will not: nothing can be drained, and the connection is at its end.
  const drainable = Number(ctx.get('Content-Length')) <= drainBytes && !awaitsContinue(ctx.req)
  const closes = connection === 'close' && !drainable
  ctx.status = answer.status
  res.writeHead(answer.status, { ...ctx.response.headers, ...headers, ...(closes ? { connection } : {}) })
  const { body } = answer
  if (body === undefined || ctx.method === 'HEAD' || body instanceof Uint8Array) {
    res.end(ctx.method === 'HEAD' ? undefined : body)
    return
  }
  try {
    await sendPieces(res, body)
  } catch (error) {
    noteFailure(ctx, error)
    // Cut, not ended: nobody shall take what came so far for the whole.
    res.destroy()
  }
}

/**
 * The data plane: signed URLs of the local store, under `/store`. Bytes pass in both directions as streams, and wait for
 * the slower side; a client that moves none for `stallSeconds` is cut off, one that moves some may take as long as it likes.
 */
export function createStoreMiddleware(dataPlane: LocalDataPlane, stallSeconds: number): Middleware {
  const serve = async (ctx: Context): Promise<void> => {
    ctx.state['route'] = '/store'
    ctx.req.setTimeout(stallSeconds * 1000, () => ctx.req.destroy())
    const signal = callSignal(ctx)
    ctx.respond = false
    try {
      const request = {
        method: ctx.method,
        path: ctx.path,
        query: ctx.querystring,
        headers: ctx.headers,
        body: bodyOf(ctx.req, ctx.res),
        signal,
      }
      await send(ctx, await dataPlane.handle(request))
    } catch (error) {
      noteFailure(ctx, error)
      ctx.res.destroy()
    }
  }
  return (ctx, next) => (ownPath.test(ctx.path) ? serve(ctx) : next())
}
