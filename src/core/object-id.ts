import { createHash } from 'node:crypto'
import { ScoreError } from './errors.ts'

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const oidNamespace = Buffer.from('6ba7b8129dad11d180b400c04fd430c8', 'hex')

/** Object ids are UUIDs in the canonical 36-character form, any case, any version. */
export function isObjectId(text: string): boolean {
  return uuid.test(text)
}

/** @throws `invalid-request` naming the text when it is not a UUID. */
export function requireObjectId(text: string): string {
  if (isObjectId(text)) return text
  throw new ScoreError(
    'invalid-request',
    `'${text}' is not an object id: object ids are UUIDs such as 5be58fbb-775b-5259-bbbd-555e07fbdf24`,
  )
}

/**
 * The id that Song gives a file: UUIDv5 of `<analysisId>:<fileName>` in the OID namespace (song.md 2).
 * Verify with it, never require it: older data follows other rules.
 */
export function songObjectId(analysisId: string, fileName: string): string {
  const hash = createHash('sha1').update(oidNamespace).update(`${analysisId}:${fileName}`).digest().subarray(0, 16)
  hash[6] = ((hash[6] as number) & 0x0f) | 0x50
  hash[8] = ((hash[8] as number) & 0x3f) | 0x80
  const hex = hash.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
