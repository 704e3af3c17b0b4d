import { hash } from 'node:crypto'
import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { createSharedCalls } from '../core/shared-calls.ts'
import type { Identity, TokenVerifier } from './authorizer.ts'

export interface CachedVerifierOptions {
  /** How long an identity is believed without asking again; from 0 to 60, default 60. Never past its `expiresAt`. */
  readonly cacheSeconds?: number
  /** Identities kept at a time, the oldest go first; default 10000. */
  readonly maximumEntries?: number
  /** Clock in ms since 1970; default the system's. */
  readonly now?: () => number
}

interface Verdict {
  readonly identity: Identity
  readonly until: number
}

/** The longest that a right which was taken away may still work. */
const longestCacheSeconds = 60

/**
 * Remembers who a token proved to be. Requests with one token at one time ask once. Only identities are kept, never
 * refusals and failures, and under the token's SHA-256, never the token.
 *
 * @throws `invalid-configuration` for a time or number out of bounds.
 */
export function createCachedVerifier(verifier: TokenVerifier, options: CachedVerifierOptions = {}): TokenVerifier {
  const { cacheSeconds = longestCacheSeconds, maximumEntries = 10_000, now = Date.now } = options
  if (!(cacheSeconds >= 0 && cacheSeconds <= longestCacheSeconds))
    throw new ScoreError(
      'invalid-configuration',
      `tokens may be believed for 0 to ${longestCacheSeconds} s without asking again, not ${cacheSeconds}`,
    )
  if (!Number.isInteger(maximumEntries) || maximumEntries < 1)
    throw new ScoreError('invalid-configuration', `the number of identities to keep must be a whole number from 1, not ${maximumEntries}`)
  const verdicts = new Map<string, Verdict>()
  const calls = createSharedCalls<Identity>()

  const keep = (key: string, identity: Identity, asked: number): void => {
    const until = Math.min(asked + cacheSeconds * 1000, identity.expiresAt ?? Number.POSITIVE_INFINITY)
    if (until <= now()) return
    verdicts.delete(key)
    verdicts.set(key, { identity, until })
    if (verdicts.size <= maximumEntries) return
    const [oldest] = verdicts.keys()
    verdicts.delete(oldest as string)
  }

  const ask = async (key: string, token: string): Promise<Identity> => {
    const asked = now()
    const identity = await verifier.verify(token)
    keep(key, identity, asked)
    return identity
  }

  return {
    async verify(token: string, call: CallOptions = {}) {
      const key = hash('sha256', token, 'base64')
      const known = verdicts.get(key)
      if (known !== undefined && now() < known.until) return known.identity
      verdicts.delete(key)
      return calls.share(key, () => ask(key, token), call)
    },
  }
}
