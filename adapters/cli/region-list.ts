/**
 * Cuts a list of regions at its commas, but not at those within a number: `chr1:1,000-2,000,chr2` is two regions. The
 * original cut at every one, and took the first piece for the whole of chr1 (score-client.md 6.2).
 */
export function splitRegionList(text: string): string[] {
  const regions: string[] = []
  let start = 0
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] !== ',' || isQuoted(text.slice(start, at)) || isWithinNumber(text.slice(start, at), text.slice(at + 1))) continue
    regions.push(text.slice(start, at))
    start = at + 1
  }
  return [...regions, text.slice(start)].map((region) => region.trim()).filter((region) => region !== '')
}

/** Inside a name in braces, which may hold anything. */
function isQuoted(before: string): boolean {
  return before.trimStart().startsWith('{') && !before.includes('}')
}

/** Digits before, and behind it three digits that end a number or are followed by more of its groups. */
function isWithinNumber(before: string, after: string): boolean {
  return /:.*\d$/.test(before) && /^\d{3}(?=[,-]|$)/.test(after)
}
