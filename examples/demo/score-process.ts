import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

/** One line of `--json` output. */
export type ScoreEvent = Readonly<Record<string, unknown>> & { readonly type: string }

export interface ScoreExit {
  /** `null` when a signal ended it. */
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly events: readonly ScoreEvent[]
  /** What it wrote to stderr. */
  readonly words: string
}

export interface ScoreProcess {
  readonly ended: Promise<ScoreExit>
  kill(signal: NodeJS.Signals): void
}

/** Starts `score` commands as real processes and knows those that still run. */
export interface ScoreRunner {
  /** @param onEvent is told each JSON line as it comes. */
  start(args: readonly string[], onEvent?: (event: ScoreEvent, process: ScoreProcess) => void): ScoreProcess
  /** Runs a command to its end. @throws when it fails, with what it said. */
  run(args: readonly string[]): Promise<ScoreExit>
  /** Ends whatever runs, politely first. Settles when all are gone. */
  stopAll(): Promise<void>
}

export interface ScoreRunnerOptions {
  /** What Node is started with to run the CLI. */
  readonly nodeArguments: readonly string[]
  readonly cwd: string
  readonly environment: NodeJS.ProcessEnv
}

const politeMilliseconds = 5_000

function isEvent(value: unknown): value is ScoreEvent {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}

/** What a command that failed says about itself: its error event, else its stderr. */
export function describeExit({ code, signal, events, words }: ScoreExit): string {
  const said = events.findLast(({ type }) => type === 'error' || type === 'failed')?.['message']
  const how = signal ? `was ended by ${signal}` : `ended with exit code ${code}`
  return `${how}: ${typeof said === 'string' ? said : words.trim() || 'it said nothing'}`
}

export function createScoreRunner({ nodeArguments, cwd, environment }: ScoreRunnerOptions): ScoreRunner {
  const running = new Map<ChildProcess, Promise<ScoreExit>>()

  const start: ScoreRunner['start'] = (args, onEvent) => {
    const child = spawn(process.execPath, [...nodeArguments, ...args], { cwd, env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
    const events: ScoreEvent[] = []
    let words = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (words += text))
    const lines = createInterface({ input: child.stdout })
    const ended = new Promise<ScoreExit>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => resolve({ code, signal, events, words }))
    }).finally(() => running.delete(child))
    running.set(child, ended)
    const started: ScoreProcess = { ended, kill: (signal) => void child.kill(signal) }
    lines.on('line', (line) => {
      const event: unknown = line.startsWith('{') ? JSON.parse(line) : undefined
      if (!isEvent(event)) return
      events.push(event)
      onEvent?.(event, started)
    })
    return started
  }

  return {
    start,
    async run(args) {
      const exit = await start(args).ended
      if (exit.code !== 0) throw new Error(`'score ${args.join(' ')}' ${describeExit(exit)}`)
      return exit
    },
    async stopAll() {
      const all = [...running.keys()]
      for (const child of all) child.kill('SIGTERM')
      const hurry = setTimeout(() => {
        for (const child of all) child.kill('SIGKILL')
      }, politeMilliseconds)
      await Promise.allSettled(running.values())
      clearTimeout(hurry)
    },
  }
}
