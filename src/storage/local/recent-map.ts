/** A few values that were used last, each valid for one version of what it was made from. */
export interface RecentMap<Value> {
  /** Whether there is a value of some version. */
  has(key: string): boolean
  get(key: string, version: string): Value | undefined
  set(key: string, version: string, value: Value): void
}

export function createRecentMap<Value>(capacity: number): RecentMap<Value> {
  const entries = new Map<string, { readonly version: string; readonly value: Value }>()
  return {
    has: (key) => entries.has(key),
    get(key, version) {
      const entry = entries.get(key)
      if (!entry) return undefined
      entries.delete(key)
      if (entry.version !== version) return undefined
      entries.set(key, entry)
      return entry.value
    },
    set(key, version, value) {
      entries.delete(key)
      entries.set(key, { version, value })
      for (const oldest of entries.keys()) {
        if (entries.size <= capacity) return
        entries.delete(oldest)
      }
    },
  }
}
