import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import type { ProgramName } from '../../../adapters/cli/context.ts'
import { runCli } from '../../../adapters/cli/run-cli.ts'
import { createSink } from './support.ts'

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly program?: ProgramName
  readonly env?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
}

export interface Started {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /** What has been written so far. */
  stdout(): string
  stderr(): string
}

/** A folder with a running `score serve`, and ways to run commands in it. */
export interface CliWorld {
  readonly folder: string
  readonly dataDir: string
  readonly url: string
  readonly token: string
  /** In this process: quick. */
  run(args: readonly string[], options?: RunOptions): Promise<Ended>
  /** In a process of its own. */
  start(args: readonly string[], options?: RunOptions): Started
  /** Settings that name the server, as for any client. */
  readonly named: Readonly<Record<string, string>>
  makeFile(name: string, size: number): string
  close(): Promise<void>
}

/** A server for a world. */
export interface CliServer {
  readonly url: string
  readonly token: string
  /** Settings that commands need to find it; none for one that they find by themselves. */
  readonly named: Readonly<Record<string, string>>
  close(): Promise<void>
}

export interface CliServerPlace {
  /** Where its data lie. */
  readonly dataDir: string
  readonly start: CliWorld['start']
}

const root = join(import.meta.dirname, '..', '..', '..')

/** Bytes that depend on the name alone, none of it repeating. */
function bytesFor(name: string, size: number): Buffer {
  const seed = createHash('sha512').update(name).digest()
  const bytes = Buffer.alloc(size)
  for (let at = 0; at < size; at += 64) {
    seed.copy(bytes, at, 0, Math.min(64, size - at))
    seed.writeUInt32LE(at >>> 0, 0)
  }
  return bytes
}

export function md5OfFile(path: string): string {
  return createHash('md5').update(readFileSync(path)).digest('hex')
}

/** Polls until it holds. @throws after a minute and a half, saying what was waited for. */
export async function until(what: string, holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 90_000
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`waited in vain for: ${what}`)
    await new Promise((wake) => setTimeout(wake, 20))
  }
}

/** `score serve`, which commands of the same user find. */
async function serveAlone({ dataDir, start }: CliServerPlace): Promise<CliServer> {
  const server = start(['serve', '--data', dataDir, '--port', '0', '--json'])
  await until(`the server (${server.stderr()})`, () => server.stdout().includes('\n') || server.child.exitCode !== null)
  const { url } = JSON.parse(server.stdout()) as { readonly url: string }
  return {
    url,
    token: readFileSync(join(dataDir, 'token'), 'utf8').trim(),
    named: {},
    async close() {
      server.child.kill('SIGTERM')
      await server.ended
    },
  }
}

/** @param serve starts its server; default `score serve` */
export async function createCliWorld(serve: (place: CliServerPlace) => Promise<CliServer> = serveAlone): Promise<CliWorld> {
  let needed: Readonly<Record<string, string>> = {}
  const folder = mkdtempSync(join(tmpdir(), 'score-cli-'))
  const home = { HOME: folder, XDG_STATE_HOME: join(folder, 'state'), XDG_CONFIG_HOME: join(folder, 'config') }
  const start: CliWorld['start'] = (args, { program = 'score', env = {} } = {}) => {
    const entry = ['--import', join(root, 'node_modules/tsx/dist/esm/index.mjs'), join(root, `adapters/cli/${program}.ts`)]
    const child = spawn(process.execPath, [...entry, ...args], {
      cwd: folder,
      env: { PATH: process.env['PATH'] ?? '', ...home, ...needed, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const text = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) child[name]?.setEncoding('utf8').on('data', (piece: string) => (text[name] += piece))
    const ended = new Promise<Ended>((done) => child.once('close', (code, signal) => done({ code: signal ? null : code, ...text })))
    return { child, ended, stdout: () => text.stdout, stderr: () => text.stderr }
  }
  const dataDir = join(folder, 'data')
  const server = await serve({ dataDir, start })
  const { url, token } = server
  needed = server.named
  return {
    folder,
    dataDir,
    url,
    token,
    named: { STORAGE_URL: url, METADATA_URL: url, ACCESSTOKEN: token },
    start,
    async run(args, { program = 'score', env = {}, signal = new AbortController().signal } = {}) {
      const stdout = createSink()
      const stderr = createSink()
      const code = await runCli(args, {
        program,
        environment: { ...home, ...needed, ...env },
        cwd: folder,
        stdin: Readable.from([]),
        stdout,
        stderr,
        signal,
        now: Date.now,
      })
      return { code, stdout: stdout.text(), stderr: stderr.text() }
    },
    makeFile(name, size) {
      const path = join(folder, name)
      writeFileSync(path, bytesFor(name, size))
      return path
    },
    async close() {
      await server.close()
      rmSync(folder, { recursive: true })
    },
  }
}
