import type { Context } from 'koa'
import { ScoreError } from '../../src/index.ts'

const syntax = /^Bearer +([A-Za-z0-9\-._~+/]+=*) *$/i

/**
 * The caller's token: only from the `Authorization` header, never from the query. Another scheme than Bearer counts as
 * no token.
 *
 * @throws `unauthenticated` when the header says Bearer and the rest is no token (RFC 6750 2.1), or when there are two
 *   headers: a proxy may have judged another one than would count here.
 */
export function bearerToken(ctx: Context): string | undefined {
  const sent = ctx.req.headersDistinct['authorization'] ?? []
  if (sent.length > 1) throw new ScoreError('unauthenticated', 'the request has more than one Authorization header')
  const header = ctx.get('Authorization').trim()
  if (!/^Bearer\b/i.test(header)) return undefined
  const token = syntax.exec(header)?.[1]
  if (token !== undefined) return token
  throw new ScoreError('unauthenticated', 'the bearer token is malformed')
}

/** Whether the header is there at all; upload routes want it (wire-vectors.md 1). */
export function hasAuthorization(ctx: Context): boolean {
  return ctx.headers.authorization !== undefined
}
