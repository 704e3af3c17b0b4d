import { ScoreError } from '../core/errors.ts'
import { redactText, redactUrl } from '../core/redact.ts'

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there; check that the service runs and that the address and port are right',
  ECONNRESET: 'the connection was cut; the service or a proxy between may have restarted',
  EPIPE: 'the connection was cut; the service or a proxy between may have restarted',
  UND_ERR_SOCKET: 'the connection was cut; the service or a proxy between may have restarted',
  ENOTFOUND: 'no such host; check the spelling of the address',
  EAI_AGAIN: 'the name of the host cannot be looked up now; check the network',
  ENETUNREACH: 'the network cannot be reached; check the connection, a VPN or a proxy (HTTPS_PROXY)',
  EHOSTUNREACH: 'the host cannot be reached; check the connection, a VPN or a proxy (HTTPS_PROXY)',
  ETIMEDOUT: 'no connection came about in time; check a firewall, a VPN or a proxy (HTTPS_PROXY)',
  UND_ERR_CONNECT_TIMEOUT: 'no connection came about in time; check a firewall, a VPN or a proxy (HTTPS_PROXY)',
  UND_ERR_HEADERS_TIMEOUT: 'the connection stands, but no answer came',
  UND_ERR_BODY_TIMEOUT: 'the answer stopped in the middle',
}

const certificateReasons: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate comes from an authority that is not known here',
  UNABLE_TO_GET_ISSUER_CERT: 'its certificate comes from an authority that is not known here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate comes from an authority that is not known here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate comes from an authority that is not known here',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet; check the clock of this machine',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate belongs to another host',
}

/** fetch says `fetch failed`; what happened is some causes further down. */
function errorCodes(error: unknown): string[] {
  const codes: string[] = []
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 6; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string') codes.push(at.code)
    if (at instanceof AggregateError) codes.push(...at.errors.flatMap(errorCodes))
  }
  return codes
}

function innermostMessage(error: unknown): string {
  let message = String(error)
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 6; at = at.cause, depth++) message = at.message || message
  return redactText(message)
}

/** Whether the trouble is the peer's certificate: trying again cannot mend it. */
export function isCertificateError(error: unknown): boolean {
  return errorCodes(error).some((code) => code in certificateReasons)
}

/** fetch's word for an address on a port that its standard forbids; it asks nobody. */
function isForbiddenPort(error: unknown): boolean {
  return error instanceof Error && error.cause instanceof Error && error.cause.message === 'bad port'
}

/**
 * A failed connection as `unavailable`, naming the address without its secrets, what happened and the way out; as
 * `invalid-configuration` where the address is one that is never asked.
 */
export function networkError(error: unknown, url: string): ScoreError {
  if (isForbiddenPort(error))
    return new ScoreError(
      'invalid-configuration',
      `${redactUrl(url)} is on a port that no HTTP client may ask, for it belongs to another protocol (WHATWG Fetch, "port blocking"): have the service listen on another, such as 8080 or 443`,
      { cause: error },
    )
  const codes = errorCodes(error)
  const certificate = codes.find((code) => code in certificateReasons)
  const known = codes.find((code) => code in reasons)
  const reason = certificate
    ? `${certificateReasons[certificate]}; name the authority's file with NODE_EXTRA_CA_CERTS or --ca (${certificate})`
    : known
      ? `${reasons[known]} (${known})`
      : innermostMessage(error)
  return new ScoreError('unavailable', `cannot reach ${redactUrl(url)}: ${reason}`, { cause: error })
}
