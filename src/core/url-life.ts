/** When a pre-signed URL was signed and runs out, as its query says; in ms since 1970. */
export interface UrlLife {
  readonly signedAt?: number
  readonly expiresAt?: number
}

/** `20240131T235959Z` and `2024-01-31T23:59:59Z` alike, also without seconds or with an offset. */
function parseTime(text: string): number | undefined {
  const match = /^(\d{4})-?(\d\d)-?(\d\d)T(\d\d):?(\d\d)(?::?(\d\d)(?:\.\d+)?)?(Z|[+-]\d\d:?\d\d)?$/i.exec(text.trim())
  if (!match) return undefined
  const [, year, month, day, hour, minute, second = '00', zone = 'Z'] = match
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}${zone.replace(/^([+-]\d\d)(\d\d)$/, '$1:$2').toUpperCase()}`)
  return Number.isNaN(time) ? undefined : time
}

function parseSeconds(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,12}$/.test(text.trim()) ? Number(text) : undefined
}

/**
 * Reads the life of a URL from whichever signature it carries: `X-Amz-Date` + `X-Amz-Expires` (SigV4), `X-Goog-…` alike,
 * `Expires` (V2, seconds since 1970), `se` and `st` (Azure SAS). Keys in any case, the first of repeated ones counts
 * (score-client.md 9.1). What cannot be read is absent: then only a refusal tells that a URL is over.
 */
export function urlLife(url: string): UrlLife {
  const query = new Map<string, string>()
  const at = url.indexOf('?')
  if (at < 0) return {}
  for (const [key, value] of new URLSearchParams(url.slice(at + 1).replace(/#.*$/s, ''))) {
    if (!query.has(key.toLowerCase())) query.set(key.toLowerCase(), value)
  }
  for (const vendor of ['x-amz', 'x-goog']) {
    const signedAt = parseTime(query.get(`${vendor}-date`) ?? '')
    const seconds = parseSeconds(query.get(`${vendor}-expires`))
    if (signedAt !== undefined && seconds !== undefined) return { signedAt, expiresAt: signedAt + seconds * 1000 }
  }
  const expires = parseSeconds(query.get('expires'))
  if (expires !== undefined) return { expiresAt: expires * 1000 }
  const azureEnd = parseTime(query.get('se') ?? '')
  return azureEnd === undefined ? {} : { expiresAt: azureEnd }
}
