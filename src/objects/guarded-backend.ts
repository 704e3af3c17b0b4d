import { isScoreError, ScoreError } from '../core/errors.ts'
import type { StorageBackend } from '../storage/storage-backend.ts'

function translate(error: unknown, store: string): unknown {
  if (!isScoreError(error, 'access-denied')) return error
  const message = `the ${store} object store refuses this server's credentials: ${error.message}`
  return new ScoreError('invalid-configuration', message, { cause: error })
}

async function* guardedStream<Item>(items: AsyncIterable<Item>, store: string): AsyncIterable<Item> {
  try {
    yield* items
  } catch (error) {
    throw translate(error, store)
  }
}

async function guarded<Result>(work: Promise<Result>, store: string): Promise<Result> {
  try {
    return await work
  } catch (error) {
    throw translate(error, store)
  }
}

function guardedNow<Result>(work: () => Result, store: string): Result {
  try {
    return work()
  } catch (error) {
    throw translate(error, store)
  }
}

/**
 * A store that refuses the server itself is a fault of the server's set-up, never of the caller's rights: `access-denied`
 * becomes `invalid-configuration` here, so that no caller is told to get another token.
 */
export function guardBackend(backend: StorageBackend): StorageBackend {
  const { name, readDocument, presignNow, presignObjectWrite, listMultiparts, deleteMany } = backend
  return {
    name,
    ...(backend.listsAllParts ? { listsAllParts: true } : {}),
    head: (address, options) => guarded(backend.head(address, options), name),
    get: (address, options) => guardedStream(backend.get(address, options), name),
    ...(readDocument ? { readDocument: (address, options) => guarded(readDocument(address, options), name) } : {}),
    put: (address, body, options) => guarded(backend.put(address, body, options), name),
    delete: (address, options) => guarded(backend.delete(address, options), name),
    ...(deleteMany ? { deleteMany: (addresses, options) => guarded(deleteMany(addresses, options), name) } : {}),
    list: (prefix, options) => guardedStream(backend.list(prefix, options), name),
    listFolders: (prefix, options) => guardedStream(backend.listFolders(prefix, options), name),
    presign: (request) => guarded(backend.presign(request), name),
    ...(presignNow ? { presignNow: (request) => guardedNow(() => presignNow(request), name) } : {}),
    ...(presignObjectWrite ? { presignObjectWrite: (address, life) => guarded(presignObjectWrite(address, life), name) } : {}),
    createMultipart: (address, options) => guarded(backend.createMultipart(address, options), name),
    listParts: (multipart, options) => guardedStream(backend.listParts(multipart, options), name),
    ...(listMultiparts ? { listMultiparts: (prefix, options) => guardedStream(listMultiparts(prefix, options), name) } : {}),
    completeMultipart: (multipart, parts, options) => guarded(backend.completeMultipart(multipart, parts, options), name),
    abortMultipart: (multipart, options) => guarded(backend.abortMultipart(multipart, options), name),
  }
}
