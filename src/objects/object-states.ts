import type { CallOptions } from '../core/call-options.ts'
import type { ObjectLayout } from '../storage/object-layout.ts'
import type { StorageBackend } from '../storage/storage-backend.ts'
import { guardBackend } from './guarded-backend.ts'
import { createSpecStore } from './spec-store.ts'
import { createUploadJournal } from './upload-journal.ts'

/** What a catalogue asks before it publishes. */
export interface ObjectState {
  /** The object is whole: its `.meta` is there, or where clients write by themselves its bytes. */
  readonly exists: boolean
  /** Bytes; where it exists. */
  readonly size?: number
  /** Lower-case hex, where it is known. */
  readonly md5?: string
  /** An upload of it is in progress. */
  readonly uploadOpen: boolean
}

/** States of objects without asking who wants to know: for an embedded catalogue, never for a caller. */
export interface ObjectStates {
  describe(objectId: string, options?: CallOptions): Promise<ObjectState>
}

export function createObjectStates(options: { readonly backend: StorageBackend; readonly layout: ObjectLayout }): ObjectStates {
  const backend = guardBackend(options.backend)
  const specs = createSpecStore({ backend, layout: options.layout })
  const journal = createUploadJournal({ backend, layout: options.layout })
  return {
    async describe(objectId, call) {
      const [stored, upload] = await Promise.all([specs.read(objectId, call), journal.find(objectId, call)])
      const uploadOpen = upload !== undefined
      // Where clients write objects by themselves, the bytes are all that there need be.
      const bare = stored === undefined && backend.presignObjectWrite !== undefined ? await specs.bare(objectId, call) : undefined
      const size = stored?.spec.size ?? bare?.stat.size
      if (size === undefined) return { exists: false, uploadOpen }
      const md5 = stored === undefined ? bare?.md5 : stored.spec.md5
      return { exists: true, size, uploadOpen, ...(md5 === undefined ? {} : { md5 }) }
    },
  }
}
