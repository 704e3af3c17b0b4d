import { createServer } from 'node:http'
import type { AuthDecision, CatalogueCall, StoreCall } from '../../src/index.ts'
import { bind, drain } from './listening.ts'
import type { RequestEvent } from './request-event.ts'

/** Counts of a server, as Prometheus reads them. */
export interface ServerMetrics {
  /** For `onRequest` of a server: `score_requests_total`, `score_request_duration_seconds`. */
  onRequest(event: RequestEvent): void
  /** For `onDecision` of an embedded score: `score_auth_decisions_total`. */
  onDecision(decision: AuthDecision): void
  /** For `onStoreCall` of an embedded score: `score_presigned_urls_total`, `score_store_call_duration_seconds`. */
  onStoreCall(call: StoreCall): void
  /** For `onSongCall` of `openScore`: `score_song_call_duration_seconds`. */
  onSongCall(call: CatalogueCall): void
  /** In Prometheus' text format. */
  text(): Promise<string>
  readonly contentType: string
}

const requestSeconds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30, 120]
const storeSeconds = [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30]

/**
 * Makes a set of metrics of its own, with those of the process. Labels are patterns of routes, never paths, ids or names,
 * so that no caller can make them grow.
 */
export async function createServerMetrics(): Promise<ServerMetrics> {
  // Loaded late: most programs that import the server count nothing by it.
  const { Counter, collectDefaultMetrics, Histogram, Registry } = await import('prom-client')
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const requests = new Counter({
    name: 'score_requests_total',
    help: 'Requests that were answered.',
    labelNames: ['method', 'route', 'status'] as const,
    registers,
  })
  const durations = new Histogram({
    name: 'score_request_duration_seconds',
    help: 'From the head of a request to the end of its answer.',
    labelNames: ['method', 'route'] as const,
    buckets: requestSeconds,
    registers,
  })
  const decisions = new Counter({
    name: 'score_auth_decisions_total',
    help: 'Decisions about access.',
    labelNames: ['action', 'outcome'] as const,
    registers,
  })
  const urls = new Counter({
    name: 'score_presigned_urls_total',
    help: 'URLs that were signed.',
    labelNames: ['action'] as const,
    registers,
  })
  const store = new Histogram({
    name: 'score_store_call_duration_seconds',
    help: 'Calls of the service to its store.',
    labelNames: ['operation', 'outcome'] as const,
    buckets: storeSeconds,
    registers,
  })
  const song = new Histogram({
    name: 'score_song_call_duration_seconds',
    help: 'Calls of the service to Song, tries included.',
    labelNames: ['operation', 'outcome'] as const,
    buckets: storeSeconds,
    registers,
  })
  return {
    onRequest({ method, route = 'other', status, durationMs }) {
      requests.inc({ method, route, status })
      durations.observe({ method, route }, durationMs / 1000)
    },
    onDecision: ({ action, outcome }) => decisions.inc({ action, outcome }),
    onStoreCall({ operation, presigned, durationMs, failed }) {
      if (presigned !== undefined && !failed) urls.inc({ action: presigned })
      store.observe({ operation, outcome: failed ? 'failed' : 'done' }, durationMs / 1000)
    },
    onSongCall: ({ operation, durationMs, failed }) => song.observe({ operation, outcome: failed ? 'failed' : 'done' }, durationMs / 1000),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  }
}

export interface MetricsServer {
  /** Binds, and says the address of the metrics. @throws `invalid-configuration` when the port is taken. */
  listen(): Promise<string>
  close(): Promise<void>
}

/**
 * Serves metrics at `/metrics` of a port of their own, so that a firewall can keep strangers from it.
 *
 * @param options.host default `127.0.0.1`
 */
export function createMetricsServer(metrics: ServerMetrics, options: { readonly host?: string; readonly port: number }): MetricsServer {
  const { host = '127.0.0.1', port } = options
  const server = createServer(async (request, response) => {
    if (request.url?.split('?', 1)[0] !== '/metrics' || (request.method !== 'GET' && request.method !== 'HEAD')) {
      response.writeHead(404).end()
      return
    }
    response.writeHead(200, { 'Content-Type': metrics.contentType, 'Cache-Control': 'no-store' }).end(await metrics.text())
  })
  return {
    listen: async () => `${await bind(server, host, port)}/metrics`,
    close: async () => {
      if (server.listening) await drain(server, 1)
    },
  }
}
