const everyMs = 100

/** Gathers small counts: a message wakes the other thread up, which costs more than the count is worth. */
export interface ByteReports {
  add(count: number): void
  /** Sends what is left. */
  flush(): void
}

/** Sends what came together at most ten times a second. */
export function createByteReports(send: (count: number) => void, now: () => number = () => performance.now()): ByteReports {
  let gathered = 0
  let lastMs = now()
  let timer: NodeJS.Timeout | undefined
  const flush = (): void => {
    clearTimeout(timer)
    timer = undefined
    if (gathered !== 0) send(gathered)
    gathered = 0
    lastMs = now()
  }
  return {
    add(count) {
      gathered += count
      if (now() - lastMs >= everyMs) flush()
      // What came before a silence is told during it.
      else timer ??= setTimeout(flush, everyMs).unref()
    },
    flush,
  }
}
