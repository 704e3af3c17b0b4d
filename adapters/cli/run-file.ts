import { realpath, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ProcessIdentity } from '../../src/index.ts'
import type { Environment } from './context.ts'
import { listStateFiles, readStateFile, stateFolder, writeStateFile } from './state-file.ts'

/** What a running `score serve` leaves for clients of the same user on the same machine. Mode 0600. */
export interface RunFile {
  /** Address under which the server answers here. */
  readonly url: string
  readonly pid: number
  /** Absolute. */
  readonly tokenPath: string
  /** ISO 8601. */
  readonly startedAt: string
  /** Tells a reused pid, another machine with the same home, another container. */
  readonly process: ProcessIdentity
}

/** A run file of a server that is alive, and where it stands. */
export interface LocalServer extends RunFile {
  readonly path: string
}

/** `$XDG_STATE_HOME/score/run`, or below `~/.local/state`. */
export function runFolder(environment: Environment): string {
  return join(stateFolder(environment), 'run')
}

/** Writes the run file of a server that listens on `port`; gives its path. */
export async function writeRunFile(environment: Environment, port: number, content: RunFile): Promise<string> {
  const path = join(runFolder(environment), `${port}.json`)
  await writeStateFile(path, content)
  return path
}

/** Removes what servers of this machine left behind that were killed. */
export async function removeDeadRunFiles(environment: Environment): Promise<void> {
  const { processState } = await import('../../src/index.ts')
  for (const path of await runFiles(runFolder(environment))) {
    const content = await readRunFile(path)
    if (content && (await processState(content.process)) === 'dead') await rm(path, { force: true })
  }
}

/** Removes a run file if it is still that of this process. */
export async function removeRunFile(path: string, pid: number): Promise<void> {
  const content = await readRunFile(path)
  if (content?.pid === pid) await rm(path, { force: true })
}

function isRunFile(value: unknown): value is RunFile {
  if (typeof value !== 'object' || value === null) return false
  const { url, pid, tokenPath, process: identity } = value as Record<string, unknown>
  return (
    typeof url === 'string' && typeof pid === 'number' && typeof tokenPath === 'string' && typeof identity === 'object' && identity !== null
  )
}

async function readRunFile(path: string): Promise<RunFile | undefined> {
  const value = await readStateFile(path)
  return isRunFile(value) ? value : undefined
}

function runFiles(folder: string): Promise<string[]> {
  return listStateFiles(folder, /^\d+\.json$/)
}

/** The local servers of this user that run on this machine. */
export async function liveServers(environment: Environment): Promise<LocalServer[]> {
  const paths = await runFiles(runFolder(environment))
  if (paths.length === 0) return []
  const { processState } = await import('../../src/index.ts')
  const found = await Promise.all(
    paths.map(async (path) => {
      const content = await readRunFile(path)
      const alive = content && content.process.pid === content.pid && (await processState(content.process)) === 'alive'
      return content && alive ? { ...content, path } : undefined
    }),
  )
  return found.filter((server) => server !== undefined)
}

/** Whether the server keeps its data in this folder. */
export async function servesFolder(server: RunFile, folder: string): Promise<boolean> {
  const [own, asked] = await Promise.all([dirname(server.tokenPath), folder].map((path) => realpath(path).catch(() => undefined)))
  return own !== undefined && own === asked
}
