import type { ProgramName } from './context.ts'
import { type InterruptSignal, interruptExitCode, interruption } from './interruption.ts'
import { runCli } from './run-cli.ts'

function flush(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => stream.write('', () => resolve()))
}

/** The process of `score` and `score-client`: streams, signals, exit code. */
export async function main(program: ProgramName): Promise<void> {
  const stop = new AbortController()
  const interrupt = (name: InterruptSignal): void => {
    if (stop.signal.aborted) process.exit(interruptExitCode(stop.signal))
    stop.abort(interruption(name))
  }
  process.on('SIGINT', interrupt)
  process.on('SIGTERM', interrupt)
  // A reader that closes its end (`score ls | head`) is no error: what it wanted was given.
  let outlivesReader = false
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED') {
      if (!outlivesReader) process.exit(0)
      return
    }
    process.stderr.write(`ERROR: cannot write to standard output: ${error.message}\n`)
    process.exit(program === 'score' ? 9 : 1)
  })
  process.stderr.on('error', () => {})
  const { stdin, stdout, stderr } = process
  const exitCode = await runCli(process.argv.slice(2), {
    program,
    environment: process.env,
    cwd: process.cwd(),
    stdin,
    stdout,
    stderr,
    signal: stop.signal,
    now: Date.now,
    outliveReader: () => {
      outlivesReader = true
    },
  })
  await Promise.all([flush(stdout), flush(stderr)])
  process.exit(exitCode)
}
