import type { CallOptions } from '../core/call-options.ts'
import type { ObjectSpec, Part, PartReceipt, SignedPart, UploadRef } from '../core/object-spec.ts'
import { runPool } from '../core/pool.ts'
import type { ObjectLayout } from '../storage/object-layout.ts'
import { parsePartState, partStateName, partStatePrefix, partStateStem } from '../storage/part-state.ts'
import type { ObjectAddress, StorageBackend } from '../storage/storage-backend.ts'
import { parseJson } from '../wire/json-reader.ts'
import { objectSpecFromJson, objectSpecToJson } from '../wire/object-spec-json.ts'
import { readDocument, writeDocument } from './document.ts'

/** What the folder of an upload tells. */
export interface UploadRecord {
  /** No object was there when the upload began, so it must not replace one that came in the meantime. */
  readonly fresh: boolean
  /** As they were registered, ascending by part; a part may have two when its second came with another ETag. */
  readonly receipts: readonly PartReceipt[]
}

/** An upload in progress. */
export interface FoundUpload extends UploadRef {
  /** When its spec was written, by the store's clock. */
  readonly writtenAt: Date
}

/** State of uploads in the bucket, so that servers keep none and every one of them can go on (score-server.md 3.2, 3.3). */
export interface UploadJournal {
  /** Writes the state of a new upload; its spec keeps the real URLs, for an original server may take over. */
  open(spec: ObjectSpec<SignedPart>, options: CallOptions & { readonly fresh: boolean }): Promise<void>
  /** Every upload of the object that left a folder, in order of key. */
  all(objectId: string, options?: CallOptions): Promise<readonly UploadRef[]>
  /** The one in progress: the first with a spec. */
  find(objectId: string, options?: CallOptions): Promise<FoundUpload | undefined>
  /** Whether this upload is in progress, by its state: one request. */
  isOpen(upload: UploadRef, options?: CallOptions): Promise<boolean>
  /** Writes the spec anew, with URLs that live longer; to the clean-up the upload is as young as that. */
  renew(spec: ObjectSpec<SignedPart>, options?: CallOptions): Promise<void>
  /** @throws `invalid-format`. */
  readSpec(upload: UploadRef, options?: CallOptions): Promise<ObjectSpec<Part> | undefined>
  /** @throws `invalid-format` for a key that is no part state. */
  readRecord(upload: UploadRef, options?: CallOptions): Promise<UploadRecord>
  /** One request, unless this process knows that the part was registered with another ETag before. */
  record(upload: UploadRef, receipt: PartReceipt, options?: CallOptions): Promise<void>
  /** Forgets all receipts of one part. */
  forget(upload: UploadRef, partNumber: number, options?: CallOptions): Promise<void>
  /** Forgets these receipts and no others. */
  drop(upload: UploadRef, receipts: readonly PartReceipt[], options?: CallOptions): Promise<void>
  /** Removes the spec, which ends the upload for everyone who looks. */
  end(upload: UploadRef, options?: CallOptions): Promise<void>
  /** Removes what is left of an upload that has ended. */
  clear(upload: UploadRef, options?: CallOptions): Promise<void>
  /** Ends the upload and removes all of it, in this order. */
  close(upload: UploadRef, options?: CallOptions): Promise<void>
  /** When anything in the folder was written last; `undefined` when it is empty. */
  lastWritten(upload: UploadRef, options?: CallOptions): Promise<Date | undefined>
}

export interface UploadJournalOptions {
  readonly backend: StorageBackend
  readonly layout: ObjectLayout
  /** Deletes at once, where the store takes them one by one; default 32. */
  readonly concurrency?: number
}

const specName = '.meta'
const freshName = '.fresh'

/** How many registrations of this process are remembered, to notice that a part comes again; only a saving, never relied on. */
const rememberedReceipts = 20_000

