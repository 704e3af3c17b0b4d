import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

/** Where programs that are built from source are kept between runs, outside the repository. */
const programs = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'score-sdk-ci', 'bin')

/** A real program that a suite needs, and the one line that makes it. */
export interface StoreProgram {
  readonly name: string
  /** Module for `go install`. */
  readonly module: string
}

export function programPath(program: StoreProgram): string | undefined {
  const path = join(programs, program.name)
  return existsSync(path) ? path : undefined
}

/** For whoever sees the suite skipped. */
export function howToGet(program: StoreProgram): string {
  return `${program.name} is not built; get it with: GOBIN="${programs.replace(homedir(), '$HOME')}" go install ${program.module}`
}

/** @throws when there is no Go, or its module does not build. */
export function buildProgram(program: StoreProgram): void {
  mkdirSync(programs, { recursive: true })
  const { error, status } = spawnSync('go', ['install', program.module], { stdio: 'inherit', env: { ...process.env, GOBIN: programs } })
  if (error !== undefined || status !== 0) throw new Error(`${howToGet(program)} (needs Go 1.24 or newer)`, { cause: error })
}

export interface StoreProcess {
  readonly endpoint: string
  stop(): Promise<void>
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port was given')
  return address.port
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  await new Promise((resolve) => child.once('exit', resolve))
}

const patienceMs = 60_000

/** Any HTTP answer says that the server listens; it is given up when the process has died. */
async function untilReady(endpoint: string, child: ChildProcess, log: readonly string[]): Promise<void> {
  const deadline = Date.now() + patienceMs
  for (;;) {
    const answered = await fetch(`${endpoint}/`, { signal: AbortSignal.timeout(5000) }).then(
      async (answer) => {
        await answer.arrayBuffer()
        return answer.status < 500
      },
      () => false,
    )
    if (answered) return
    if (child.exitCode !== null || Date.now() > deadline) throw new Error(`the store did not start:\n${log.join('').slice(-4000)}`)
    await wait(100)
  }
}

/** Starts a store on a free port, with a folder of its own that goes when it stops. */
export async function startStore(
  path: string,
  setup: (places: { readonly address: string; readonly folder: string; readonly other: string }) => {
    readonly args: readonly string[]
    readonly env: Readonly<Record<string, string>>
  },
): Promise<StoreProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'score-store-'))
  const address = `127.0.0.1:${await freePort()}`
  const { args, env } = setup({ address, folder, other: `127.0.0.1:${await freePort()}` })
  const child = spawn(path, args, { env: { PATH: process.env['PATH'] ?? '', HOME: folder, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const log: string[] = []
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => log.push(chunk.toString()))
  process.once('exit', () => child.kill('SIGKILL'))
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended(child)
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  try {
    await untilReady(`http://${address}`, child, log)
  } catch (error) {
    await stop()
    throw error
  }
  return { endpoint: `http://${address}`, stop }
}
