import type Router from '@koa/router'
import type { RouterContext } from '@koa/router'
import type { Context, Next } from 'koa'

type Layer = Router['stack'][number]

/** The routes of a router, found by the first name of the path: the router itself tries each of its patterns on each request. */
export interface RouteTable {
  /** Runs the route that takes the request; `undefined` where there is none. */
  run(ctx: Context, next: Next): Promise<unknown> | undefined
}

function firstName(path: string): string {
  const end = path.indexOf('/', 1)
  return (end < 0 ? path : path.slice(0, end)).toLowerCase()
}

/** Of a router whose patterns begin with a plain name, and whose routes have one handler each. */
export function createRouteTable(router: Router): RouteTable {
  const byName = new Map<string, Layer[]>()
  for (const layer of router.stack) {
    const name = firstName(String(layer.path))
    byName.set(name, [...(byName.get(name) ?? []), layer])
  }
  return {
    run(ctx, next) {
      const { path, method } = ctx
      for (const layer of byName.get(firstName(path)) ?? []) {
        if (!layer.methods.includes(method)) continue
        const found = layer.regexp.exec(path)
        if (!found) continue
        const [handler] = layer.stack
        ctx['params'] = layer.params(path, found.slice(1))
        return Promise.resolve(handler?.(ctx as RouterContext, next))
      }
      return undefined
    },
  }
}
