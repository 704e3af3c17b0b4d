import type { JournalWriter } from './transfer-journal.ts'

/** When the records so far are made to survive a power cut: whichever comes first (transfer.md 8.2). */
export interface CommitPolicy {
  readonly parts: number
  readonly bytes: number
  readonly ms: number
}

export const defaultCommitPolicy: CommitPolicy = { parts: 8, bytes: 1024 ** 3, ms: 5000 }

/** Groups what is expensive (flushing data and journal), away from the data path. */
export interface JournalCommits {
  /** A part of so many bytes was recorded. @throws what an earlier commit failed with. */
  noted(bytes: number): void
  /** Commits what is recorded and waits for it. */
  flush(): Promise<void>
  /**
   * The end after a failure: commits what is recorded if that still works. The failure that led here is the one to tell;
   * without a commit the records are only believed less.
   */
  settle(): Promise<void>
}

export function createJournalCommits(
  journal: JournalWriter,
  /** Flushes the data that the records speak of. */
  syncData: () => Promise<void>,
  policy: CommitPolicy = defaultCommitPolicy,
): JournalCommits {
  let pendingParts = 0
  let pendingBytes = 0
  let timer: NodeJS.Timeout | undefined
  let flight: Promise<void> | undefined
  let failure: { readonly error: unknown } | undefined

  async function commit(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    pendingParts = 0
    pendingBytes = 0
    const count = journal.recorded
    await syncData()
    await journal.sync(count)
  }

  function start(): Promise<void> {
    flight ??= commit().finally(() => {
      flight = undefined
    })
    return flight
  }

  function inBackground(): void {
    start().catch((error: unknown) => {
      failure ??= { error }
    })
  }

  return {
    noted(bytes) {
      if (failure) throw failure.error
      pendingParts++
      pendingBytes += bytes
      if (pendingParts >= policy.parts || pendingBytes >= policy.bytes) inBackground()
      else timer ??= setTimeout(inBackground, policy.ms).unref()
    },
    async flush() {
      if (flight) await flight
      if (failure) throw failure.error
      await start()
    },
    async settle() {
      await Promise.allSettled([flight])
      await Promise.allSettled([start()])
    },
  }
}
