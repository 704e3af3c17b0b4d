import { createHash } from 'node:crypto'
import { createMd5Lanes, type Md5Lanes } from './md5-lanes.ts'
import type { Md5Stream } from './md5-stream.ts'

/** Bytes per slot: large enough that system calls and turns of the event loop don't count (64 KiB costs a tenth). */
export const slotBytes = 256 * 1024

/** Fewer streams than this leave so many lanes idle that the native hash takes less processor time. */
const fewestForLanes = 2

/** Two buffers of {@link slotBytes}: one fills while the other is hashed and written. */
export interface SlotPair {
  readonly slots: readonly [Buffer, Buffer]
  release(): void
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
  /** Without the SIMD kernel, whatever the processor has. Default false. */
  readonly native?: boolean
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

/** Decides at the first bytes: by then the others that begin together are open. */
function openBest(lanes: Md5Lanes, open: Set<Md5Stream>): Md5Stream {
  let chosen: Md5Stream | undefined
  const choose = (): Md5Stream => {
    chosen ??= (open.size >= fewestForLanes ? lanes.open() : undefined) ?? openNative()
    return chosen
  }
  const self: Md5Stream = {
    update: (slot, length) => choose().update(slot, length),
    digest() {
      open.delete(self)
      return choose().digest()
    },
    cancel() {
      open.delete(self)
      chosen?.cancel()
    },
  }
  open.add(self)
  return self
}

/** MD5 by the four-lane kernel while enough streams are open, by OpenSSL otherwise. */
export function createMd5Engine(options: Md5EngineOptions): Md5Engine {
  const pairs = Math.max(1, Math.floor(options.pairs))
  const bytes = pairs * 2 * slotBytes
  const lanes = options.native ? undefined : createMd5Lanes({ streams: pairs, dataBytes: bytes })
  if (!lanes) return { lease: createLeases(cutSlots(new ArrayBuffer(bytes), 0, pairs)), open: openNative }
  const open = new Set<Md5Stream>()
  return { lease: createLeases(cutSlots(lanes.memory, lanes.dataStart, pairs)), open: () => openBest(lanes, open) }
}
