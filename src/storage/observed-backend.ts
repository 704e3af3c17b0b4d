import { type CallTime, createTimedCalls } from '../core/timed-calls.ts'
import type { StorageBackend } from './storage-backend.ts'

/** One call to a store. */
export interface StoreCall {
  /** The reading of a whole document is a `get`, whatever way it took. */
  readonly operation: Exclude<keyof StorageBackend, 'name' | 'listsAllParts' | 'readDocument' | 'presignNow'>
  /** Of `presign` and `presignObjectWrite`: what the URL is for. */
  readonly presigned?: 'get' | 'put-part' | 'put-object'
  /** Of a stream or a list: until its end, or until its reader had enough. */
  readonly durationMs: number
  readonly failed: boolean
}

type Operation = StoreCall['operation']

/** Tells of every call to a store, for those who measure it. @param now - milliseconds; default a monotonic clock */
export function observeBackend(
  backend: StorageBackend,
  onCall: (call: StoreCall) => void,
  now: () => number = () => performance.now(),
): StorageBackend {
  const timed = createTimedCalls(now)
  const one = <T>(operation: Operation, call: () => Promise<T>, more: Pick<StoreCall, 'presigned'> = {}): Promise<T> =>
    timed.one(call, (time) => onCall({ operation, ...more, ...time }))
  const many = <T>(operation: Operation, call: () => AsyncIterable<T>): AsyncGenerator<T> =>
    timed.many(call, (time) => onCall({ operation, ...time }))
  const { readDocument, presignNow, presignObjectWrite, listMultiparts, deleteMany } = backend
  return {
    name: backend.name,
    ...(backend.listsAllParts ? { listsAllParts: true } : {}),
    head: (address, options) => one('head', () => backend.head(address, options)),
    get: (address, options) => many('get', () => backend.get(address, options)),
    ...(readDocument ? { readDocument: (address, options) => one('get', () => readDocument(address, options)) } : {}),
    put: (address, body, options) => one('put', () => backend.put(address, body, options)),
    delete: (address, options) => one('delete', () => backend.delete(address, options)),
    ...(deleteMany ? { deleteMany: (addresses, options) => one('deleteMany', () => deleteMany(addresses, options)) } : {}),
    list: (prefix, options) => many('list', () => backend.list(prefix, options)),
    listFolders: (prefix, options) => many('listFolders', () => backend.listFolders(prefix, options)),
    presign: (request) => one('presign', () => backend.presign(request), { presigned: request.action }),
    ...(presignNow
      ? {
          presignNow: (request) => {
            const tell = (time: CallTime): void => onCall({ operation: 'presign', presigned: request.action, ...time })
            return timed.now(() => presignNow(request), tell)
          },
        }
      : {}),
    ...(presignObjectWrite
      ? {
          presignObjectWrite: (address, life) =>
            one('presignObjectWrite', () => presignObjectWrite(address, life), { presigned: 'put-object' }),
        }
      : {}),
    createMultipart: (address, options) => one('createMultipart', () => backend.createMultipart(address, options)),
    listParts: (multipart, options) => many('listParts', () => backend.listParts(multipart, options)),
    ...(listMultiparts ? { listMultiparts: (prefix, options) => many('listMultiparts', () => listMultiparts(prefix, options)) } : {}),
    completeMultipart: (multipart, parts, options) => one('completeMultipart', () => backend.completeMultipart(multipart, parts, options)),
    abortMultipart: (multipart, options) => one('abortMultipart', () => backend.abortMultipart(multipart, options)),
  }
}
