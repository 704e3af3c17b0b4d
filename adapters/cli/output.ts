import type { Writable } from 'node:stream'

/** What a stream to a terminal has besides `write`. */
type TerminalLike = Writable & { readonly isTTY?: boolean; readonly columns?: number }

export interface OutputOptions {
  readonly stdout: TerminalLike
  readonly stderr: TerminalLike
  readonly strict: boolean
  readonly quiet: boolean
  readonly silent: boolean
  readonly json: boolean
  readonly color: boolean
}

/** The two streams of a command: data on stdout, words for people on stderr. */
export interface Output {
  readonly json: boolean
  /** Whether a progress line may be rewritten in place. */
  readonly interactive: boolean
  readonly showsProgress: boolean
  readonly columns: number
  /** Text as it is, on stdout: what the command was asked for. Also with `--silent`. */
  data(text: string): void
  /** One JSON value on a line of stdout; nothing without `--json`. */
  event(value: object): void
  /** A line for people. */
  say(line: string): void
  warn(line: string): void
  error(line: string): void
  /** Text as it is, for people: the original's partial lines. */
  raw(text: string): void
  /** Replaces the progress line. */
  progressLine(line: string): void
  /** Takes the progress line away, so that other text may follow. */
  clearProgressLine(): void
}

const escapeCharacter = String.fromCharCode(27)

export function createOutput(options: OutputOptions): Output {
  const { stdout, stderr, strict, silent, json, color } = options
  const people = !silent && !json
  const interactive = stderr.isTTY === true
  const paint = (code: string, text: string): string =>
    color && interactive ? `${escapeCharacter}[${code}m${text}${escapeCharacter}[0m` : text
  let drawn = 0
  const clearProgressLine = (): void => {
    if (drawn === 0) return
    stderr.write(`\r${' '.repeat(drawn)}\r`)
    drawn = 0
  }
  const line = (text: string): void => {
    clearProgressLine()
    stderr.write(`${text}\n`)
  }
  return {
    json,
    interactive,
    showsProgress: people && !options.quiet,
    columns: stderr.columns || 80,
    data: (text) => void stdout.write(text),
    event: (value) => {
      if (json) stdout.write(`${JSON.stringify(value)}\n`)
    },
    say: (text) => {
      if (people) line(text)
    },
    warn: (text) => {
      if (!silent) line(`${paint('33', strict ? 'WARN:' : 'WARNING:')} ${text}`)
    },
    error: (text) => {
      if (!silent) line(`${paint('1;31', 'ERROR:')} ${paint('31', text)}`)
    },
    raw: (text) => {
      if (!people) return
      clearProgressLine()
      stderr.write(text)
    },
    progressLine: (text) => {
      if (!people) return
      const fitted = text.slice(0, Math.max(10, (stderr.columns || 80) - 1))
      stderr.write(`\r${fitted.padEnd(drawn)}`)
      drawn = Math.max(drawn, fitted.length)
    },
    clearProgressLine,
  }
}
