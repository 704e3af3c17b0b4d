import type { OptionTable } from './option-spec.ts'

export interface PositionalSpec {
  /** As the help shows it: `FILE`, `ANALYSIS`. */
  readonly name: string
  readonly least: number
  readonly most: number
  /** The original has none here; `score-client` refuses them. */
  readonly scoreOnly?: true
}

/** What a command is called and takes. Light on purpose: help needs nothing else. */
export interface CommandSpec {
  /** One line, as in the list of commands. */
  readonly summary: string
  /** Paragraphs for the command's own help. */
  readonly details?: string
  readonly examples: readonly { readonly says: string; readonly line: string }[]
  readonly options: OptionTable
  readonly positionals?: PositionalSpec
  /** The original has it: `score-client` reads it by the original's grammar. */
  readonly original: boolean
  /** Goes on when the reader of its stdout has gone: its work is not its output. */
  readonly outlivesReader?: true
}
