import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

/** Processes that belong together, in a folder of their own: all go at once. */
export interface ProcessHouse {
  /** Short, for the sockets in it. */
  readonly folder: string
  /** Runs a command to its end. @throws with what it printed. */
  run(command: string, args: readonly string[]): Promise<string>
  /** Starts a daemon in the foreground. */
  start(name: string, command: string, args: readonly string[]): void
  /** Asks until the answer is yes. @throws when a daemon has died or patience is at its end, with the last lines of each. */
  until(what: string, probe: () => Promise<boolean>): Promise<void>
  /** Freezes every daemon, or lets them go on. */
  freeze(frozen: boolean): void
  stop(): Promise<void>
}

const patienceMs = 180_000
const lastLines = 20

interface Daemon {
  readonly name: string
  readonly child: ChildProcess
  readonly log: string[]
}

function ended({ child }: Daemon): boolean {
  return child.exitCode !== null || child.signalCode !== null
}

function lastWords(daemons: readonly Daemon[]): string {
  const told = daemons.map((daemon) => {
    const state = ended(daemon) ? `ended with ${daemon.child.exitCode ?? daemon.child.signalCode}` : 'runs'
    const lines = daemon.log.join('').trimEnd().split('\n').slice(-lastLines)
    return [`${daemon.name} ${state}; its last lines:`, ...lines.map((line) => `  ${line}`)].join('\n')
  })
  return told.join('\n')
}

/** @param env what the processes see besides PATH and a HOME of their own. */
export async function openProcessHouse(env: (folder: string) => Readonly<Record<string, string>> = () => ({})): Promise<ProcessHouse> {
  const folder = await mkdtemp(join(tmpdir(), 'score-s-'))
  const surroundings = { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`, HOME: folder, LC_ALL: 'C', ...env(folder) }
  const daemons: Daemon[] = []
  const killAll = (): void => {
    for (const { child } of daemons) child.kill('SIGKILL')
  }
  process.once('exit', killAll)

  return {
    folder,
    run: (command, args) =>
      new Promise((resolve, reject) => {
        execFile(command, args, { env: surroundings, cwd: folder, timeout: patienceMs, maxBuffer: 2 ** 24 }, (error, stdout, stderr) => {
          if (error === null) resolve(stdout)
          else reject(new Error(`${command} ${args.join(' ')}: ${error.message}\n${stdout}${stderr}\n${lastWords(daemons)}`))
        })
      }),
    start(name, command, args) {
      const child = spawn(command, args, { env: surroundings, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
      const log: string[] = []
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => {
          log.push(chunk.toString())
          if (log.length > 2000) log.splice(0, 1000)
        })
      child.on('error', (error) => log.push(`${error.message}\n`))
      daemons.push({ name, child, log })
    },
    async until(what, probe) {
      const deadline = Date.now() + patienceMs
      for (;;) {
        if (await probe()) return
        const dead = daemons.find(ended)
        if (dead !== undefined) throw new Error(`${what}: ${dead.name} is dead\n${lastWords(daemons)}`)
        if (Date.now() > deadline) throw new Error(`${what}: not within ${patienceMs / 1000} s\n${lastWords(daemons)}`)
        await wait(50)
      }
    },
    freeze(frozen) {
      for (const { child } of daemons) child.kill(frozen ? 'SIGSTOP' : 'SIGCONT')
    },
    async stop() {
      const gone = daemons.filter((daemon) => !ended(daemon)).map(({ child }) => new Promise((resolve) => child.once('exit', resolve)))
      killAll()
      await Promise.all(gone)
      // Children of a daemon may outlive it with its pipes in their hands.
      for (const { child } of daemons) for (const stream of [child.stdout, child.stderr]) stream?.destroy()
      process.removeListener('exit', killAll)
      await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** Whether anything answers there by HTTP that is no failure of the server. */
export async function answers(endpoint: string): Promise<boolean> {
  return fetch(`${endpoint}/`, { signal: AbortSignal.timeout(5000) }).then(
    async (answer) => {
      await answer.arrayBuffer()
      return answer.status < 500
    },
    () => false,
  )
}
