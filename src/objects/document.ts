import type { CallOptions } from '../core/call-options.ts'
import { isScoreError } from '../core/errors.ts'
import type { ObjectAddress, StorageBackend } from '../storage/storage-backend.ts'

/** The bytes of a small document, not to be changed; `undefined` when there is none at the address. */
export async function readDocumentBytes(
  backend: StorageBackend,
  address: ObjectAddress,
  options?: CallOptions,
): Promise<Uint8Array | undefined> {
  if (backend.readDocument) return backend.readDocument(address, options)
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

export function documentText({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('utf8')
}

/** As {@link readDocumentBytes}, as text. */
export async function readDocument(backend: StorageBackend, address: ObjectAddress, options?: CallOptions): Promise<string | undefined> {
  const bytes = await readDocumentBytes(backend, address, options)
  return bytes && documentText(bytes)
}

export async function writeDocument(backend: StorageBackend, address: ObjectAddress, json: unknown, options?: CallOptions): Promise<void> {
  await backend.put(address, Buffer.from(JSON.stringify(json)), options)
}
