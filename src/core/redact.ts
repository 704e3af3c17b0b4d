/** An address as it may be shown or logged: without user, query and fragment, which may carry rights. */
export function redactUrl(url: string): string {
  const end = url.search(/[?#]/)
  const bare = end < 0 ? url : `${url.slice(0, end)}?…`
  return bare.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@]*@/i, '$1')
}

/** Takes signed queries and bearer tokens out of free text, such as a peer's error body. */
export function redactText(text: string): string {
  return text
    .replace(/\bhttps?:\/\/[^\s"'<>]+/gi, (url) => redactUrl(url))
    .replace(/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+/gi, '$1 …')
    .replace(/\b(Signature|X-Amz-Signature|X-Amz-Credential|X-Amz-Security-Token|sig|access_token|token)=[^&\s"'<>]+/gi, '$1=…')
}

/** Up to the punctuation that a sentence puts behind it. */
const address = String.raw`\bhttps?:\/\/[^\s"'<>]*[^\s"'<>.,:;)…]…?`
const replacements: readonly (readonly [RegExp, string])[] = [
  [new RegExp(` at ${address}`, 'gi'), ''],
  [new RegExp(`\\b(?:GET|HEAD|POST|PUT|DELETE) ${address}`, 'g'), 'a question to a service behind this one'],
  [new RegExp(address, 'gi'), 'a service behind this one'],
  // node's own words, with a name or an address of any family.
  [/\b(connect|getaddrinfo) (E[A-Z_]+) [^\s;,()]+/g, '$1 $2'],
]

/** Takes out of a message where the services behind this one are: the log's business, and no caller's. */
export function hideAddresses(text: string): string {
  return replacements.reduce((told, [found, instead]) => told.replace(found, instead), text)
}

/** How `info` shows a secret: whether there is one and how it ends, nothing to use it with. */
export function maskSecret(secret: string): string {
  return secret.length < 12 ? '••••' : `••••${secret.slice(-4)}`
}
