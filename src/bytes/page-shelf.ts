import type { ByteSource } from './byte-source.ts'
import type { PageMemory } from './page-memory.ts'

/** An object with the pages of it that are here or under way. */
export interface PagedObject {
  readonly source: ByteSource
  readonly size: number
  readonly pages: Map<number, Page>
  /** Who has it open. */
  readers: number
  /** Pages from the start that stay once they are here. */
  readonly keptPages: number
  warm(): void
}

/** A stretch of an object, by its number from the start. Without memory until it is being fetched. */
export interface Page {
  readonly object: PagedObject
  readonly index: number
  /** Bytes of the object in it: fewer at the object's end. */
  readonly length: number
  state: 'wanted' | 'coming' | 'here'
  bytes: Uint8Array | undefined
  /** For whom it was fetched ahead; absent once it was used, or when somebody waits for it. */
  aheadOf: unknown
  kept: boolean
  /** Neighbours in the order of last use; of pages that are here and not kept. */
  older: Page | undefined
  newer: Page | undefined
}

/** Which pages hold memory, and which gives its own away next. */
export interface PageShelf {
  readonly pageBytes: number
  readonly pages: number
  /** A new page of an object, wanted and without memory. */
  add(object: PagedObject, index: number): Page
  /** Gives a wanted page memory, taken from the one that was used longest ago if need be. @returns false when there is none */
  provide(page: Page, aheadOf: unknown): boolean
  /** The page has its bytes. */
  place(page: Page): void
  /** Somebody used a page that is here. */
  use(page: Page): void
  /** A page that is not expected to be used again gives its memory away, unless it is to stay. */
  pass(object: PagedObject, index: number): void
  /** What was fetched ahead for somebody who has gone is memory like any other. */
  abandon(object: PagedObject, aheadOf: unknown): void
  /** Takes a page off that will not get its bytes, or is no longer wanted. */
  drop(page: Page): void
  /** Whole pages from the start of an object whose first bytes are known, for as long as there is memory. */
  fill(object: PagedObject, head: Uint8Array): void
  forget(object: PagedObject): void
  /** Pages that were given memory ahead of their use, and were not used yet. */
  ahead(): number
  statistics(): { readonly memoryBytes: number }
}

export function createPageShelf(memory: PageMemory): PageShelf {
  const { pageBytes, pages } = memory
  let oldest: Page | undefined
  let newest: Page | undefined
  let ahead = 0
  let kept = 0

  const unlink = (page: Page): void => {
    if (page.older) page.older.newer = page.newer
    else if (oldest === page) oldest = page.newer
    if (page.newer) page.newer.older = page.older
    else if (newest === page) newest = page.older
    page.older = undefined
    page.newer = undefined
  }
  const link = (page: Page): void => {
    page.older = newest
    if (newest) newest.newer = page
    else oldest = page
    newest = page
  }
  const used = (page: Page): void => {
    if (page.aheadOf === undefined) return
    page.aheadOf = undefined
    ahead -= 1
  }
  const drop = (page: Page): void => {
    if (page.state === 'here' && !page.kept) unlink(page)
    used(page)
    if (page.kept) kept -= 1
    if (page.bytes) memory.give(page.bytes)
    page.bytes = undefined
    page.kept = false
    page.state = 'wanted'
    if (page.object.pages.get(page.index) === page) page.object.pages.delete(page.index)
  }
  const add = (object: PagedObject, index: number): Page => {
    const length = Math.min(pageBytes, object.size - index * pageBytes)
    const none = { bytes: undefined, older: undefined, newer: undefined }
    const page: Page = { object, index, length, state: 'wanted', aheadOf: undefined, kept: false, ...none }
    object.pages.set(index, page)
    return page
  }
  const provide = (page: Page, aheadOf: unknown): boolean => {
    let bytes = memory.take()
    if (!bytes && oldest) {
      drop(oldest)
      bytes = memory.take()
    }
    if (!bytes) return false
    page.bytes = bytes
    page.state = 'coming'
    page.aheadOf = aheadOf
    if (aheadOf !== undefined) ahead += 1
    return true
  }
  const place = (page: Page): void => {
    page.state = 'here'
    page.kept = page.index < page.object.keptPages && kept < pages / 4
    if (page.kept) {
      kept += 1
      used(page)
    } else link(page)
  }
  return {
    pageBytes,
    pages,
    add,
    provide,
    place,
    use(page) {
      used(page)
      if (page.kept || page === newest) return
      unlink(page)
      link(page)
    },
    pass(object, index) {
      const page = object.pages.get(index)
      if (page?.state === 'here' && !page.kept) drop(page)
    },
    abandon(object, aheadOf) {
      if (ahead === 0) return
      for (const page of object.pages.values()) if (page.aheadOf === aheadOf) used(page)
    },
    drop,
    fill(object, head) {
      for (let index = 0; index * pageBytes < object.size; index += 1) {
        const page = add(object, index)
        const bytes = head.subarray(index * pageBytes, index * pageBytes + page.length)
        if (bytes.length < page.length || !provide(page, undefined)) return drop(page)
        page.bytes?.set(bytes)
        place(page)
      }
    },
    forget(object) {
      for (const page of [...object.pages.values()]) drop(page)
    },
    ahead: () => ahead,
    statistics: () => ({ memoryBytes: memory.taken() * pageBytes }),
  }
}
