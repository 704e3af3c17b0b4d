/** Numbers that are the same on every machine for one seed (mulberry32, public domain). */
export interface SeededRandom {
  /** 32 random bits. */
  bits(): number
  /** A whole number from 0 to below `limit`. */
  below(limit: number): number
  /** Begins anew, at a place that both numbers decide. */
  restart(seed: number, stream: number): void
}

export function createSeededRandom(seed: number): SeededRandom {
  let state = seed >>> 0
  const bits = (): number => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
  return {
    bits,
    below: (limit) => Math.floor((bits() / 2 ** 32) * limit),
    restart(first, second) {
      state = Math.imul(first ^ Math.imul(second, 0x9e3779b1), 0x85ebca6b) ^ second
      state = bits() | 0
    },
  }
}
