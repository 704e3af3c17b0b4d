import type { CommandName, commandTable } from './command-table.ts'
import type { CommandContext } from './context.ts'
import type { ValuesOf } from './option-spec.ts'

/** The options of a command, by its name. */
export type CommandValues<Name extends CommandName> = ValuesOf<(typeof commandTable)[Name]['options']>

/** What a command's module exports as `run`. */
export type Run<Name extends CommandName> = (
  values: CommandValues<Name>,
  args: readonly string[],
  context: CommandContext,
) => Promise<number | undefined>
