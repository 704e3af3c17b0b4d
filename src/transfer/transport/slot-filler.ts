import { slotBytes } from '../../hash/md5-engine.ts'

export interface SlotFillerOptions {
  readonly slots: readonly [Buffer, Buffer]
  /** Bytes that will come in all; the last slot moves on when they are there. */
  readonly total: number
  /** Takes the first `count` bytes of a full slot, which begin at `offset`, away; the slot is filled again afterwards. */
  readonly move: (slot: Buffer, count: number, offset: number) => Promise<void>
}

/** Gathers chunks of any size in two slots by turns: while one is moved on the other fills. */
export interface SlotFiller {
  /** Takes a chunk. When not all of it found room the promise says when it has: give no other before. Rejects when moving failed. */
  put(chunk: Buffer): Promise<void> | undefined
  /** Resolves when nothing is being moved any more, whether it went well or not. */
  settled(): Promise<void>
  /** Resolves when all has been moved. @throws the first failure */
  drained(): Promise<void>
}

export function createSlotFiller(options: SlotFillerOptions): SlotFiller {
  const { total, move } = options
  const free = [...options.slots]
  const moving = new Set<Promise<void>>()
  let failure: { readonly error: unknown } | undefined
  let slot: Buffer | undefined
  let filled = 0
  let taken = 0

  function send(full: Buffer, count: number): void {
    const moved: Promise<void> = move(full, count, taken - count)
      .catch((error: unknown) => {
        failure ??= { error }
      })
      .finally(() => {
        moving.delete(moved)
        free.push(full)
      })
    moving.add(moved)
  }

  /** Returns how much of the chunk found room. */
  function fill(chunk: Buffer, from: number): number {
    let at = from
    while (at < chunk.length) {
      slot ??= free.pop()
      if (slot === undefined) return at
      const count = Math.min(slotBytes - filled, chunk.length - at)
      slot.set(at === 0 && count === chunk.length ? chunk : chunk.subarray(at, at + count), filled)
      at += count
      filled += count
      taken += count
      if (filled < slotBytes && taken < total) continue
      send(slot, filled)
      slot = undefined
      filled = 0
    }
    return at
  }

  async function fillLater(chunk: Buffer, from: number): Promise<void> {
    for (let at = from; at < chunk.length; at = fill(chunk, at)) {
      await Promise.race(moving)
      if (failure) throw failure.error
    }
  }

  const settled = async (): Promise<void> => {
    while (moving.size > 0) await Promise.all(moving)
  }
  return {
    put(chunk) {
      if (failure) return Promise.reject(failure.error)
      const at = fill(chunk, 0)
      return at < chunk.length ? fillLater(chunk, at) : undefined
    },
    settled,
    async drained() {
      await settled()
      if (failure) throw failure.error
    },
  }
}
