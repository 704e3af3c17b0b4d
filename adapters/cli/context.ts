import type { BaseContext } from 'clipanion'
import type { GlobalValues } from './global-options.ts'
import type { Output } from './output.ts'

export type Environment = Readonly<Record<string, string | undefined>>

export type ProgramName = 'score' | 'score-client'

/** What a command gets besides its options. Everything of the outside world comes in through it, so that tests bring their own. */
export type CommandContext = BaseContext & {
  readonly program: ProgramName
  /** The original's words, streams and exit codes. */
  readonly strict: boolean
  readonly cwd: string
  /** The command line as it was given, without the program. */
  readonly argv: readonly string[]
  readonly globals: GlobalValues
  readonly output: Output
  /** Aborted by SIGINT or SIGTERM. */
  readonly signal: AbortSignal
  /** Milliseconds. */
  readonly now: () => number
}
