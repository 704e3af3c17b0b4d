import type { CallOptions } from '../core/call-options.ts'
import { isScoreError } from '../core/errors.ts'
import type { ObjectAddress, StorageBackend } from '../storage/storage-backend.ts'

/** The bytes of a small document; `undefined` when there is none at the address. */
export async function readDocumentBytes(
  backend: StorageBackend,
  address: ObjectAddress,
  options?: CallOptions,
): Promise<Buffer | undefined> {
  const pieces: Buffer[] = []
  try {
    for await (const piece of backend.get(address, options)) pieces.push(Buffer.from(piece))
  } catch (error) {
    if (isScoreError(error, 'object-not-found')) return undefined
    throw error
  }
  const [only] = pieces
  return only !== undefined && pieces.length === 1 ? only : Buffer.concat(pieces)
}

/** As {@link readDocumentBytes}, as text. */
export async function readDocument(backend: StorageBackend, address: ObjectAddress, options?: CallOptions): Promise<string | undefined> {
  return (await readDocumentBytes(backend, address, options))?.toString('utf8')
}

export async function writeDocument(backend: StorageBackend, address: ObjectAddress, json: unknown, options?: CallOptions): Promise<void> {
  await backend.put(address, Buffer.from(JSON.stringify(json)), options)
}
