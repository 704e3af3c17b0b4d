import { rangeLength } from '../core/byte-range.ts'
import type { CallOptions } from '../core/call-options.ts'
import { isScoreError, ScoreError } from '../core/errors.ts'
import type { ObjectSpec, PartReceipt, UploadRef } from '../core/object-spec.ts'
import type { MultipartRef, StorageBackend, StoredPart } from '../storage/storage-backend.ts'
import type { UploadJournal } from './upload-journal.ts'

/** An upload's receipts, compared with what the store really holds. */
export interface HeldParts {
  readonly fresh: boolean
  /** By part number; only those the store holds with that ETag and the planned size. */
  readonly held: ReadonlyMap<number, PartReceipt>
}

/** As {@link HeldParts}, of an upload that the store no longer knows: it was joined, or ended elsewhere. */
export interface GoneUpload {
  readonly gone: true
  /** As registered, unchecked. */
  readonly receipts: readonly PartReceipt[]
}

async function storedParts(
  backend: StorageBackend,
  multipart: MultipartRef,
  options?: CallOptions,
): Promise<ReadonlyMap<number, StoredPart> | undefined> {
  const parts = new Map<number, StoredPart>()
  try {
    for await (const part of backend.listParts(multipart, options)) parts.set(part.number, part)
  } catch (error) {
    if (isScoreError(error, 'upload-not-found')) return undefined
    throw error
  }
  return parts
}

/** Receipts that hold, one for each part, and those that do not. */
function compare(
  receipts: readonly PartReceipt[],
  stored: ReadonlyMap<number, StoredPart>,
  spec: ObjectSpec,
): { readonly held: ReadonlyMap<number, PartReceipt>; readonly stale: readonly PartReceipt[] } {
  const planned = new Map(spec.parts.map((part) => [part.number, rangeLength(part.range)]))
  const held = new Map<number, PartReceipt>()
  const stale: PartReceipt[] = []
  for (const receipt of receipts) {
    const part = stored.get(receipt.number)
    const length = planned.get(receipt.number)
    const holds = part?.etag === receipt.etag && length !== undefined && (part.size ?? length) === length
    if (holds && !held.has(receipt.number)) held.set(receipt.number, receipt)
    else stale.push(receipt)
  }
  return { held, stale }
}

/**
 * Reads the receipts and checks each against the store; removes those that do not hold (a part sent again with another
 * content leaves two). Both are read at once, so the store is asked again before a receipt is given up: it may be of a
 * part that came meanwhile.
 */
export async function reconcileParts(
  context: { readonly backend: StorageBackend; readonly journal: UploadJournal; readonly multipart: MultipartRef },
  upload: UploadRef,
  spec: ObjectSpec,
  options?: CallOptions,
): Promise<HeldParts | GoneUpload> {
  const { backend, journal, multipart } = context
  const [{ receipts, fresh }, listed] = await Promise.all([journal.readRecord(upload, options), storedParts(backend, multipart, options)])
  if (listed === undefined) return { gone: true, receipts }
  const { held, stale } = compare(receipts, listed, spec)
  if (stale.length === 0) return { fresh, held }
  const stored = await storedParts(backend, multipart, options)
  if (stored === undefined) return { gone: true, receipts }
  const checked = compare(receipts, stored, spec)
  await journal.drop(upload, checked.stale, options)
  return { fresh, held: checked.held }
}

/** @throws `part-mismatch` unless the store holds the part with this ETag; `upload-not-found`. */
export async function requireStoredPart(
  backend: StorageBackend,
  multipart: MultipartRef,
  receipt: PartReceipt,
  options?: CallOptions,
): Promise<void> {
  let stored: StoredPart | undefined
  for await (const part of backend.listParts(multipart, { ...options, after: receipt.number - 1, limit: 1 })) stored = part
  if (stored?.number === receipt.number && stored.etag === receipt.etag) return
  const found = stored?.number === receipt.number ? `holds it with ETag ${stored.etag}` : 'holds no such part'
  throw new ScoreError(
    'part-mismatch',
    `part ${receipt.number} of '${multipart.key}' was reported with ETag ${receipt.etag}, but the store ${found}; send the part again`,
  )
}
