import type { CallOptions, PartTransport, RetryNotice, ScoreApi, SongMetadata, TransferEngine } from '../../src/index.ts'
import { type Config, loadConfig } from './config.ts'
import { discover, requireAddress } from './connection.ts'
import type { CommandContext } from './context.ts'
import { formatDuration } from './format.ts'
import { type Reach, reachOf } from './network.ts'
import { packageVersion } from './package-version.ts'
import { tokenSourceOf } from './token-source.ts'

export interface HashOptions extends CallOptions {
  /** Told now and then how many bytes are read. */
  readonly onProgress?: (bytes: number) => void
}

export interface SessionOptions {
  /** Bytes a second at most, over all files. */
  readonly maxRate?: number | undefined
  /** Tries of a request at most, and seconds that one may take: less than the settings say, where somebody waits. */
  readonly patience?: { readonly attempts: number; readonly seconds: number }
}

/**
 * What a command talks to. Each part is made when it is first asked for, so that no command needs a server, an address or
 * a worker that it does not use.
 */
export interface Session {
  readonly config: Config
  /** For whatever else a command asks of other hosts. */
  readonly reach: Reach
  /** @throws a refusal when no Score server is named. */
  api(): ScoreApi
  /** @throws a refusal when no catalogue is named. */
  catalogue(): SongMetadata
  engine(): TransferEngine
  /** MD5 of a local file, lower-case hex. */
  md5Of(path: string, size: number, options?: HashOptions): Promise<string>
  close(): Promise<void>
}

const progressEveryMs = 500

async function hashFile(
  transport: PartTransport,
  file: { readonly path: string; readonly size: number },
  options: HashOptions = {},
): Promise<string> {
  const { signal, onProgress } = options
  signal?.throwIfAborted()
  const hash = transport.trailingHash({ path: file.path, partEnds: [file.size] })
  const cancel = (): void => hash.cancel()
  signal?.addEventListener('abort', cancel, { once: true })
  const timer = setInterval(() => onProgress?.(hash.hashedBytes), progressEveryMs)
  try {
    hash.done(0)
    return await hash.digest
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    clearInterval(timer)
    signal?.removeEventListener('abort', cancel)
    await transport.release(file.path)
  }
}

/** Reads the configuration and gets ready; nothing is asked of any server yet. */
export async function openSession(context: CommandContext, options: SessionOptions = {}): Promise<Session> {
  const { globals, env, cwd, strict, output } = context
  const sdk = await import('../../src/index.ts')
  const config = await discover(await loadConfig({ globals, environment: env, cwd }), context)
  const reach = await reachOf(config, context)
  const { network } = reach
  const token = await tokenSourceOf(config, context, reach)
  const { patience } = options
  const told = config.integer('storage.retryNumber')
  const attempts = patience === undefined ? told : Math.min(told < 0 ? Number.POSITIVE_INFINITY : told, patience.attempts)
  const service = {
    ...(token === undefined ? {} : { token }),
    ...(network === undefined ? {} : { fetch: reach.fetch }),
    timeoutSeconds: Math.min(config.integer('client.readTimeoutSeconds'), patience?.seconds ?? Number.POSITIVE_INFINITY),
    retry: { attempts },
    userAgent: `score-sdk/${packageVersion()}`,
    onRetry: ({ error, waitMs }: RetryNotice) => {
      output.event({ type: 'waiting', message: error.message, waitMs })
      if (!strict) output.say(`${error.message}; next try in ${formatDuration(waitMs / 1000)}`)
    },
  }
  let api: ScoreApi | undefined
  let catalogue: SongMetadata | undefined
  let transport: PartTransport | undefined
  let engine: TransferEngine | undefined
  const theApi = (): ScoreApi => {
    api ??= sdk.createScoreClient({ ...service, url: requireAddress(config, 'storage.url', strict) })
    return api
  }
  const theTransport = (): PartTransport => {
    transport ??= sdk.createPartTransport({
      connections: Math.max(1, config.integer('transport.parallel')),
      connectTimeoutSeconds: config.integer('client.connectTimeoutSeconds'),
      responseTimeoutSeconds: config.integer('client.readTimeoutSeconds'),
      ...(network === undefined ? {} : { network }),
      ...(options.maxRate === undefined ? {} : { maxBytesPerSecond: options.maxRate }),
    })
    return transport
  }
  return {
    config,
    reach,
    api: theApi,
    catalogue() {
      catalogue ??= sdk.createSongMetadata({ ...service, url: requireAddress(config, 'metadata.url', strict) })
      return catalogue
    },
    engine() {
      engine ??= sdk.createTransferEngine({ api: theApi(), transport: theTransport(), retry: { attempts } })
      return engine
    },
    md5Of: (path, size, hashOptions) => hashFile(theTransport(), { path, size }, hashOptions),
    async close() {
      await engine?.close()
      await transport?.close()
    },
  }
}
