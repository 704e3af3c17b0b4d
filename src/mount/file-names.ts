import { createHash } from 'node:crypto'

/** Longest name that file systems take, in bytes of UTF-8. */
const maximumNameBytes = 255

// A slash parts a path, control characters forge lines of a listing, and half a surrogate pair has no UTF-8.
const forbidden = /[/\p{Cc}\p{Cs}]/gu

const extension = /(?:\.[A-Za-z0-9]{1,10})?\.(?:gz|bgz|bai|crai|tbi|csi|idx|fai|gzi|md5)$|\.[A-Za-z0-9]{1,10}$/i

function percent(character: string): string {
  return [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join('')
}

function cutToBytes(text: string, bytes: number): string {
  let kept = ''
  let used = 0
  for (const character of text) {
    used += Buffer.byteLength(character)
    if (used > bytes) return kept
    kept += character
  }
  return kept
}

/** The name with a mark before its extension, `a.vcf.gz` → `a~mark.vcf.gz`, cut so that it has at most 255 bytes. */
export function markedName(name: string, mark: string): string {
  const ending = extension.exec(name)?.[0] ?? ''
  const stem = name.slice(0, name.length - ending.length)
  const tail = `~${mark}${ending}`
  return `${cutToBytes(stem, maximumNameBytes - Buffer.byteLength(tail))}${tail}`
}

/**
 * A name that every file system takes: slashes, control characters and broken Unicode are percent-encoded, so are `.`,
 * `..` and the names kept for the mount itself; what has more than 255 bytes is cut and marked with a hash of the whole.
 */
export function safeEntryName(name: string, kept: readonly string[] = []): string {
  const encoded = name.replace(forbidden, percent)
  const whole = encoded === '' || encoded === '.' || encoded === '..' || kept.includes(encoded)
  const safe = whole ? (encoded === '' ? '%' : encoded.replaceAll('.', '%2E')) : encoded
  if (Buffer.byteLength(safe) <= maximumNameBytes) return safe
  return markedName(safe, createHash('sha256').update(name).digest('hex').slice(0, 8))
}
