import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DaemonPlan, DaemonWord } from './daemon-plan.ts'

export interface Daemon {
  readonly mountPoint: string
  readonly process: ChildProcess
  readonly words: readonly DaemonWord[]
  /** The next word of a kind, past or to come, within {@link patienceMs}. */
  heard<Kind extends DaemonWord['kind']>(kind: Kind): Promise<Extract<DaemonWord, { readonly kind: Kind }>>
  tell(word: string): void
  /** Resolves with the exit code, or the signal. */
  readonly exited: Promise<number | string>
}

const patienceMs = 90_000
const folders: string[] = []
const mounts = new Set<string>()
const daemons = new Set<ChildProcess>()

/** An empty folder, in a folder of its own that goes away with `cleanUp`. */
export function makeMountPoint(name = 'mnt'): string {
  const folder = mkdtempSync(join(tmpdir(), 'score-mount-'))
  folders.push(folder)
  const mountPoint = join(folder, name)
  mkdirSync(mountPoint)
  mounts.add(mountPoint)
  return mountPoint
}

/** Starts a process that mounts; it is killed by `cleanUp` at the latest. */
export function startDaemon(plan: DaemonPlan): Daemon {
  const child = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, 'mount-daemon.ts'), JSON.stringify(plan)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  daemons.add(child)
  const words: DaemonWord[] = []
  const listeners = new Set<() => void>()
  let rest = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    words.push(...lines.map((line) => JSON.parse(line) as DaemonWord))
    for (const listener of listeners) listener()
  })
  const exited = new Promise<number | string>((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code ?? 'none')))
  return {
    mountPoint: plan.mountPoint,
    process: child,
    words,
    exited,
    tell: (word) => void child.stdin?.write(`${word}\n`),
    heard: (kind) =>
      new Promise((resolve, reject) => {
        const end = (): void => {
          clearTimeout(timer)
          listeners.delete(look)
        }
        const look = (): void => {
          const word = words.find((one) => one.kind === kind)
          if (word === undefined) return
          end()
          resolve(word as never)
        }
        const timer = setTimeout(() => {
          end()
          reject(new Error(`the daemon did not say '${kind}' in time; it said ${JSON.stringify(words)}`))
        }, patienceMs)
        listeners.add(look)
        look()
      }),
  }
}

export async function mountDaemon(plan: Partial<DaemonPlan> & Pick<DaemonPlan, 'driver'>): Promise<Daemon> {
  const daemon = startDaemon({ mountPoint: makeMountPoint(), ...plan })
  await daemon.heard('ready')
  return daemon
}

/** Ends what was started and takes away what was mounted, whatever state it is in. */
export async function cleanUp(): Promise<void> {
  for (const mountPoint of mounts) spawnSync('umount', ['-l', mountPoint], { stdio: 'ignore', timeout: 60_000 })
  for (const daemon of daemons) {
    if (daemon.exitCode === null && daemon.signalCode === null) {
      const gone = new Promise((resolve) => daemon.once('exit', resolve))
      daemon.kill('SIGKILL')
      await gone
    }
  }
  daemons.clear()
  mounts.clear()
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
}

export interface ReaderOutcome {
  readonly stdout: string
  readonly stderr: string
  readonly code: number | string
}

/** Runs a program that may wait for a mount: in a process of its own, killed when it takes too long. */
export function run(file: string, args: readonly string[], limitMs = patienceMs): Promise<ReaderOutcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const timer = setTimeout(() => child.kill('SIGKILL'), limitMs)
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      stdout += text
    })
    child.stderr.on('data', (text: Buffer) => {
      stderr += text.toString()
    })
    child.once('error', reject)
    child.once('close', (code, signal) => {
      clearTimeout(timer)
      resolve({ stdout, stderr, code: signal ?? code ?? 'none' })
    })
  })
}

/** Runs JavaScript in a process of its own with `fs`, `mnt` and `done(result)`; gives back the result, or the errno name. */
export async function inside(mountPoint: string, script: string, limitMs?: number): Promise<string> {
  const wrapped = `const fs = require('fs'), mnt = process.argv[1]; const done = (r) => process.stdout.write(String(r));
const names = Object.entries(require('os').constants.errno);
const nameOf = (e) => e.errno === undefined ? e : names.find(([, number]) => number === -e.errno)?.[0];
try { done((() => { ${script} })()) } catch (e) { done(nameOf(e)) }`
  const { stdout, stderr, code } = await run(process.execPath, ['-e', wrapped, mountPoint], limitMs)
  return code === 0 ? stdout : `exit ${code}: ${stderr}`
}
