import { resolve } from 'node:path'
import type { AuthDecision, CatalogueCall, StoreCall } from '../../src/index.ts'
import type { MetricsServer, RequestEvent, ServerLog, ServerMetrics } from '../server/index.ts'
import type { CommandValues } from './command-run.ts'
import type { CommandContext } from './context.ts'
import { printable } from './format.ts'
import { refusal } from './refusal.ts'

/** What `score serve` is asked to tell. */
export type ObserveOptions = Pick<CommandValues<'serve'>, 'log' | 'logRequests' | 'metricsPort' | 'metricsHost'>

/** Those who are told of what a served score does: people, a log, and counters. */
export interface ServeObservers {
  readonly onRequest: (event: RequestEvent) => void
  /** For the score itself: its decisions and calls only where somebody wants to know. */
  readonly ofScore: {
    readonly onStoreFailure: (error: Error) => void
    readonly onDecision?: (decision: AuthDecision) => void
    readonly onStoreCall?: (call: StoreCall) => void
    readonly onSongCall?: (call: CatalogueCall) => void
  }
  /** What concerns no single request, for people and the log. */
  readonly trouble: (message: string) => void
  /** Of the metrics, where they are served. */
  readonly metricsUrl?: string
  close(): Promise<void>
}

function describeRequest(event: RequestEvent): string {
  const { method, path, status, durationMs, remoteAddress, problem } = event
  const why = problem === undefined ? '' : ` ${problem.code}: ${printable(problem.message)}`
  return `${remoteAddress} ${method} ${path} ${status} ${Math.round(durationMs)} ms${why}`
}

async function openLog(log: string, { cwd }: CommandContext): Promise<ServerLog> {
  const { openServerLog } = await import('../server/index.ts')
  if (log === '-') return openServerLog({ destination: process.stderr })
  try {
    return await openServerLog({ destination: resolve(cwd, log) })
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw refusal(`--log ${log} cannot be written: ${reason}`)
  }
}

interface Metering {
  readonly metrics: ServerMetrics
  readonly server: MetricsServer
  readonly url: string
}

async function openMetering(port: number, host: string): Promise<Metering> {
  if (port < 0 || port > 65_535) throw refusal(`--metrics-port must lie between 0 and 65535, and is ${port}`)
  const { createMetricsServer, createServerMetrics } = await import('../server/index.ts')
  const metrics = await createServerMetrics()
  const server = createMetricsServer(metrics, { port, host })
  return { metrics, server, url: await server.listen() }
}

/** Opens what the options of `score serve` ask for. Without any, people are told of what failed here, and of nothing else. */
export async function openServeObservers(values: ObserveOptions, context: CommandContext): Promise<ServeObservers> {
  const { output, globals } = context
  const log = values.log === undefined ? undefined : await openLog(values.log, context)
  const metering = values.metricsPort === undefined ? undefined : await openMetering(values.metricsPort, values.metricsHost)
  // Where the log goes to stderr already, a second line there would only break its form.
  const toPeople = values.log !== '-'
  const metrics = metering?.metrics
  const trouble = (message: string): void => {
    log?.trouble(message)
    if (toPeople) output.warn(message)
  }
  return {
    onRequest(event) {
      log?.onRequest(event)
      metrics?.onRequest(event)
      if (toPeople && (values.logRequests || event.status >= 500)) output.warn(describeRequest(event))
      if (toPeople && globals.debug && event.stack !== undefined) output.warn(event.stack)
    },
    ofScore: {
      onStoreFailure: (error) => trouble(`the store failed: ${error.message}`),
      ...(log || metrics
        ? {
            onDecision: (decision) => {
              log?.onDecision(decision)
              metrics?.onDecision(decision)
            },
          }
        : {}),
      ...(metrics ? { onStoreCall: metrics.onStoreCall, onSongCall: metrics.onSongCall } : {}),
    },
    trouble,
    ...(metering ? { metricsUrl: metering.url } : {}),
    async close() {
      await metering?.server.close()
      await log?.close()
    },
  }
}
