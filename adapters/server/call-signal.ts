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

interface CallOfRequest {
  readonly ctx: Context
  made: AbortSignal | undefined
}

/** A getter of each object's own would give each a hidden class of its own, which the engine keeps for long, and all behind it. */
const onDemand = {
  get signal(): AbortSignal {
    const call = this as unknown as CallOfRequest
    call.made ??= callSignal(call.ctx)
    return call.made
  },
}

/** Options of a call for a request. The signal is made when it is first asked for: what waits for nothing never asks. */
export function callOptions(ctx: Context): { readonly signal: AbortSignal } {
  return Object.assign(Object.create(onDemand) as typeof onDemand, { ctx, made: undefined })
}
