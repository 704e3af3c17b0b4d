import type { Context } from 'koa'

/** Aborts when the client goes away before it has its answer. */
export function callSignal(ctx: Context): AbortSignal {
  const controller = new AbortController()
  const { res } = ctx
  if (res.destroyed) controller.abort(new Error('the client hung up'))
  res.once('close', () => {
    if (!res.writableFinished) controller.abort(new Error('the client hung up'))
  })
  return controller.signal
}
