import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from '../../support/free-port.ts'

const run = promisify(execFile)

/** Where Debian puts the server's programs; not on the path, for several versions may be there. */
const installations = '/usr/lib/postgresql'

/** Folder of the programs of PostgreSQL's newest version, or undefined. */
function findPrograms(): string | undefined {
  if (!existsSync(installations)) return undefined
  const versions = readdirSync(installations).sort((left, right) => Number(right) - Number(left))
  return versions.map((version) => join(installations, version, 'bin')).find((folder) => existsSync(join(folder, 'initdb')))
}

/** Why PostgreSQL cannot be run here, or undefined when it can. */
export function missingPostgres(): string | undefined {
  return findPrograms() === undefined ? `there is no PostgreSQL in ${installations}: apt-get install postgresql` : undefined
}

export interface Postgres {
  readonly port: number
  /** Every local user is `postgres` without a password. */
  createDatabase(name: string): Promise<void>
  stop(): Promise<void>
}

/** PostgreSQL refuses to run as root: then the user that Debian's package makes runs it. */
function unprivileged(): { readonly uid?: number; readonly gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const idOf = (option: string): number => Number(spawnSync('id', [option, 'postgres'], { encoding: 'utf8' }).stdout)
  return { uid: idOf('-u'), gid: idOf('-g') }
}

const patienceMs = 120_000

/** A database server on a free port, in a folder of its own that goes when it stops; nothing in it outlives a power cut. */
export async function startPostgres(): Promise<Postgres> {
  const programs = findPrograms()
  if (programs === undefined) throw new Error('there is no PostgreSQL')
  const user = unprivileged()
  const folder = await mkdtemp(join(tmpdir(), 'score-postgres-'))
  if (user.uid !== undefined && user.gid !== undefined) await chown(folder, user.uid, user.gid)
  const data = join(folder, 'data')
  const settings = { ...user, cwd: folder, env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C' } }
  await run(join(programs, 'initdb'), ['-D', data, '-A', 'trust', '-U', 'postgres', '-E', 'UTF8', '--no-locale', '--no-sync'], settings)
  const port = await freePort()
  const child = spawn(
    join(programs, 'postgres'),
    ['-D', data, '-h', '127.0.0.1', '-p', String(port), '-k', folder, '-c', 'fsync=off', '-c', 'shared_buffers=32MB'],
    { ...settings, stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (log += text))
  const exited = once(child, 'close')
  const endWithThis = (): void => void child.kill('SIGQUIT')
  process.once('exit', endWithThis)
  const stop = async (): Promise<void> => {
    process.off('exit', endWithThis)
    child.kill('SIGQUIT')
    await exited
    await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
  const isReady = (): Promise<boolean> =>
    run(join(programs, 'pg_isready'), ['-h', '127.0.0.1', '-p', String(port), '-q'], settings).then(
      () => true,
      () => false,
    )
  const deadline = Date.now() + patienceMs
  while (!(await isReady())) {
    if (child.exitCode !== null || Date.now() > deadline) {
      await stop()
      throw new Error(`PostgreSQL did not start:\n${log.slice(-4000)}`)
    }
    await wait(100)
  }
  return {
    port,
    async createDatabase(name) {
      await run(join(programs, 'createdb'), ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', name], settings)
    },
    stop,
  }
}
