import { createHash } from 'node:crypto'

/** MD5 of bytes in memory, lower-case hex. */
export function md5Hex(...chunks: readonly (Uint8Array | string)[]): string {
  const hash = createHash('md5')
  for (const chunk of chunks) hash.update(chunk)
  return hash.digest('hex')
}

/**
 * Any spelling of an MD5 (hex in either case, base64, quoted ETag, weak ETag) as lower-case hex;
 * `undefined` when the text is not an MD5 (a multipart ETag `…-7`, an empty string, `<missing>`).
 */
export function normalizeMd5(text: string | null | undefined): string | undefined {
  const bare =
    text
      ?.trim()
      .replace(/^W\//, '')
      .replace(/^"(.*)"$/, '$1') ?? ''
  if (/^[0-9a-fA-F]{32}$/.test(bare)) return bare.toLowerCase()
  if (/^[A-Za-z0-9+/]{22}==$/.test(bare)) return Buffer.from(bare, 'base64').toString('hex')
  return undefined
}

/** An ETag header without quotes and weakness mark. */
export function unquoteEtag(etag: string): string {
  return etag
    .trim()
    .replace(/^W\//, '')
    .replace(/^"(.*)"$/, '$1')
}

/** S3's ETag of a multipart object: MD5 of the parts' binary MD5s, a dash, and their number. */
export function multipartEtag(partMd5s: readonly string[]): string {
  return `${md5Hex(...partMd5s.map((md5) => Buffer.from(md5, 'hex')))}-${partMd5s.length}`
}
