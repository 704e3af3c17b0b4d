import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

const repository = join(import.meta.dirname, '..', '..', '..')

/** What runs a program of ours from its source, and from what was built. */
export function programOf(name: 'score' | 'score-client'): readonly string[] {
  return ['--import', import.meta.resolve('tsx'), join(repository, 'adapters', 'cli', `${name}.ts`)]
}

export interface ProgramRun {
  /** Exit code, or null when it was killed. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunningProgram {
  readonly finished: Promise<ProgramRun>
  /** What it has written so far. */
  log(): string
  /** Asks it to end. */
  end(): void
  /** At once, without a chance to clean up. */
  kill(): void
}

export interface ProgramSettings {
  /** Arguments of Node before those of the program; default {@link programOf} `score`. */
  readonly program?: readonly string[]
  readonly cwd: string
  /** All that it sees, beside PATH and HOME. */
  readonly env: Readonly<Record<string, string>>
}

function spawnProgram(args: readonly string[], { program = programOf('score'), cwd, env }: ProgramSettings): ChildProcess {
  const path = process.env['PATH'] ?? ''
  const child = spawn(process.execPath, [...program, ...args], {
    cwd,
    env: { PATH: path, HOME: cwd, AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: 'true', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const endWithThis = (): void => void child.kill('SIGKILL')
  process.once('exit', endWithThis)
  child.once('close', () => process.off('exit', endWithThis))
  return child
}

function gather(child: ChildProcess): { stdout: string; stderr: string } {
  const texts = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text
    })
  return texts
}

/** Starts a program of ours. */
export function startProgram(args: readonly string[], settings: ProgramSettings): RunningProgram {
  const child = spawnProgram(args, settings)
  const texts = gather(child)
  const finished = once(child, 'close').then(([code]) => ({ code: code as number | null, ...texts }))
  return {
    finished,
    log: () => texts.stdout + texts.stderr,
    end: () => void child.kill('SIGTERM'),
    kill: () => void child.kill('SIGKILL'),
  }
}

export interface ScoreProcess {
  /** As it told itself. */
  readonly url: string
  /** What it has written so far. */
  log(): string
  /** Lets it finish what it does. @returns the exit code. */
  end(): Promise<number | null>
  /** `kill -9`. */
  kill(): Promise<void>
}

const patienceMs = 120_000

/** Starts `score serve` with these settings and waits until it says that it serves; `args` come before `--json`. */
export async function startScoreServer(settings: ProgramSettings, args: readonly string[] = ['serve']): Promise<ScoreProcess> {
  const child = spawnProgram([...args, '--json'], settings)
  const exited = once(child, 'close')
  const texts = gather(child)
  const log = (): string => texts.stdout + texts.stderr
  const stop = async (signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> => {
    child.kill(signal)
    const [code] = await exited
    return code as number | null
  }
  const url = await new Promise<string>((done, fail) => {
    const deadline = setTimeout(() => fail(new Error(`the server was not ready in ${patienceMs / 1000} s:\n${log()}`)), patienceMs)
    child.once('close', (code) => {
      clearTimeout(deadline)
      fail(new Error(`the server ended with ${code}:\n${log()}`))
    })
    child.stdout?.on('data', () => {
      const line = texts.stdout.split('\n').find((text) => text.includes('"type":"ready"'))
      if (line === undefined) return
      clearTimeout(deadline)
      done((JSON.parse(line) as { readonly url: string }).url)
    })
  }).catch(async (error: unknown) => {
    await stop('SIGKILL')
    throw error
  })
  return {
    url,
    log,
    end: () => stop('SIGTERM'),
    kill: async () => void (await stop('SIGKILL')),
  }
}
