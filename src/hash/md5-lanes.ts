import { ScoreError } from '../core/errors.ts'
import { md5Kernel } from './md5-kernel.ts'
import type { Md5Stream } from './md5-stream.ts'

const lanes = 4
const blockBytes = 64
const stateBytes = 16
/** Room for the last bytes of a stream and their padding. */
const tailBytes = 2 * blockBytes
const pageBytes = 64 * 1024
/** The kernel keeps its constants below. */
const firstState = 1024
/** How long full slots wait for others to fill the lanes. */
const patienceMs = 2

/** Several MD5 streams hashed side by side by the SIMD kernel, out of one memory. */
export interface Md5Lanes {
  /** Of the kernel; never grows. */
  readonly memory: ArrayBuffer
  /** Where the bytes for the caller begin in it. */
  readonly dataStart: number
  /** `undefined` when all streams are in use. Slots must lie in {@link Md5Lanes.memory}. */
  open(): Md5Stream | undefined
}

export interface Md5LanesOptions {
  /** Most streams at once. */
  readonly streams: number
  /** Bytes of memory for the caller. */
  readonly dataBytes: number
}

/** Bytes to be hashed, in whole blocks. */
interface Job {
  at: number
  blocks: number
  readonly done: () => void
}

interface Stream {
  readonly state: number
  readonly tail: number
  readonly jobs: Job[]
  bytes: number
  tailLength: number
}

type Update = (s0: number, s1: number, s2: number, s3: number, p0: number, p1: number, p2: number, p3: number, blocks: number) => void

interface Kernel {
  readonly memory: ArrayBuffer
  readonly update: Update
}

function startKernel(bytes: number): Kernel | undefined {
  const code = Buffer.from(md5Kernel, 'base64')
  if (!WebAssembly.validate(code)) return undefined
  const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / pageBytes) })
  const instance = new WebAssembly.Instance(new WebAssembly.Module(code), { m: { memory } })
  return { memory: memory.buffer as ArrayBuffer, update: instance.exports['update'] as Update }
}

/** Runs one to four streams over as many blocks as the shortest of their first jobs has. Idle lanes work for the bin. */
function runBatch(update: Update, batch: readonly Stream[], bin: number): void {
  const jobs = batch.map((stream) => stream.jobs[0] as Job)
  const blocks = Math.min(...jobs.map((job) => job.blocks))
  const state = (lane: number): number => batch[lane]?.state ?? bin
  const data = (lane: number): number => jobs[lane]?.at ?? (jobs[0] as Job).at
  update(state(0), state(1), state(2), state(3), data(0), data(1), data(2), data(3), blocks)
  for (const job of jobs) {
    job.at += blocks * blockBytes
    job.blocks -= blocks
  }
}

interface Scheduler {
  add(stream: Stream, job: Job): void
  remove(stream: Stream): void
  opened(): void
}

/**
 * Waits until four streams have bytes, or all that are open, or until a moment has passed: with idle lanes the kernel is
 * slower than one native stream.
 */
function createScheduler(update: Update, bin: number): Scheduler {
  const ready = new Set<Stream>()
  let open = 0
  let waiting = false

  function runSome(): void {
    const batch: Stream[] = []
    for (const stream of ready) if (batch.push(stream) === lanes) break
    runBatch(update, batch, bin)
    for (const stream of batch) {
      const [job] = stream.jobs
      if (job?.blocks !== 0) continue
      stream.jobs.shift()
      ready.delete(stream)
      if (stream.jobs.length > 0) ready.add(stream)
      job.done()
    }
  }
  function runFull(): void {
    while (ready.size > 0 && ready.size >= Math.min(lanes, open)) runSome()
    if (ready.size === 0 || waiting) return
    waiting = true
    setTimeout(runAll, patienceMs)
  }
  function runAll(): void {
    waiting = false
    while (ready.size > 0) runSome()
  }
  return {
    add(stream, job) {
      stream.jobs.push(job)
      ready.add(stream)
      runFull()
    },
    remove(stream) {
      open--
      ready.delete(stream)
      for (const job of stream.jobs.splice(0)) job.done()
    },
    opened() {
      open++
    },
  }
}

/** The rest of the stream below a block, the bit that ends it, and its length in bits: one block or two. */
function pad(bytes: Buffer, view: DataView, stream: Stream): number {
  const { tail, tailLength } = stream
  const blocks = tailLength + 9 > blockBytes ? 2 : 1
  const end = tail + blocks * blockBytes
  bytes.fill(0, tail + tailLength, end)
  bytes[tail + tailLength] = 0x80
  view.setUint32(end - 8, (stream.bytes * 8) % 2 ** 32, true)
  view.setUint32(end - 4, Math.floor(stream.bytes / 2 ** 29) % 2 ** 32, true)
  return blocks
}

/** @returns `undefined` where the processor (or the memory that this process may address) lacks what the kernel needs */
export function createMd5Lanes(options: Md5LanesOptions): Md5Lanes | undefined {
  const { streams, dataBytes } = options
  const bin = firstState + streams * stateBytes
  const firstTail = bin + stateBytes
  const dataStart = Math.ceil((firstTail + streams * tailBytes) / pageBytes) * pageBytes
  const kernel = startKernel(dataStart + dataBytes)
  if (!kernel) return undefined
  const { memory, update } = kernel
  const bytes = Buffer.from(memory)
  const view = new DataView(memory)
  const scheduler = createScheduler(update, bin)
  const free = Array.from({ length: streams }, (_, i): Stream => {
    return { state: firstState + i * stateBytes, tail: firstTail + i * tailBytes, jobs: [], bytes: 0, tailLength: 0 }
  })

  function openStream(stream: Stream): Md5Stream {
    let over = false
    const end = (): void => {
      if (over) return
      over = true
      scheduler.remove(stream)
      free.push(stream)
    }
    const hash = (at: number, blocks: number): Promise<void> => {
      if (blocks === 0) return Promise.resolve()
      return new Promise((done) => scheduler.add(stream, { at, blocks, done }))
    }
    Object.assign(stream, { bytes: 0, tailLength: 0 })
    view.setUint32(stream.state, 0x67452301, true)
    view.setUint32(stream.state + 4, 0xefcdab89, true)
    view.setUint32(stream.state + 8, 0x98badcfe, true)
    view.setUint32(stream.state + 12, 0x10325476, true)
    scheduler.opened()
    return {
      update(slot, length) {
        if (stream.tailLength > 0) throw new ScoreError('internal', 'bytes after the last block of an MD5 stream')
        const at = slot.byteOffset
        const tailLength = length % blockBytes
        bytes.copy(bytes, stream.tail, at + length - tailLength, at + length)
        stream.tailLength = tailLength
        stream.bytes += length
        return hash(at, (length - tailLength) / blockBytes)
      },
      async digest() {
        await hash(stream.tail, pad(bytes, view, stream))
        const md5 = bytes.toString('hex', stream.state, stream.state + stateBytes)
        end()
        return md5
      },
      cancel: end,
    }
  }
  return {
    memory,
    dataStart,
    open() {
      const stream = free.pop()
      return stream && openStream(stream)
    },
  }
}
