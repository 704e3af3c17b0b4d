import type { ProcessIdentity } from '../../src/index.ts'
import type { ScoreServerOptions, ServedScore } from '../server/index.ts'
import type { CommandContext } from './context.ts'
import { removeDeadRunFiles, removeRunFile, writeRunFile } from './run-file.ts'
import { type ObserveOptions, openServeObservers, type ServeObservers } from './serve-observers.ts'

/** A service that runs here until it is told to end. */
export interface RunningScore extends ServedScore {
  /** File of the access token, where there is one for clients on this machine. */
  readonly tokenPath?: string
  sweep(options?: { readonly signal?: AbortSignal }): Promise<void>
  close(): Promise<void>
}

export interface ServeRun<Score extends RunningScore> {
  /** Makes the service once its address is known, and has it tell the observers. */
  open(url: string, observers: ServeObservers): Promise<Score>
  readonly server: Omit<ScoreServerOptions, 'onRequest'> & { readonly host: string; readonly port: number }
  readonly observe: ObserveOptions
  /** How often to clean up; default once a day. */
  readonly sweepSeconds?: number
  /** Says that it is ready, and where. `more` goes into the line for programs. */
  announce(url: string, score: Score, more: { readonly metricsUrl?: string }): void
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

export function isEveryAddress(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

/** Where this machine's own clients reach the server. */
function localUrl(url: string, host: string): string {
  return isEveryAddress(host) ? url.replace(/\/\/(0\.0\.0\.0|\[::\])/, host === '::' ? '//[::1]' : '//127.0.0.1') : url
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done()
    else signal.addEventListener('abort', () => done(), { once: true })
  })
}

async function leaveRunFile(url: string, tokenPath: string, own: ProcessIdentity, context: CommandContext): Promise<() => Promise<void>> {
  await removeDeadRunFiles(context.env)
  const path = await writeRunFile(context.env, Number(new URL(url).port || 80), {
    url,
    pid: process.pid,
    tokenPath,
    startedAt: new Date(context.now()).toISOString(),
    process: own,
  })
  return () => removeRunFile(path, process.pid)
}

/** Binds, serves, sweeps, and ends with the context's signal: requests that run are finished first. */
export async function serveUntilAborted<Score extends RunningScore>(run: ServeRun<Score>, context: CommandContext): Promise<void> {
  const observers = await openServeObservers(run.observe, context)
  try {
    await serveObserved(run, observers, context)
  } finally {
    await observers.close()
  }
}

async function serveObserved<Score extends RunningScore>(
  run: ServeRun<Score>,
  observers: ServeObservers,
  context: CommandContext,
): Promise<void> {
  const { ownProcess } = await import('../../src/index.ts')
  const { createScoreServer, scheduleSweeps } = await import('../server/index.ts')
  const server = createScoreServer<Score>((url) => run.open(url, observers), { ...run.server, onRequest: observers.onRequest })
  const { url, score } = await server.listen()
  const local = localUrl(url, run.server.host)
  const removeFile = score.tokenPath === undefined ? undefined : await leaveRunFile(local, score.tokenPath, await ownProcess(), context)
  const { sweepSeconds = 86_400 } = run
  const endSweeps = scheduleSweeps({
    everyHours: sweepSeconds / 3600,
    firstMinutes: Math.min(10, sweepSeconds / 60),
    sweep: (options) => score.sweep(options),
    onFailure: (error) =>
      observers.trouble(`cleaning up failed and is tried again later: ${error instanceof Error ? error.message : String(error)}`),
  })
  const { metricsUrl } = observers
  if (metricsUrl !== undefined) context.output.say(`Metrics: ${metricsUrl}`)
  run.announce(local, score, metricsUrl === undefined ? {} : { metricsUrl })
  await untilAborted(context.signal)
  context.output.say('Ending: requests that run are finished first; again to end at once.')
  const sweepsEnded = endSweeps()
  await removeFile?.()
  await server.close()
  await sweepsEnded
  await score.close()
}
