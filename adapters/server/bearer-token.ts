import type { Context } from 'koa'
import { ScoreError } from '../../src/index.ts'

const syntax = /^Bearer +([A-Za-z0-9\-._~+/]+=*) *$/i

/** Node keeps the first of several; the raw headers are names and values in turns. */
function countAuthorizations(raw: readonly string[]): number {
  let count = 0
  for (let at = 0; at < raw.length; at += 2) if (raw[at]?.length === 13 && raw[at]?.toLowerCase() === 'authorization') count++
  return count
}

/**
 * The caller's token: only from the `Authorization` header, never from the query. Another scheme than Bearer counts as
 * no token.
 *
 * @throws `unauthenticated` when the header says Bearer and the rest is no token (RFC 6750 2.1), or when there are two
 *   headers: a proxy may have judged another one than would count here.
 */
export function bearerToken(ctx: Context): string | undefined {
  if (countAuthorizations(ctx.req.rawHeaders) > 1)
    throw new ScoreError('unauthenticated', 'the request has more than one Authorization header')
  const header = (ctx.req.headers.authorization ?? '').trim()
  const token = syntax.exec(header)?.[1]
  if (token !== undefined) return token
  if (!/^Bearer\b/i.test(header)) return undefined
  throw new ScoreError('unauthenticated', 'the bearer token is malformed')
}

/** Whether the header is there at all; upload routes want it (wire-vectors.md 1). */
export function hasAuthorization(ctx: Context): boolean {
  return ctx.headers.authorization !== undefined
}
