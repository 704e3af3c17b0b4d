import { Command, type CommandClass, Option } from 'clipanion'
import { isEnum, isNumber } from 'typanion'
import type { CommandSpec } from './command-spec.ts'
import type { CommandContext } from './context.ts'
import { clipanionName, type OptionSpec } from './option-spec.ts'

/** Runs a command: its options by key, the arguments after them, and the world. Resolves with the exit code; none is 0. */
export type AnyRun = (
  values: Readonly<Record<string, unknown>>,
  args: readonly string[],
  context: CommandContext,
) => Promise<number | undefined>

// clipanion finds the options of a command by looking at the fields of an instance.
function declareOption(key: string, spec: OptionSpec): unknown {
  const name = clipanionName(key)
  switch (spec.kind) {
    case 'flag':
      return Option.Boolean(name, false)
    case 'boolean':
      return Option.Boolean(name, spec.default)
    case 'object-ids':
    case 'regions':
      return Option.Array(name, [])
    case 'integer':
      return spec.default === undefined
        ? Option.String(name, { validator: isNumber() })
        : Option.String(name, String(spec.default), { validator: isNumber() })
    case 'rate':
    case 'size':
      return Option.String(name, { validator: isNumber() })
    case 'choice':
      return spec.default === undefined
        ? Option.String(name, { validator: isEnum(spec.choices) })
        : Option.String(name, spec.default, { validator: isEnum(spec.choices) })
    case 'text':
      return spec.default === undefined ? Option.String(name) : Option.String(name, spec.default)
    default:
      return Option.String(name)
  }
}

/** The clipanion command of a row of the table; what it runs is loaded when it runs. */
export function commandClass(name: string, spec: CommandSpec, load: () => Promise<AnyRun>): CommandClass<CommandContext> {
  const keys = Object.keys(spec.options)
  return class extends Command<CommandContext> {
    static override paths = [[name]]
    static override usage = Command.Usage({ description: spec.summary, examples: spec.examples.map(({ says, line }) => [says, line]) })

    readonly args = spec.positionals ? Option.Rest({ name: spec.positionals.name }) : []

    constructor() {
      super()
      Object.assign(this, Object.fromEntries(keys.map((key) => [key, declareOption(key, spec.options[key] as OptionSpec)])))
    }

    override async execute(): Promise<number> {
      const run = await load()
      const values = Object.fromEntries(keys.map((key) => [key, Reflect.get(this, key)]))
      return (await run(values, this.args, this.context)) ?? 0
    }
  }
}
