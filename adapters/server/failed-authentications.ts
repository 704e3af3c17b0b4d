import { createHash } from 'node:crypto'
import type { Context, Middleware } from 'koa'
import { isScoreError, ScoreError } from '../../src/index.ts'

export interface FailedAuthenticationOptions {
  /** Failures of one credential from one address before it is no longer looked at; default 10. */
  readonly failures?: number
  /** From the first failure on; default 60. */
  readonly windowSeconds?: number
  /** Pairs of address and credential to remember; the oldest are forgotten. Default 10,000. */
  readonly remembered?: number
  readonly now?: () => number
}

interface Failures {
  count: number
  readonly until: number
}

const loopback = /^(?:127(?:\.\d{1,3}){3}|::1|::ffff:127(?:\.\d{1,3}){3})$/

/** The credential is kept as a hash, so that memory holds no tokens. */
function keyOf(ctx: Context): string | undefined {
  const credential = ctx.get('Authorization')
  if (credential === '' || loopback.test(ctx.ip)) return undefined
  return createHash('sha256').update(ctx.ip).update('\0').update(credential).digest('base64')
}

/**
 * Spares the verifier a credential that has failed again and again from the same address: it is answered 401 without being
 * looked at until the window ends. Nobody else is touched, loopback never, and memory stays bounded whatever is sent.
 */
export function throttleFailedAuthentications(options: FailedAuthenticationOptions = {}): Middleware {
  const { failures = 10, windowSeconds = 60, remembered = 10_000, now = Date.now } = options
  const known = new Map<string, Failures>()

  const note = (key: string): void => {
    const found = known.get(key)
    if (found && found.until > now()) {
      found.count++
      return
    }
    known.delete(key)
    if (known.size >= remembered) known.delete(known.keys().next().value as string)
    known.set(key, { count: 1, until: now() + windowSeconds * 1000 })
  }

  return async (ctx, next) => {
    const key = keyOf(ctx)
    if (key === undefined) return next()
    const found = known.get(key)
    if (found && found.count >= failures && found.until > now()) {
      const retryAfterSeconds = Math.ceil((found.until - now()) / 1000)
      ctx.set('Retry-After', String(retryAfterSeconds))
      throw new ScoreError('unauthenticated', `this credential failed ${found.count} times; try again in ${retryAfterSeconds} s`)
    }
    try {
      await next()
    } catch (error) {
      if (isScoreError(error, 'unauthenticated')) note(key)
      throw error
    }
    if (ctx.status === 401) note(key)
  }
}
