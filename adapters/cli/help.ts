import type { CommandSpec } from './command-spec.ts'
import { commandTable, exitCodes } from './command-table.ts'
import type { ProgramName } from './context.ts'
import { globalOptions } from './global-options.ts'
import { type OptionSpec, type OptionTable, optionName } from './option-spec.ts'

const commands: Readonly<Record<string, CommandSpec>> = commandTable

function placeholder(spec: OptionSpec): string {
  if (spec.kind === 'flag') return ''
  if (spec.kind === 'boolean') return ' true|false'
  if (spec.kind === 'choice') return ` ${spec.choices.join('|')}`
  return ` ${spec.placeholder ?? (spec.kind === 'integer' ? 'N' : 'VALUE')}`
}

function defaultOf(spec: OptionSpec): string | undefined {
  return 'default' in spec && spec.default !== undefined ? String(spec.default) : undefined
}

function wrap(text: string, width: number, indent: string): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width - indent.length) {
      lines.push(indent + line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, indent + line].join('\n')
}

function optionLines(table: OptionTable, width: number): string {
  return Object.entries(table)
    .map(([key, spec]) => {
      const standard = defaultOf(spec)
      const notes = [spec.required ? 'required' : undefined, standard === undefined ? undefined : `default ${standard}`].filter(Boolean)
      const text = notes.length === 0 ? spec.text : `${spec.text} (${notes.join(', ')})`
      return `  ${optionName(key)}${placeholder(spec)}\n${wrap(text, width, '        ')}`
    })
    .join('\n')
}

function visible(table: OptionTable, program: ProgramName): OptionTable {
  if (program === 'score') return table
  return Object.fromEntries(Object.entries(table).filter(([, spec]) => !spec.scoreOnly))
}

/** Help of the program: what it is, its commands, its options. */
export function programHelp(program: ProgramName, width = 100): string {
  const names = Object.entries(commands).map(([name, spec]) => `  ${name.padEnd(10)} ${spec.summary}`)
  const settings =
    program === 'score'
      ? `\nSettings come from options, then the environment (ACCESSTOKEN, STORAGE_URL, METADATA_URL, TRANSPORT_PARALLEL ...), then a configuration file. '${program} info' shows each with its source.\nWithout STORAGE_URL, a server that this user started with 'score serve' on this machine is used.\n\n${wrap(exitCodes, width, '')}\n`
      : ''
  return `Usage: ${program} [options] [command] [command options]

Options:
${optionLines(visible(globalOptions, program), width)}

Commands:
${names.join('\n')}
${settings}
'${program} help COMMAND' tells more, with examples.
`
}

/** Help of one command. */
export function commandHelp(program: ProgramName, name: string, width = 100): string {
  const spec = commands[name] as CommandSpec
  const { positionals } = spec
  const shown = positionals && !(program === 'score-client' && positionals.scoreOnly) ? positionals : undefined
  const rest = shown ? (shown.least > 0 ? ` ${shown.name}` : ` [${shown.name}]`) + (shown.most > 1 ? '...' : '') : ''
  const options = visible(spec.options, program)
  const sections = [`Usage: ${program} ${name} [options]${rest}\n`, `Command:\n  ${spec.summary}\n`]
  // The original's commands do under its name what they always did.
  if (spec.details && !(spec.original && program === 'score-client'))
    sections.push(
      `${spec.details
        .split('\n\n')
        .map((paragraph) => wrap(paragraph, width, '  '))
        .join('\n\n')}\n`,
    )
  if (Object.keys(options).length > 0) sections.push(`Options:\n${optionLines(options, width)}\n`)
  const fitting = spec.examples.filter((example) => program === 'score' || !example.line.includes('--study ') || !spec.original)
  if (fitting.length > 0)
    sections.push(`Examples:\n${fitting.map(({ says, line }) => `  # ${says}\n  ${line.replace(/^score /, `${program} `)}`).join('\n')}\n`)
  return sections.join('\n')
}
