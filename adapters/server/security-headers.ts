import type { Middleware } from 'koa'

/**
 * Headers of the original's answers (Spring Security's): nothing is kept by caches, guessed at, or framed. A route may
 * say otherwise for itself.
 */
export const securityHeaders: Middleware = (ctx, next) => {
  ctx.set('X-Content-Type-Options', 'nosniff')
  ctx.set('X-Frame-Options', 'DENY')
  ctx.set('Referrer-Policy', 'no-referrer')
  ctx.set('Cache-Control', 'no-store')
  return next()
}
