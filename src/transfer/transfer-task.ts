import type { ByteSource } from '../bytes/byte-source.ts'
import type { CallOptions } from '../core/call-options.ts'
import type { ScoreError } from '../core/errors.ts'
import type { ProgressSink } from '../core/progress.ts'

/** One file to be stored under an object id that the catalogue knows. */
export interface UploadTask {
  readonly objectId: string
  /** A local file, or any bytes with random access; `name` is what people are shown. */
  readonly from: { readonly path: string } | { readonly source: ByteSource; readonly name: string }
  /**
   * MD5 of the whole, hex. Compared with what was read before the upload is finished. Without it the file is read once
   * more beforehand, because the service compares it with the catalogue's.
   */
  readonly md5?: string
  /** Replace the object if there is one, and begin anew if an upload of it is in progress. Default false. */
  readonly overwrite?: boolean
  /** Go on with an upload in progress that was begun elsewhere (no state of it is here). Default false: refuse. */
  readonly adopt?: boolean
  /**
   * Folder that holds the state folder `.<objectId>`; default the file's own folder, or the engine's `journalDir`. For a
   * `source` without either no state is kept: a killed upload then goes on only with `adopt`.
   */
  readonly stateDir?: string
}

/** One object, or a range of it, to be written to a local file. */
export interface DownloadTask {
  readonly objectId: string
  /** Final name. It appears only once everything is verified; its folder is made if need be. */
  readonly path: string
  /** Name of the file while it grows, in the folder of `path`; default `.<objectId>.partial`. */
  readonly workName?: string
  /** Bytes of the object to fetch; they land at the start of the file. `end` absent = to the object's end. */
  readonly range?: { readonly start: number; readonly end?: number }
  /**
   * `auto`: MD5 of every part where known, and of the whole where known. `parts`: without the whole. `none`: lengths only.
   * Default `auto`.
   */
  readonly verify?: 'auto' | 'parts' | 'none'
  /** Replace the file at `path`, and begin anew where the unfinished download found there is of other bytes. Default false. */
  readonly overwrite?: boolean
  /** What an existing file at `path` means without `overwrite`: an error (`target-exists`), or nothing left to do. Default `refuse`. */
  readonly ifExists?: 'refuse' | 'skip'
  /** Wait for another process that downloads the same object into the same folder. Default false: `already-running`. */
  readonly wait?: boolean
}

export interface TransferOptions extends CallOptions {
  /** Parts in flight at once; default 8. A store that asks for less traffic gets less for a while. */
  readonly concurrency?: number
  /** Receives what happens; must not throw and should return quickly. */
  readonly progress?: ProgressSink
  /** Wait for another process at the same target instead of failing with `already-running`. Default false. */
  readonly waitForLock?: boolean
}

/** What a transfer did. Bytes and parts of the object, not of the wire: a part sent twice counts once in `partsMoved`. */
export interface TransferReceipt {
  readonly objectId: string
  readonly direction: 'upload' | 'download'
  /** Where the bytes came from or went to: a path, or the name of a source. */
  readonly name: string
  readonly size: number
  /** MD5 of the whole, hex, where it was computed or given. */
  readonly md5?: string
  /** What proves the bytes: MD5 of the whole, of every part, or their lengths alone. */
  readonly verified: 'whole' | 'parts' | 'lengths'
  /** The target was there already and `ifExists` said skip; nothing was done or checked. */
  readonly skipped: boolean
  readonly partsMoved: number
  /** Parts that an earlier run had moved. */
  readonly partsKept: number
  /** Of the parts found: those read and hashed again, because what the journal said could not be trusted. */
  readonly partsRechecked: number
  /** Of the parts rechecked: those that were wrong, and moved again. */
  readonly partsRepaired: number
  /** Attempts of parts that failed and were repeated. */
  readonly retries: number
  /** Bytes of the parts moved. */
  readonly bytesMoved: number
  /** From the call to the receipt. */
  readonly seconds: number
}

/** One of several transfers. */
export type TransferTask = { readonly upload: UploadTask } | { readonly download: DownloadTask }

export interface TransferManyOptions extends TransferOptions {
  /** Files in progress at once; default 4. They share one budget of `concurrency` connections, the oldest first. */
  readonly files?: number
  /** Told about each task as it ends. */
  readonly onOutcome?: (outcome: TransferOutcome) => void
}

/** How one of several transfers ended: with a receipt, an error, or not begun at all. */
export type TransferOutcome =
  | { readonly task: TransferTask; readonly status: 'done'; readonly receipt: TransferReceipt }
  | { readonly task: TransferTask; readonly status: 'failed'; readonly error: ScoreError }
  | { readonly task: TransferTask; readonly status: 'not-begun' }

export interface TransferManyResult {
  /** In the order of the tasks. */
  readonly outcomes: readonly TransferOutcome[]
  readonly done: number
  readonly failed: number
  readonly notBegun: number
  /** The failure that concerns every file (no rights, disk full …) and for which the rest was not begun. */
  readonly stoppedBy?: ScoreError
}

/** Moves objects between local files and a Score service's store, in parallel parts, verified and resumable. */
export interface TransferEngine {
  /**
   * @returns once the service has the whole object under its id.
   * @throws `object-exists`, `target-exists` never; `checksum-mismatch` (naming both digests; nothing is finished),
   *   `size-changed` and `object-changed` (the file is no longer what was begun), `upload-not-found`, `url-expired` (the
   *   upload's window is over), `already-running`, `local-storage`, `invalid-request`, and what the service throws. After
   *   any failure but `checksum-mismatch` a repeat goes on where this one ended.
   */
  upload(task: UploadTask, options?: TransferOptions): Promise<TransferReceipt>
  /**
   * @returns once the verified file stands under its final name and would survive a power cut.
   * @throws `target-exists`, `object-not-found`, `object-changed`, `checksum-mismatch`, `store-protocol`,
   *   `already-running`, `local-storage`, and what the service throws. A repeat goes on where this one ended.
   */
  download(task: DownloadTask, options?: TransferOptions): Promise<TransferReceipt>
  /** Several at once. Failures are collected; it rejects only when aborted. */
  transferMany(tasks: readonly TransferTask[], options?: TransferManyOptions): Promise<TransferManyResult>
  /** Ends what runs (resumable), and the transport if the engine made it. */
  close(): Promise<void>
}
