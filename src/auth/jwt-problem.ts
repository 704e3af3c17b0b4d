import type { errors } from 'jose'
import { ScoreError } from '../core/errors.ts'

const byCode: Readonly<Record<string, string>> = {
  ERR_JWT_EXPIRED: 'it has run out; get a new one',
  ERR_JOSE_ALG_NOT_ALLOWED: 'it is signed in a way that this service does not take',
  ERR_JOSE_NOT_SUPPORTED: 'it is signed in a way that this service does not know',
  ERR_JWKS_NO_MATCHING_KEY: 'none of the issuer’s keys signed it; it may come from another issuer',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'its signature is wrong; it was changed, or comes from another issuer',
}

const byClaim: Readonly<Record<string, string>> = {
  nbf: 'it is not valid yet; compare the clocks of this machine and the issuer’s',
  iss: 'it comes from another issuer than this service trusts',
  aud: 'it was issued for another service',
  exp: 'it does not say when it runs out, as it must',
}

/** What is wrong with the token, for people; nothing of the token's own text is repeated. */
export function jwtProblem(error: errors.JOSEError): ScoreError {
  const claim = error.code === 'ERR_JWT_CLAIM_VALIDATION_FAILED' ? (error as errors.JWTClaimValidationFailed).claim : ''
  const why = byClaim[claim] ?? byCode[error.code] ?? 'it is no well-formed JWT'
  return new ScoreError('unauthenticated', `the access token is refused: ${why}`, { cause: error })
}
