import { setMaxListeners } from 'node:events'
import { availableParallelism } from 'node:os'
import type { ByteRange } from '../../core/byte-range.ts'
import { isScoreError } from '../../core/errors.ts'
import type { Network } from '../../http/network.ts'
import type { FetchedPart, FetchPart, PartCallOptions, PartTransport, SendPart, SentPart } from '../part-transport.ts'
import { createOpenFiles } from './open-files.ts'
import type { AttemptOptions } from './part-context.ts'
import { createPartRunner, type PartRunner, type PartRunnerOptions } from './part-runner.ts'
import { createRateCell } from './rate-limit.ts'
import type { SendOptions } from './send-part.ts'
import { hasThreadEntry } from './thread.ts'
import { createThreadPool, downloadsPerWorker } from './thread-pool.ts'
import { createTrailingMd5 } from './trailing-md5.ts'

export interface PartTransportOptions {
  /** Threads that move parts, each with its own connections; 0 = in the caller's thread. Default 2, or 1 where there is one processor or fewer than 8 connections. */
  readonly workers?: number
  /** Parts that move at once over all workers; more wait. Default 16. Memory: half a MiB each. */
  readonly connections?: number
  /** Bound on the traffic of all parts together, both directions. Default none. */
  readonly maxBytesPerSecond?: number
  /** Seconds until a connection must stand, TLS included. Default 10. */
  readonly connectTimeoutSeconds?: number
  /** Seconds from the end of a request to the head of the answer. Default 60. */
  readonly responseTimeoutSeconds?: number
  /** Seconds without a byte after which a connection is dropped. Default 30. */
  readonly stallSeconds?: number
  /** Proxies and authorities of certificates; default: every store is reached directly, and node's authorities hold. */
  readonly network?: Network
  /** Sent as `User-Agent`. Default: none is sent. */
  readonly userAgent?: string
}

function runnerOptions(options: PartTransportOptions): Omit<PartRunnerOptions, 'blocking'> {
  return {
    connections: Math.max(1, Math.floor(options.connections ?? 16)),
    connectTimeoutSeconds: options.connectTimeoutSeconds ?? 10,
    responseTimeoutSeconds: options.responseTimeoutSeconds ?? 60,
    stallSeconds: options.stallSeconds ?? 30,
    ...(options.maxBytesPerSecond === undefined ? {} : { rate: { bytesPerSecond: options.maxBytesPerSecond, cell: createRateCell() } }),
    ...(options.network ? { network: options.network } : {}),
    ...(options.userAgent === undefined ? {} : { userAgent: options.userAgent }),
  }
}

/** One signal may end any number of parts; that is no leak of listeners. */
function admit(signal: AbortSignal | undefined): AbortSignal | undefined {
  signal?.throwIfAborted()
  if (signal) setMaxListeners(0, signal)
  return signal
}

/** Bytes of an attempt that failed are taken back. */
async function counted<Result>(options: PartCallOptions | undefined, work: (attempt: AttemptOptions) => Promise<Result>): Promise<Result> {
  const signal = admit(options?.signal)
  let passed = 0
  const onBytes = (count: number): void => {
    passed += count
    options?.onBytes?.(count)
  }
  try {
    return await work({ signal, onBytes })
  } catch (error) {
    if (passed !== 0) options?.onBytes?.(-passed)
    throw error
  }
}

/** Parts whose connection broke before an answer came: next time the store is asked before the body is sent. */
interface CautiousParts {
  has(part: SendPart): boolean
  note(part: SendPart, outcome: 'broken' | 'answered'): void
}

function createCautiousParts(): CautiousParts {
  const keys = new Set<string>()
  const keyOf = ({ url, range }: SendPart): string => `${url.replace(/[?#].*$/s, '')} ${range.start} ${range.end}`
  return {
    has: (part) => keys.has(keyOf(part)),
    note(part, outcome) {
      if (outcome === 'broken') keys.add(keyOf(part))
      else keys.delete(keyOf(part))
    },
  }
}

function brokeUnanswered(error: unknown): boolean {
  if (!isScoreError(error, 'unavailable')) return false
  const { cause } = error
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? cause.code : undefined
  return code === 'ECONNRESET' || code === 'EPIPE'
}

