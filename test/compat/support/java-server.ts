import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { originalFolder } from './original-client.ts'

export interface JavaServer {
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  /** What it has written so far. */
  log(): string
  stop(): Promise<void>
}

export interface JavaServerSettings {
  /** File in the folder of the original's programs. */
  readonly jar: string
  readonly args: readonly string[]
  readonly port: number
  /** Answers 200 once the server serves. */
  readonly readyPath: string
  readonly heap?: string
}

// A JVM beside others on a loaded machine: minutes, not seconds.
const patienceMs = 240_000

async function ready(url: string, child: ChildProcess, log: () => string): Promise<void> {
  const deadline = Date.now() + patienceMs
  while (Date.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${url}: the server ended:\n${log().slice(-4000)}`)
    const answer = await fetch(url, { signal: AbortSignal.timeout(10_000) }).catch(() => undefined)
    await answer?.body?.cancel()
    if (answer?.status === 200) return
    await wait(200)
  }
  throw new Error(`${url} was not ready in ${patienceMs / 1000} s:\n${log().slice(-4000)}`)
}

/** Starts one of the original's servers, and waits until it serves. */
export async function startJavaServer(settings: JavaServerSettings): Promise<JavaServer> {
  const { jar, args, port, readyPath, heap = '1g' } = settings
  const flags = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', `-Xmx${heap}`, '-Dspring.main.banner-mode=off']
  // Song writes its log below the folder that it is started in.
  const folder = await mkdtemp(join(tmpdir(), 'score-java-'))
  const child = spawn('java', [...flags, '-jar', join(originalFolder, jar), ...args], {
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const exited = once(child, 'close')
  let said = ''
  const log = (): string => said
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-1_000_000)
    })
  const endWithThis = (): void => void child.kill('SIGKILL')
  process.once('exit', endWithThis)
  const stop = async (): Promise<void> => {
    process.off('exit', endWithThis)
    child.kill('SIGKILL')
    await exited
    await rm(folder, { recursive: true, force: true })
  }
  const url = `http://127.0.0.1:${port}`
  try {
    await ready(`${url}${readyPath}`, child, log)
  } catch (error) {
    await stop()
    throw error
  }
  return { url, log, stop }
}
