import { ScoreError } from '../core/errors.ts'
import type { PartReceipt } from '../core/object-spec.ts'

/** Prefix of all part-state names inside an upload's folder; the original lists with it. */
export const partStatePrefix = 'part'

/** `part-00000011|`: what the state names of one part have in common. */
export function partStateStem(partNumber: number): string {
  return `part-${partNumber.toString(16).padStart(8, '0')}|`
}

/**
 * The name under which a held part is remembered (score-server.md 3.3): its number in hex and its receipt as JSON, in
 * the object's key, so that one listing reads them all.
 */
export function partStateName(receipt: PartReceipt): string {
  const json = JSON.stringify({ partNumber: receipt.number, md5: receipt.md5, etag: receipt.etag })
  return `${partStateStem(receipt.number)}${json}`
}

function isReceiptJson(value: unknown): value is { partNumber: number; md5: string; etag: string } {
  if (typeof value !== 'object' || value === null) return false
  const fields = value as Readonly<Record<string, unknown>>
  return (
    Object.keys(fields).every((name) => name === 'partNumber' || name === 'md5' || name === 'etag') &&
    Number.isSafeInteger(fields['partNumber']) &&
    typeof fields['md5'] === 'string' &&
    typeof fields['etag'] === 'string'
  )
}

function parseReceipt(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}

/**
 * Reads a part-state name as strictly as the original does: exactly `partNumber`, `md5` and `etag`, and the number in
 * hex must be the one in the JSON.
 *
 * @throws `invalid-format` naming the key.
 */
export function parsePartState(name: string): PartReceipt {
  const match = /^part-([0-9a-f]{8})\|(.*)$/s.exec(name)
  const json = match ? parseReceipt(match[2] as string) : undefined
  if (match && isReceiptJson(json) && Number.parseInt(match[1] as string, 16) === json.partNumber)
    return { number: json.partNumber, md5: json.md5, etag: json.etag }
  throw new ScoreError(
    'invalid-format',
    `the upload state holds '${name}', which is no part state (part-<8 hex digits>|{"partNumber":…,"md5":…,"etag":…}); cancel the upload and begin it again`,
  )
}
