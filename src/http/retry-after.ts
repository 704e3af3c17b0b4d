/** Seconds asked for by a `Retry-After` header, a number or an HTTP date (RFC 9110 10.2.3); `undefined` when it says neither. */
export function parseRetryAfter(header: string | null, nowMs: number): number | undefined {
  const text = header?.trim() ?? ''
  if (/^\d+$/.test(text)) return Number(text)
  if (!/^[A-Za-z]{3},? /.test(text)) return undefined
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - nowMs) / 1000))
}
