import type { CallOptions } from '../core/call-options.ts'
import type { UploadRef } from '../core/object-spec.ts'
import type { ObjectLayout } from '../storage/object-layout.ts'
import type { StorageBackend } from '../storage/storage-backend.ts'
import { claimSweep, type SweepClaimOptions } from './sweep-claim.ts'
import { createUploadJournal } from './upload-journal.ts'

export interface SweepOptions extends CallOptions {
  readonly backend: StorageBackend
  readonly layout: ObjectLayout
  /** Uploads in which nothing was written for so long end; default 6 days, the life of an upload's URLs. */
  readonly olderThanSeconds?: number
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

const sixDays = 6 * 86_400

/**
 * Ends uploads that were left alone: aborts them in the store and removes their state, also state that lost its `.meta`
 * or its multipart upload, and multipart uploads to places of objects that have no state. Every step can be repeated, so several servers may sweep at once and a crash does no harm.
 *
 * @returns the uploads ended: those with state in order of key, then those without.
 */
export async function sweepStaleUploads(options: SweepOptions): Promise<readonly UploadRef[]> {
  const { backend, layout, olderThanSeconds = sixDays, now = Date.now, signal } = options
  const call: CallOptions = signal ? { signal } : {}
  const journal = createUploadJournal({ backend, layout })
  const limit = now() - olderThanSeconds * 1000
  const ended: UploadRef[] = []
  for (const root of layout.uploadRoots())
    for await (const folder of backend.listFolders(root, call)) {
      const upload = layout.uploadOf(folder)
      const written = upload && (await journal.lastWritten(upload, call))
      if (!upload || !written || written.getTime() > limit) continue
      await backend.abortMultipart({ ...layout.data(upload.objectId)[0], uploadId: upload.uploadId }, call)
      await journal.close(upload, call)
      ended.push(upload)
    }
  for (const root of layout.dataRoots())
    for await (const multipart of backend.listMultiparts?.(root, call) ?? []) {
      const objectId = layout.objectIdOf(multipart.key)
      if (objectId === undefined || multipart.begunAt.getTime() > limit) continue
      const upload = { objectId, uploadId: multipart.uploadId }
      if (await journal.lastWritten(upload, call)) continue
      await backend.abortMultipart(multipart, call)
      ended.push(upload)
    }
  return ended
}

/**
 * As {@link sweepStaleUploads}, by one server of all that share the store, and by the store's clock.
 *
 * @returns undefined when another server sweeps, or has swept within `holdSeconds`.
 */
export async function sweepStaleUploadsOnce(
  options: Omit<SweepOptions, 'now'> & Omit<SweepClaimOptions, 'backend' | 'layout' | 'signal'>,
): Promise<readonly UploadRef[] | undefined> {
  const claim = await claimSweep(options)
  if (claim === undefined) return undefined
  try {
    return await sweepStaleUploads({ ...options, now: () => claim.at.getTime() })
  } catch (error) {
    if (!options.signal?.aborted) await claim.release()
    throw error
  }
}
