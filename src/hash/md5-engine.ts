import { createHash } from 'node:crypto'

/** Bytes per slot: large enough that system calls and turns of the event loop don't count (64 KiB costs a tenth). */
export const slotBytes = 256 * 1024

/** Two buffers of {@link slotBytes}: one fills while the other is hashed and written. */
export interface SlotPair {
  readonly slots: readonly [Buffer, Buffer]
  release(): void
}

/** MD5 of one sequence of bytes that arrives in slots. */
export interface Md5Stream {
  /**
   * Takes the first `length` bytes of a slot in. The slot must not change until the promise resolves. All but the last
   * `length` of a stream are multiples of 64.
   */
  update(slot: Buffer, length: number): Promise<void>
  /** Lower-case hex, once all that was given is hashed. The stream is over. */
  digest(): Promise<string>
  /** Gives the stream up: no slot of it is read from now on. Harmless after {@link Md5Stream.digest}. */
  cancel(): void
}

/** Slots and MD5 streams of one thread. Memory is that of the slots, whatever is hashed. */
export interface Md5Engine {
  /** Waits for two free slots, first come first served. @throws the signal's reason */
  lease(signal?: AbortSignal): Promise<SlotPair>
  open(): Md5Stream
}

export interface Md5EngineOptions {
  /** Pairs of slots there are, so the most parts that move at once. */
  readonly pairs: number
}

type Slots = readonly [Buffer, Buffer]

function cutSlots(memory: ArrayBuffer, start: number, pairs: number): Slots[] {
  const slot = (index: number): Buffer => Buffer.from(memory, start + index * slotBytes, slotBytes)
  return Array.from({ length: pairs }, (_, i): Slots => [slot(2 * i), slot(2 * i + 1)])
}

function createLeases(free: Slots[]): Md5Engine['lease'] {
  const waiting = new Set<(slots: Slots) => void>()
  const lend = (slots: Slots): SlotPair => {
    let held = true
    return {
      slots,
      release() {
        if (!held) return
        held = false
        const [next] = waiting
        if (next) next(slots)
        else free.push(slots)
      },
    }
  }
  return async (signal) => {
    signal?.throwIfAborted()
    const slots = free.pop()
    if (slots) return lend(slots)
    return new Promise<SlotPair>((resolve, reject) => {
      const leave = (): void => {
        waiting.delete(give)
        signal?.removeEventListener('abort', cancel)
      }
      const give = (freed: Slots): void => {
        leave()
        resolve(lend(freed))
      }
      const cancel = (): void => {
        leave()
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', cancel, { once: true })
      waiting.add(give)
    })
  }
}

function openNative(): Md5Stream {
  const hash = createHash('md5')
  return {
    async update(slot, length) {
      hash.update(slot.subarray(0, length))
    },
    async digest() {
      return hash.digest('hex')
    },
    cancel() {},
  }
}

export function createMd5Engine(options: Md5EngineOptions): Md5Engine {
  const pairs = Math.max(1, Math.floor(options.pairs))
  return { lease: createLeases(cutSlots(new ArrayBuffer(pairs * 2 * slotBytes), 0, pairs)), open: openNative }
}
