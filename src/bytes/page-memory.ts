/** Memory in pages of one size, never more than its bound. What was given back is used again and does not wait for the collector. */
export interface PageMemory {
  readonly pageBytes: number
  readonly pages: number
  /** A page to write to; `undefined` when all are taken. */
  take(): Uint8Array | undefined
  give(page: Uint8Array): void
  /** Pages that are taken. */
  taken(): number
}

/**
 * Pages are cut from slabs of this size: one mapping of the system each, made when the pages before are all in use. It takes no
 * memory before it is written to, and the collector, which each one wakes, has few to think of.
 */
const slabBytes = 64 * 1024 * 1024

export function createPageMemory(maximumBytes: number, pageBytes: number): PageMemory {
  const pages = Math.floor(maximumBytes / pageBytes)
  const pagesPerSlab = Math.max(1, Math.floor(slabBytes / pageBytes))
  const free: Uint8Array[] = []
  let made = 0
  const grow = (): void => {
    const count = Math.min(pagesPerSlab, pages - made)
    const slab = Buffer.allocUnsafeSlow(count * pageBytes)
    // The last goes first, so that what is used lies together.
    for (let at = count - 1; at >= 0; at -= 1) free.push(slab.subarray(at * pageBytes, (at + 1) * pageBytes))
    made += count
  }
  return {
    pageBytes,
    pages,
    take() {
      if (free.length === 0 && made < pages) grow()
      return free.pop()
    },
    give(page) {
      free.push(page)
    },
    taken: () => made - free.length,
  }
}
