import type { ProcessIdentity } from '../../src/index.ts'
import type { RequestEvent, ScoreServerOptions, ServedScore } from '../server/index.ts'
import type { CommandContext } from './context.ts'
import { printable } from './format.ts'
import { removeDeadRunFiles, removeRunFile, writeRunFile } from './run-file.ts'

/** A service that runs here until it is told to end. */
export interface RunningScore extends ServedScore {
  /** File of the access token, where there is one for clients on this machine. */
  readonly tokenPath?: string
  sweep(options?: { readonly signal?: AbortSignal }): Promise<void>
  close(): Promise<void>
}

export interface ServeRun<Score extends RunningScore> {
  /** Makes the service once its address is known. */
  open(url: string): Promise<Score>
  readonly server: Omit<ScoreServerOptions, 'onRequest'> & { readonly host: string; readonly port: number }
  readonly logRequests: boolean
  /** Says that it is ready, and where. */
  announce(url: string, score: Score): void
}

const sweepEveryMs = 3_600_000

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

export function isEveryAddress(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

function describeRequest(event: RequestEvent): string {
  const { method, path, status, durationMs, remoteAddress, problem } = event
  const why = problem === undefined ? '' : ` ${problem.code}: ${printable(problem.message)}`
  return `${remoteAddress} ${method} ${path} ${status} ${Math.round(durationMs)} ms${why}`
}

function onRequestOf(logRequests: boolean, { output, globals }: CommandContext): (event: RequestEvent) => void {
  return (event) => {
    if (logRequests || event.status >= 500) output.warn(describeRequest(event))
    if (globals.debug && event.stack !== undefined) output.warn(event.stack)
  }
}

/** Where this machine's own clients reach the server. */
function localUrl(url: string, host: string): string {
  return isEveryAddress(host) ? url.replace(/\/\/(0\.0\.0\.0|\[::\])/, host === '::' ? '//[::1]' : '//127.0.0.1') : url
}

function sweepNowAndThen(score: RunningScore, { output, signal }: CommandContext): () => void {
  const sweep = (): void => {
    score.sweep({ signal }).catch((error: unknown) => {
      if (!signal.aborted)
        output.warn(`cleaning up failed and is tried again in an hour: ${error instanceof Error ? error.message : String(error)}`)
    })
  }
  const timer = setInterval(sweep, sweepEveryMs)
  return () => clearInterval(timer)
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
  const { ownProcess } = await import('../../src/index.ts')
  const { createScoreServer } = await import('../server/index.ts')
  const server = createScoreServer<Score>((url) => run.open(url), { ...run.server, onRequest: onRequestOf(run.logRequests, context) })
  const { url, score } = await server.listen()
  const local = localUrl(url, run.server.host)
  const removeFile = score.tokenPath === undefined ? undefined : await leaveRunFile(local, score.tokenPath, await ownProcess(), context)
  const endSweeps = sweepNowAndThen(score, context)
  run.announce(local, score)
  await untilAborted(context.signal)
  context.output.say('Ending: requests that run are finished first; again to end at once.')
  endSweeps()
  await removeFile?.()
  await server.close()
  await score.close()
}
