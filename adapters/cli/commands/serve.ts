import { networkInterfaces } from 'node:os'
import { resolve } from 'node:path'
import type { EmbeddedScore } from '../../../src/index.ts'
import type { RequestEvent } from '../../server/index.ts'
import type { CommandValues, Run } from '../command-run.ts'
import type { CommandContext } from '../context.ts'
import { printable } from '../format.ts'
import { refusal } from '../refusal.ts'
import { removeDeadRunFiles, removeRunFile, writeRunFile } from '../run-file.ts'

type Values = CommandValues<'serve'>

const sweepEveryMs = 3_600_000

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}

function isEveryAddress(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

function checkValues({ host, port, auth, publicUrl }: Values): void {
  if (port < 0 || port > 65_535) throw refusal(`--port must lie between 0 and 65535, and is ${port}`)
  if (auth === 'none' && !isLoopback(host))
    throw refusal(`--auth none is for this machine alone, and --host ${host} is open to others: leave one of them out`)
  if (publicUrl !== undefined && (!/^https?:\/\//i.test(publicUrl) || !URL.canParse(publicUrl)))
    throw refusal(`--public-url must be an http or https address such as https://score.example.org, not '${publicUrl}'`)
  if (isEveryAddress(host) && publicUrl === undefined) {
    const own = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .find((address) => address.family === 'IPv4' && !address.internal)
    const example = `http://${own?.address ?? 'score.example.org'}:${port}`
    throw refusal(`--host ${host} needs --public-url: clients are sent to the address it says, such as --public-url ${example}`)
  }
}

function describeRequest(event: RequestEvent): string {
  const { method, path, status, durationMs, remoteAddress, problem } = event
  const why = problem === undefined ? '' : ` ${problem.code}: ${printable(problem.message)}`
  return `${remoteAddress} ${method} ${path} ${status} ${Math.round(durationMs)} ms${why}`
}

function onRequestOf({ logRequests }: Values, { output, globals }: CommandContext): (event: RequestEvent) => void {
  return (event) => {
    if (logRequests || event.status >= 500) output.warn(describeRequest(event))
    if (globals.debug && event.stack !== undefined) output.warn(event.stack)
  }
}

/** Where this machine's own clients reach the server. */
function localUrl(url: string, host: string): string {
  return isEveryAddress(host) ? url.replace(/\/\/(0\.0\.0\.0|\[::\])/, host === '::' ? '//[::1]' : '//127.0.0.1') : url
}

function sweepNowAndThen(score: EmbeddedScore, { output, signal }: CommandContext): () => void {
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

function announce(url: string, score: EmbeddedScore, dataDir: string, { output }: CommandContext, auth: Values['auth']): void {
  const { tokenPath } = score
  output.event({ type: 'ready', url, dataDir, tokenFile: tokenPath, pid: process.pid })
  output.say(`Score serves ${dataDir} at ${url}`)
  output.say(
    auth === 'none'
      ? 'Access: everyone on this machine (--auth none)'
      : `Access token: in ${tokenPath}; this user's 'score' finds it by itself`,
  )
  output.say('Ready. Ctrl-C ends it.')
}

export const run: Run<'serve'> = async (values, _args, context) => {
  checkValues(values)
  const { host, port, auth, publicUrl, catalogueReads, trustProxy } = values
  const { openEmbeddedScore, ownProcess } = await import('../../../src/index.ts')
  const { createScoreServer } = await import('../../server/index.ts')
  const dataDir = resolve(context.cwd, values.data)
  let score: EmbeddedScore | undefined
  const server = createScoreServer(
    async (url) => {
      score = await openEmbeddedScore({
        dataDir,
        publicUrl: (publicUrl ?? url).replace(/\/+$/, ''),
        access: auth,
        onStoreFailure: (error) => context.output.warn(`the store failed: ${error.message}`),
      })
      return score
    },
    { host, port, catalogueReads, trustProxy, onRequest: onRequestOf(values, context) },
  )
  const { url } = await server.listen()
  if (!score) throw new Error('the server listens without a service')
  const local = localUrl(url, host)
  await removeDeadRunFiles(context.env)
  const runFile = await writeRunFile(context.env, Number(new URL(local).port || 80), {
    url: local,
    pid: process.pid,
    tokenPath: score.tokenPath,
    startedAt: new Date(context.now()).toISOString(),
    process: await ownProcess(),
  })
  const endSweeps = sweepNowAndThen(score, context)
  announce(local, score, dataDir, context, auth)
  await untilAborted(context.signal)
  context.output.say('Ending: requests that run are finished first; again to end at once.')
  endSweeps()
  await removeRunFile(runFile, process.pid)
  await server.close()
  await score.close()
  return 0
}
