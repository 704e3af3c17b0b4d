import type { Run } from '../command-run.ts'
import { commandTable } from '../command-table.ts'
import { commandHelp, programHelp } from '../help.ts'
import { nearest } from '../nearest.ts'
import { refusal } from '../refusal.ts'

export const run: Run<'help'> = async (_values, args, { program, strict, output }) => {
  const [name, ...more] = args
  if (more.length > 0) throw refusal(`At most one command name is expected, got ${args.length}`)
  if (name !== undefined && !Object.hasOwn(commandTable, name)) {
    const meant = nearest(name, Object.keys(commandTable))
    throw refusal(`unknown command '${name}': ${meant === undefined ? `see '${program} help'` : `did you mean '${meant}'?`}`)
  }
  const text = name === undefined ? programHelp(program) : commandHelp(program, name)
  if (strict) output.raw(text)
  else output.data(text)
  return 0
}
