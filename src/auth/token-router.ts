import { ScoreError } from '../core/errors.ts'
import type { TokenVerifier } from './authorizer.ts'

export interface TokenRoutes {
  readonly apiKeys?: TokenVerifier
  readonly jwts?: TokenVerifier
  /**
   * What counts as an API key: `uuid` (default) as with the original; `not-a-jwt` also sends other opaque tokens to `apiKeys`,
   * such as an OIDC server's.
   */
  readonly apiKeyForm?: 'uuid' | 'not-a-jwt'
}

// As lenient as Java's UUID.fromString, which the original asks (score-server.md 6.2).
const lenientUuid = /^[0-9a-f]+(-[0-9a-f]+){4}$/i
const compactJws = /^[\w-]+\.[\w-]+\.[\w-]*$/

const apiKeyTests = {
  uuid: (token: string) => token.length <= 36 && lenientUuid.test(token),
  'not-a-jwt': (token: string) => !compactJws.test(token),
}

/**
 * Sends a token to whoever can judge it, by its form alone.
 *
 * @throws `invalid-configuration` without any verifier; `verify` throws `unauthenticated` for a kind that is not taken.
 */
export function createTokenRouter({ apiKeys, jwts, apiKeyForm = 'uuid' }: TokenRoutes): TokenVerifier {
  if (apiKeys === undefined && jwts === undefined)
    throw new ScoreError('invalid-configuration', 'nobody is set who knows tokens: set how API keys, JWTs or both are verified')
  const isApiKey = apiKeyTests[apiKeyForm]
  return {
    async verify(token, options) {
      const verifier = isApiKey(token) ? apiKeys : jwts
      if (verifier !== undefined) return verifier.verify(token, options)
      const [sent, taken] = apiKeys === undefined ? ['API keys', 'a JWT'] : ['JWTs', 'an API key']
      throw new ScoreError('unauthenticated', `this service takes no ${sent} as access tokens; send ${taken}`)
    },
  }
}
