import type { CallOptions } from '../core/call-options.ts'
import type { ScoreError } from '../core/errors.ts'
import { type RetryOptions, retry } from '../core/retry.ts'
import { compareKeys } from './key-order.ts'
import type { OpenMultipart, StorageBackend, StoredPart } from './storage-backend.ts'

/** How to repeat; by default whatever is `unavailable`: a part that is missing does not come by asking again. */
export type RetryingBackendOptions = Omit<RetryOptions, 'signal'>

type Again = <Result>(work: () => Promise<Result>, call?: CallOptions) => Promise<Result>

/** Repeats until the first piece is there; whoever has seen a piece hears of the failure. */
async function* begun<Item>(again: Again, begin: () => AsyncIterable<Item>, call?: CallOptions): AsyncIterable<Item> {
  const { items, first } = await again(async () => {
    const opened = begin()[Symbol.asyncIterator]()
    return { items: opened, first: await opened.next() }
  }, call)
  try {
    for (let step = first; step.done !== true; step = await items.next()) yield step.value
  } finally {
    await items.return?.()
  }
}

/** Begins again after the item that was given last. */
async function* resumed<Item>(
  again: Again,
  begin: (last: Item | undefined) => AsyncIterable<Item>,
  call?: CallOptions,
): AsyncIterable<Item> {
  let last: Item | undefined
  let items: AsyncIterator<Item> | undefined
  const next = async (): Promise<IteratorResult<Item>> => {
    items ??= begin(last)[Symbol.asyncIterator]()
    try {
      return await items.next()
    } catch (error) {
      items = undefined
      throw error
    }
  }
  try {
    for (let step = await again(next, call); step.done !== true; step = await again(next, call)) {
      last = step.value
      yield step.value
    }
  } finally {
    await items?.return?.()
  }
}

async function* past<Item>(items: AsyncIterable<Item>, last: string | undefined, keyOf: (item: Item) => string): AsyncIterable<Item> {
  for await (const item of items) if (last === undefined || compareKeys(keyOf(item), last) > 0) yield item
}

/** Uploads come in any order: after a failure all are listed again, and those that were given are left out. */
async function* openMultiparts(
  again: Again,
  list: () => AsyncIterable<OpenMultipart>,
  call: CallOptions | undefined,
): AsyncIterable<OpenMultipart> {
  const given = new Set<string>()
  const idOf = ({ key, uploadId }: OpenMultipart): string => `${key}\n${uploadId}`
  async function* left(): AsyncIterable<OpenMultipart> {
    for await (const multipart of list()) if (!given.has(idOf(multipart))) yield multipart
  }
  for await (const multipart of resumed(again, left, call)) {
    given.add(idOf(multipart))
    yield multipart
  }
}

/**
 * A store whose calls are repeated, by `src/core/retry.ts`, when they fail in a way that a repeat may mend. Listings go on
 * where they broke; an object that is being read is begun again only before its first piece, for the reader decides what
 * half an object is worth. An upload whose first try did begin, unheard, is left for the clean-up of stale uploads; a
 * completion that did happen, unheard, answers the repeat with `upload-not-found` or `object-exists`.
 */
export function createRetryingBackend(backend: StorageBackend, options: RetryingBackendOptions = {}): StorageBackend {
  const retryable = (error: ScoreError): boolean => error.code === 'unavailable'
  const again: Again = (work, call) => retry(work, { retryable, ...options, ...(call?.signal ? { signal: call.signal } : {}) })
  const { readDocument, presignNow, presignObjectWrite, listMultiparts, deleteMany } = backend
  return {
    name: backend.name,
    ...(backend.listsAllParts ? { listsAllParts: true } : {}),
    head: (address, call) => again(() => backend.head(address, call), call),
    get: (address, call) => begun(again, () => backend.get(address, call), call),
    ...(readDocument ? { readDocument: (address, call) => again(() => readDocument(address, call), call) } : {}),
    put(address, body, call) {
      const bytes = Uint8Array.from(body)
      return again(() => backend.put(address, bytes, call), call)
    },
    delete: (address, call) => again(() => backend.delete(address, call), call),
    ...(deleteMany ? { deleteMany: (addresses, call) => again(() => deleteMany(addresses, call), call) } : {}),
    list: (prefix, call) => resumed(again, (last) => past(backend.list(prefix, call), last?.key, ({ key }) => key), call),
    listFolders: (prefix, call) => resumed(again, (last) => past(backend.listFolders(prefix, call), last, (key) => key), call),
    presign: (request) => again(() => backend.presign(request)),
    ...(presignNow ? { presignNow } : {}),
    ...(presignObjectWrite ? { presignObjectWrite: (address, life) => again(() => presignObjectWrite(address, life)) } : {}),
    createMultipart: (address, call) => again(() => backend.createMultipart(address, call), call),
    async *listParts(multipart, call = {}) {
      const { limit = Number.POSITIVE_INFINITY } = call
      let given = 0
      const parts = resumed<StoredPart>(
        again,
        (last) => backend.listParts(multipart, last === undefined ? call : { ...call, after: last.number, limit: limit - given }),
        call,
      )
      for await (const part of parts) {
        given++
        yield part
      }
    },
    ...(listMultiparts ? { listMultiparts: (prefix, call) => openMultiparts(again, () => listMultiparts(prefix, call), call) } : {}),
    completeMultipart: (multipart, parts, call) => again(() => backend.completeMultipart(multipart, parts, call), call),
    abortMultipart: (multipart, call) => again(() => backend.abortMultipart(multipart, call), call),
  }
}
