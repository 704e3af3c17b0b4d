import { setImmediate as nextTurn } from 'node:timers/promises'
import type { ByteRange } from '../../core/byte-range.ts'
import { createMd5Engine, type Md5Engine, slotBytes } from '../../hash/md5-engine.ts'
import type { Network } from '../../http/network.ts'
import type { FetchedPart, FetchPart, SendPart, SentPart } from '../part-transport.ts'
import { createConnections } from './connections.ts'
import type { Patience } from './exchange.ts'
import { fetchPart } from './fetch-part.ts'
import { createOpenFiles, type OpenFiles } from './open-files.ts'
import type { AttemptOptions, PartContext } from './part-context.ts'
import { createRateLimit } from './rate-limit.ts'
import { type SendOptions, sendPart } from './send-part.ts'

/** Plain data, so that it can be handed to a worker. */
export interface PartRunnerOptions extends Patience {
  /** Parts at once; more wait for a free pair of slots. */
  readonly connections: number
  readonly rate?: { readonly bytesPerSecond: number; readonly cell: SharedArrayBuffer }
  readonly network?: Network
  readonly userAgent?: string
  /** In a thread of its own: reads and writes may block it. */
  readonly blocking: boolean
}

/** The data plane of one thread. */
export interface PartRunner {
  fetchPart(part: FetchPart, options: AttemptOptions): Promise<FetchedPart>
  sendPart(part: SendPart, options: SendOptions): Promise<SentPart>
  hashRange(path: string, range: ByteRange, signal: AbortSignal | undefined): Promise<string>
  sync(path: string): Promise<void>
  release(path: string): Promise<void>
  close(): Promise<void>
}

/** Reads one slot while the other is hashed, one turn of the event loop each, so that others come up too. */
async function hashRange(
  files: OpenFiles,
  md5: Md5Engine,
  path: string,
  range: ByteRange,
  signal: AbortSignal | undefined,
): Promise<string> {
  const pair = await md5.lease(signal)
  const hash = md5.open()
  const inUse: [Promise<void>, Promise<void>] = [Promise.resolve(), Promise.resolve()]
  try {
    return await files.use(path, 'read', async (file) => {
      for (let at = range.start, turn: 0 | 1 = 0; at < range.end; turn = turn === 0 ? 1 : 0) {
        await inUse[turn]
        await nextTurn()
        signal?.throwIfAborted()
        const count = Math.min(slotBytes, range.end - at)
        const slot = pair.slots[turn]
        await file.read(slot.subarray(0, count), at)
        inUse[turn] = hash.update(slot, count)
        at += count
      }
      return await hash.digest()
    })
  } finally {
    hash.cancel()
    pair.release()
  }
}

export function createPartRunner(options: PartRunnerOptions): PartRunner {
  const files = createOpenFiles({ blocking: options.blocking })
  const connections = createConnections({ idle: options.connections, ...(options.network ? { network: options.network } : {}) })
  const md5 = createMd5Engine({ pairs: options.connections })
  const context: PartContext = {
    connections,
    files,
    md5,
    patience: options,
    ...(options.rate ? { rateLimit: createRateLimit(options.rate) } : {}),
    ...(options.userAgent === undefined ? {} : { userAgent: options.userAgent }),
  }
  return {
    fetchPart: (part, attempt) => fetchPart(part, context, attempt),
    sendPart: (part, attempt) => sendPart(part, context, attempt),
    hashRange: (path, range, signal) => hashRange(files, md5, path, range, signal),
    sync: files.sync,
    release: files.release,
    async close() {
      connections.close()
      await files.close()
    },
  }
}
