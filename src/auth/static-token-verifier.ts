import { hash, timingSafeEqual } from 'node:crypto'
import { ScoreError } from '../core/errors.ts'
import type { TokenVerifier } from './authorizer.ts'
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

const digest = (text: string): Buffer => hash('sha256', text, 'buffer')

/**
 * Knows exactly one token, compared in constant time. It is the embedded server's own, made at its first start.
 *
 * @throws `invalid-configuration` for a token short enough to be guessed.
 */
export function createStaticTokenVerifier(options: StaticTokenOptions): TokenVerifier {
  const { token, subject = 'local', policy = defaultScopePolicy } = options
  if (token.length < 16) throw new ScoreError('invalid-configuration', 'the local access token must have at least 16 characters')
  const scopes = new Set(options.scopes ?? [policy.upload.system, policy.download.system, policy.catalogue.system])
  const expected = digest(token)
  return {
    async verify(sent) {
      if (timingSafeEqual(digest(sent), expected)) return { subject, scopes }
      throw new ScoreError('unauthenticated', 'the access token is not the one of this server')
    },
  }
}
