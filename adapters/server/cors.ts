import type { Middleware } from 'koa'
import { vary } from './vary.ts'

const methods = 'PUT,DELETE,GET,POST'
/** What a page needs to read: the ETag to register a part with, ranges, and why and for how long it was refused. */
const exposed = 'ETag, Content-Range, Accept-Ranges, Score-Problem, WWW-Authenticate, Retry-After, X-Request-Id'

/** Lets web pages of these origins call the service; `*` = of all. Preflights are answered as recorded (wire-vectors.md 1). */
export function createCors(origins: readonly string[]): Middleware {
  const allowed = new Set(origins)
  return (ctx, next) => {
    vary(ctx, 'Origin')
    const { origin } = ctx.req.headers
    if (origin === undefined || origin === '' || !(allowed.has(origin) || allowed.has('*'))) return next()
    ctx.set('Access-Control-Allow-Origin', origin)
    const asked = ctx.get('Access-Control-Request-Method')
    if (ctx.method !== 'OPTIONS' || asked === '') {
      ctx.set('Access-Control-Expose-Headers', exposed)
      return next()
    }
    ctx.set('Access-Control-Allow-Methods', methods)
    const headers = ctx.get('Access-Control-Request-Headers')
    if (headers !== '') ctx.set('Access-Control-Allow-Headers', headers)
    ctx.set('Access-Control-Max-Age', '1800')
    ctx.status = 200
    ctx.body = Buffer.alloc(0)
    ctx.remove('Content-Type')
    return undefined
  }
}
