import type { Middleware } from 'koa'

/**
 * Headers of the original's answers (Spring Security's): nothing is kept by caches, guessed at, or framed. A route may
 * say otherwise for itself.
 */
export const securityHeaders: Middleware = ({ res }, next) => {
  res.setHeader('X-Content-Type-Options', 'nosniff')
  res.setHeader('X-Frame-Options', 'DENY')
  res.setHeader('Referrer-Policy', 'no-referrer')
  res.setHeader('Cache-Control', 'no-store')
  return next()
}