/** A data plane, before what is the same for all: bytes taken back, broken connections remembered. */
interface Plane extends Pick<PartTransport, 'trailingHash' | 'sync' | 'release' | 'close'> {
  fetchPart(part: FetchPart, attempt: AttemptOptions): Promise<FetchedPart>
  sendPart(part: SendPart, attempt: SendOptions): Promise<SentPart>
  hashRange(path: string, range: ByteRange, signal: AbortSignal | undefined): Promise<string>
}

function createPlaneInProcess(options: Omit<PartRunnerOptions, 'blocking'>): Plane {
  const runner = createPartRunner({ ...options, blocking: false })
  const hashedFiles = createOpenFiles({ blocking: false })
  return {
    ...runner,
    trailingHash({ path, partEnds }) {
      let hashedBytes = 0
      const onHashed = (bytes: number): void => {
        hashedBytes = bytes
      }
      const { done, digest, cancel } = createTrailingMd5({ path, partEnds, files: hashedFiles, onHashed })
      return {
        done,
        digest,
        cancel,
        get hashedBytes() {
          return hashedBytes
        },
      }
    },
    async release(path) {
      await Promise.all([runner.release(path), hashedFiles.release(path)])
    },
    async close() {
      await Promise.all([runner.close(), hashedFiles.close()])
    },
  }
}

/** Files are moved by the workers; a source can be read only in the thread that it was made in. */
function createPlaneInThreads(options: Omit<PartRunnerOptions, 'blocking'>, workers: number): Plane {
  const perWorker = { ...options, connections: Math.ceil(options.connections / workers) }
  const threads = createThreadPool({ workers, uploadsPerWorker: perWorker.connections, workerData: perWorker })
  let forSources: PartRunner | undefined
  return {
    fetchPart: (part, attempt) => threads.run<'fetch'>({ type: 'fetch', part }, attempt),
    sendPart(part, attempt) {
      const { from } = part
      if ('path' in from) {
        return threads.run<'send'>({ type: 'send', part: { ...part, from }, expectContinue: attempt.expectContinue }, attempt)
      }
      forSources ??= createPartRunner({ ...options, blocking: false })
      return forSources.sendPart(part, attempt)
    },
    hashRange: (path, range, signal) => threads.run<'hash'>({ type: 'hash', path, range }, { signal }),
    trailingHash: ({ path, partEnds }) => threads.trailingHash(path, partEnds),
    sync: (path) => threads.run<'sync'>({ type: 'sync', path }),
    release: (path) => threads.release(path),
    async close() {
      await Promise.all([threads.close(), forSources?.close()])
    },
  }
}

/** Two move about 8 Gbit/s where there are processors to spare; each further one takes 45 MiB (docs/decisions/0021). */
const mostWorkersByDefault = 2

function defaultWorkers(connections: number): number {
  return Math.max(1, Math.min(mostWorkersByDefault, availableParallelism(), Math.floor(connections / downloadsPerWorker)))
}

/**
 * The data plane over node:http: kept connections, pooled buffers, bytes counted and hashed as they pass, in worker
 * threads so that the caller's event loop stays free. Memory does not grow with parts or files. Close it when done; while
 * nothing moves it does not keep the process alive.
 */
export function createPartTransport(options: PartTransportOptions = {}): PartTransport {
  const settings = runnerOptions(options)
  const workers = Math.max(0, Math.floor(options.workers ?? defaultWorkers(settings.connections)))
  const plane = workers > 0 && hasThreadEntry() ? createPlaneInThreads(settings, workers) : createPlaneInProcess(settings)
  const cautious = createCautiousParts()
  return {
    fetchPart: (part, call) => counted(call, (attempt) => plane.fetchPart(part, attempt)),
    async sendPart(part, call) {
      try {
        const sent = await counted(call, (attempt) => plane.sendPart(part, { ...attempt, expectContinue: cautious.has(part) }))
        cautious.note(part, 'answered')
        return sent
      } catch (error) {
        cautious.note(part, brokeUnanswered(error) ? 'broken' : 'answered')
        throw error
      }
    },
    async hashRange({ path, range }, call) {
      return plane.hashRange(path, range, admit(call?.signal))
    },
    trailingHash: plane.trailingHash,
    sync: plane.sync,
    release: plane.release,
    close: plane.close,
  }
}