export function createUploadJournal({ backend, layout, concurrency = 32 }: UploadJournalOptions): UploadJournal {
  const recent = new Map<string, string>()
  const recentKey = (upload: UploadRef, part: number): string => `${upload.objectId} ${upload.uploadId} ${part}`
  const remember = (key: string, etag: string): void => {
    recent.delete(key)
    recent.set(key, etag)
    const oldest = recent.size > rememberedReceipts ? recent.keys().next().value : undefined
    if (oldest !== undefined) recent.delete(oldest)
  }
  const { deleteMany } = backend
  const deleteNames = async (upload: UploadRef, names: Iterable<string> | AsyncIterable<string>, options?: CallOptions): Promise<void> => {
    if (!deleteMany) return runPool(names, (name, call) => backend.delete(layout.upload(upload, name), call), { ...options, concurrency })
    const addresses: ObjectAddress[] = []
    for await (const name of names) addresses.push(layout.upload(upload, name))
    if (addresses.length > 0) await deleteMany(addresses, options)
  }

  async function* names(upload: UploadRef, start: string, options?: CallOptions): AsyncIterable<string> {
    const folder = layout.upload(upload).key
    for await (const { key } of backend.list(layout.upload(upload, start), options)) yield key.slice(folder.length)
  }
  async function* otherNames(upload: UploadRef, start: string, kept: string, options?: CallOptions): AsyncIterable<string> {
    for await (const name of names(upload, start, options)) if (name !== kept) yield name
  }

  const journal: UploadJournal = {
    async open(spec, { fresh, ...options }) {
      if (fresh) await backend.put(layout.upload(spec, freshName), new Uint8Array(0), options)
      await journal.renew(spec, options)
    },
    async all(objectId, options) {
      const uploads: UploadRef[] = []
      for await (const folder of backend.listFolders(layout.uploadsOf(objectId), options)) {
        const upload = layout.uploadOf(folder)
        if (upload) uploads.push(upload)
      }
      return uploads
    },
    async find(objectId, options) {
      for (const upload of await journal.all(objectId, options)) {
        const stat = await backend.head(layout.upload(upload, specName), options)
        if (stat) return { ...upload, writtenAt: stat.lastModified }
      }
      return undefined
    },
    isOpen: async (upload, options) => (await backend.head(layout.upload(upload, specName), options)) !== undefined,
    renew: (spec, options) => writeDocument(backend, layout.upload(spec, specName), objectSpecToJson(spec), options),
    async readSpec(upload, options) {
      const address = layout.upload(upload, specName)
      const text = await readDocument(backend, address, options)
      const what = `'${address.key}' in bucket '${address.bucket}'`
      return text === undefined ? undefined : objectSpecFromJson(parseJson(text, what), what)
    },
    async readRecord(upload, options) {
      const receipts: PartReceipt[] = []
      let fresh = false
      for await (const name of names(upload, '', options)) {
        if (name === freshName) fresh = true
        else if (name.startsWith(partStatePrefix)) receipts.push(parsePartState(name))
      }
      return { fresh, receipts }
    },
    async record(upload, receipt, options) {
      const name = partStateName(receipt)
      const key = recentKey(upload, receipt.number)
      const before = recent.get(key)
      await backend.put(layout.upload(upload, name), new Uint8Array(0), options)
      remember(key, receipt.etag)
      if (before !== undefined && before !== receipt.etag)
        await deleteNames(upload, otherNames(upload, partStateStem(receipt.number), name, options), options)
    },
    async forget(upload, partNumber, options) {
      recent.delete(recentKey(upload, partNumber))
      await deleteNames(upload, names(upload, partStateStem(partNumber), options), options)
    },
    drop: (upload, receipts, options) => deleteNames(upload, receipts.map(partStateName), options),
    end: (upload, options) => backend.delete(layout.upload(upload, specName), options),
    clear: (upload, options) => deleteNames(upload, names(upload, '', options), options),
    async close(upload, options) {
      await journal.end(upload, options)
      await journal.clear(upload, options)
    },
    async lastWritten(upload, options) {
      let latest: Date | undefined
      for await (const { lastModified } of backend.list(layout.upload(upload), options))
        if (latest === undefined || lastModified > latest) latest = lastModified
      return latest
    },
  }
  return journal
}
