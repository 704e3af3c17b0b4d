import { ScoreError, toScoreError } from '../core/errors.ts'
import type { UploadRef } from '../core/object-spec.ts'
import type { UploadJournal } from './upload-journal.ts'

export interface StateRemovalsOptions {
  readonly journal: UploadJournal
  /** Told what could not be removed, and why; the clean-up of uploads left alone removes it. */
  readonly onFailure?: (error: ScoreError) => void
  /** Default 4. */
  readonly atOnce?: number
  /** How long {@link StateRemovals.settle} waits; default 30,000. */
  readonly graceMs?: number
}

/** Removes the state of uploads that have ended, behind the answers that tell so. */
export interface StateRemovals {
  /** Comes back at once, but while as many others run as may: then when this one is done, so that nothing piles up. Never fails. */
  begin(upload: UploadRef): Promise<void>
  /** Waits for those that run; what is not done in time is given up. */
  settle(): Promise<void>
}

export function createStateRemovals({ journal, onFailure, atOnce = 4, graceMs = 30_000 }: StateRemovalsOptions): StateRemovals {
  const running = new Map<Promise<void>, AbortController>()

  const remove = async (upload: UploadRef, signal: AbortSignal): Promise<void> => {
    try {
      await journal.clear(upload, { signal })
    } catch (cause) {
      const { code, message } = toScoreError(cause)
      const what = `what was left of upload '${upload.uploadId}' of object ${upload.objectId}, which is finished,`
      onFailure?.(new ScoreError(code, `${what} is not removed, and waits for the clean-up of uploads left alone: ${message}`, { cause }))
    }
  }

  return {
    async begin(upload) {
      const isRoom = running.size < atOnce
      const stop = new AbortController()
      const removal = remove(upload, stop.signal).finally(() => running.delete(removal))
      running.set(removal, stop)
      if (!isRoom) await removal
    },
    async settle() {
      const left = [...running]
      const late = new ScoreError('unavailable', `it took longer than ${graceMs} ms`)
      const timer = setTimeout(() => {
        for (const [, stop] of left) stop.abort(late)
      }, graceMs)
      await Promise.all(left.map(([removal]) => removal))
      clearTimeout(timer)
    },
  }
}
