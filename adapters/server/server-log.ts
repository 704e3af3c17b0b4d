import type { AuthDecision } from '../../src/index.ts'
import { currentRequest } from './request-context.ts'
import type { RequestEvent } from './request-event.ts'

export interface ServerLogOptions {
  /** A file, to which lines are appended, or what takes lines, such as `process.stderr`. */
  readonly destination: string | { write(line: string): unknown }
}

/** Structured logs: one JSON object a line, with `event`, `time` (ISO 8601) and `level`. */
export interface ServerLog {
  /** `event: "request"`: for `onRequest` of a server. */
  onRequest(event: RequestEvent): void
  /** `event: "decision"`, with the id of the request in which it was made: for `onDecision` of an embedded score. */
  onDecision(decision: AuthDecision): void
  /** `event: "trouble"`: what concerns no single request. */
  trouble(message: string): void
  /** Writes what is left. */
  close(): Promise<void>
}

/** Texts of callers (study, subject, ids) with control characters could deceive whoever prints a decoded line. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, '?').slice(0, 300)
}

function decisionLine(decision: AuthDecision): object {
  const { subject, objectId, study, durationMs, ...rest } = decision
  const { requestId, remoteAddress } = currentRequest() ?? {}
  return {
    event: 'decision',
    ...(requestId === undefined ? {} : { requestId, remoteAddress }),
    ...(subject === undefined ? {} : { subject: printable(subject) }),
    ...(objectId === undefined ? {} : { objectId: printable(objectId) }),
    ...(study === undefined ? {} : { study: printable(study) }),
    ...rest,
    durationMs: Math.round(durationMs * 100) / 100,
  }
}

/**
 * Opens a log. Lines hold neither tokens nor queries of signed URLs, whatever a caller sends.
 *
 * @throws when the file cannot be opened.
 */
export async function openServerLog({ destination }: ServerLogOptions): Promise<ServerLog> {
  // Loaded late: most programs that import the server log nothing by it.
  const { pino } = await import('pino')
  const file = typeof destination === 'string' ? pino.destination({ dest: destination, sync: true, append: true, mode: 0o640 }) : undefined
  const logger = pino(
    {
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (level) => ({ level }) },
    },
    file ?? (destination as { write(line: string): void }),
  )
  return {
    onRequest({ durationMs, ...event }) {
      const line = { event: 'request', ...event, durationMs: Math.round(durationMs * 100) / 100 }
      if (event.status >= 500) logger.error(line)
      else logger.info(line)
    },
    onDecision(decision) {
      const line = decisionLine(decision)
      if (decision.outcome === 'allowed') logger.info(line)
      else logger.warn(line)
    },
    trouble: (message) => logger.error({ event: 'trouble', message }),
    async close() {
      if (!file) return
      file.flushSync()
      await new Promise<void>((resolve) => {
        file.once('close', resolve)
        file.end()
      })
    },
  }
}
