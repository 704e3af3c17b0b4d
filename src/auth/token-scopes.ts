/** Names on the way to a claim: `['context', 'scope']` is `scope` inside of `context`. */
export type ClaimPath = readonly string[]

/** `realm_access.roles` as a path; `\.` is a dot inside of a name, such as `https://example\.org/scopes`. */
export function parseClaimPath(text: string): ClaimPath {
  return text.split(/(?<!\\)\./).map((name) => name.replaceAll('\\.', '.'))
}

function claimAt(claims: unknown, path: ClaimPath): unknown {
  let value = claims
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
    value = (value as Record<string, unknown>)[name]
  }
  return value
}

/**
 * Scopes in either of their spellings: a list of texts, or one text with blanks between (RFC 6749, 3.3). Nothing at all is no
 * scopes.
 *
 * @returns `undefined` for what is neither.
 */
export function parseScopes(value: unknown): readonly string[] | undefined {
  if (value === undefined || value === null) return []
  if (typeof value === 'string') return value.split(' ').filter((scope) => scope !== '')
  if (Array.isArray(value) && value.every((scope) => typeof scope === 'string')) return value
  return undefined
}

/** All scopes at the paths; what is odd there gives none, as with the original (score-server.md 6.3a). */
export function scopesAt(claims: unknown, paths: readonly ClaimPath[]): ReadonlySet<string> {
  return new Set(paths.flatMap((path) => parseScopes(claimAt(claims, path)) ?? []))
}
