const everyMs = 100
const everyBytes = 1024 * 1024

/** Gathers small counts, so that a message is sent once per MiB or tenth of a second, whichever comes first. */
export interface ByteReports {
  add(count: number): void
  /** Sends what is left. */
  flush(): void
}

export function createByteReports(send: (count: number) => void, now: () => number = () => performance.now()): ByteReports {
  let gathered = 0
  let lastMs = now()
  const flush = (): void => {
    if (gathered !== 0) send(gathered)
    gathered = 0
    lastMs = now()
  }
  return {
    add(count) {
      gathered += count
      if (Math.abs(gathered) >= everyBytes || now() - lastMs >= everyMs) flush()
    },
    flush,
  }
}
