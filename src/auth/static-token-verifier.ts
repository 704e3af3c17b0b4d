import { timingSafeEqual } from 'node:crypto'
import { ScoreError } from '../core/errors.ts'
import type { Identity, TokenVerifier } from './authorizer.ts'
import { defaultScopePolicy, type ScopePolicy } from './scope-policy.ts'

export interface StaticTokenOptions {
  /** At least 16 characters. */
  readonly token: string
  /** Default `local`. */
  readonly subject?: string
  /** Default: the three system scopes of the policy. */
  readonly scopes?: readonly string[]
  readonly policy?: ScopePolicy
}

/**
 * Knows exactly one token, compared in constant time. It is the embedded server's own, made at its first start.
 *
 * @throws `invalid-configuration` for a token short enough to be guessed.
 */
export function createStaticTokenVerifier(options: StaticTokenOptions): TokenVerifier {
  const { token, subject = 'local', policy = defaultScopePolicy } = options
  if (token.length < 16) throw new ScoreError('invalid-configuration', 'the local access token must have at least 16 characters')
  const scopes = new Set(options.scopes ?? [policy.upload.system, policy.download.system, policy.catalogue.system])
  const expected = Buffer.from(token)
  const identity: Identity = { subject, scopes }
  return {
    async verify(sent) {
      // Its length is no secret: tokens of the same making have the same.
      const given = Buffer.from(sent)
      if (given.length === expected.length && timingSafeEqual(given, expected)) return identity
      throw new ScoreError('unauthenticated', 'the access token is not the one of this server')
    },
  }
}
