/** What a transfer tells while it runs. One function receives them all; it must not throw and should return quickly. */
export type ProgressEvent =
  | {
      readonly type: 'started'
      readonly objectId: string
      readonly direction: 'upload' | 'download'
      readonly name: string
      readonly totalBytes: number
      readonly totalParts: number
    }
  /** `count` bytes more of this object moved. Negative when a failed part's bytes are taken back. */
  | { readonly type: 'bytes'; readonly objectId: string; readonly count: number }
  | {
      readonly type: 'part'
      readonly objectId: string
      readonly partNumber: number
      readonly bytes: number
      readonly outcome: 'moved' | 'kept'
    }
  | {
      readonly type: 'retry'
      readonly objectId: string
      readonly partNumber?: number
      readonly attempt: number
      readonly waitMs: number
      readonly reason: string
    }
  /** Fresh URLs were asked for, because the old ones ran out or were refused. */
  | { readonly type: 'renewed-urls'; readonly objectId: string; readonly reason: string }
  | { readonly type: 'verifying'; readonly objectId: string; readonly doneBytes: number; readonly totalBytes: number }
  | { readonly type: 'finished'; readonly objectId: string; readonly md5?: string }

export type ProgressSink = (event: ProgressEvent) => void
