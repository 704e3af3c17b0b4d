import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { type ArgvTexts, friendlyTexts, originalTexts } from './argv-texts.ts'
import type { CommandSpec } from './command-spec.ts'
import { type GlobalValues, globalOptions } from './global-options.ts'
import { nearest } from './nearest.ts'
import { clipanionName, type OptionSpec, type OptionTable, optionKey, optionName } from './option-spec.ts'
import { checkValue, type ValueContext } from './option-value.ts'
import { refusal } from './refusal.ts'
import { splitRegionList } from './region-list.ts'

export interface ArgvContext {
  /** The original's grammar and words (`score-client`). */
  readonly strict: boolean
  readonly commands: Readonly<Record<string, CommandSpec>>
  readonly cwd: string
}

export interface ParsedArgv {
  /** Absent when only `--help` or `--version` was asked for. */
  readonly command?: string
  readonly globals: GlobalValues
  /** The command line in the one spelling that clipanion reads: `--name=value`, `--flag`, `--no-flag`, `--`, the rest. */
  readonly args: readonly string[]
}

type Assigned = Map<string, string[]>

interface Scope {
  readonly table: OptionTable
  readonly assigned: Assigned
  readonly value: ValueContext
  readonly command?: string
}

const unquote = (text: string): string => text.trim().replace(/^"(.*)"$/s, '$1')

/** An argument `@FILE` stands for the lines of that file. */
function expandLists(argv: readonly string[], context: ArgvContext, texts: ArgvTexts): string[] {
  return argv.flatMap((argument) => {
    if (!argument.startsWith('@') || argument === '@') return [argument]
    const path = argument.slice(1)
    try {
      const lines = readFileSync(resolve(context.cwd, path), 'utf8').split(/\r?\n/)
      return lines.filter((line) => line.length > 0)
    } catch (error) {
      throw refusal(texts.unreadableList(path, error instanceof Error ? error.message : String(error)))
    }
  })
}

/** `--name=value` as two tokens, as the original reads it; quotes around either are dropped. */
function splitStrictly(argv: readonly string[]): string[] {
  return argv.flatMap((argument) => {
    const at = argument.startsWith('-') ? argument.indexOf('=') : -1
    return at < 0 ? [unquote(argument)] : [unquote(argument.slice(0, at)), unquote(argument.slice(at + 1))]
  })
}

function isList({ kind }: OptionSpec): boolean {
  return kind === 'object-ids' || kind === 'regions'
}

function splitList({ kind }: OptionSpec, value: string): string[] {
  if (kind === 'regions') return splitRegionList(value)
  return value.includes(',') ? value.split(',').filter((id) => id.trim() !== '') : [value]
}

function assign(scope: Scope, key: string, spec: OptionSpec, value: string): void {
  const name = optionName(key)
  const held = scope.assigned.get(key)
  if (isList(spec)) {
    const checked = splitList(spec, value).map((one) => checkValue(spec, name, one.trim(), scope.value))
    scope.assigned.set(key, [...(held ?? []), ...checked])
    return
  }
  if (held) throw refusal(scope.value.texts.repeated(name))
  scope.assigned.set(key, [checkValue(spec, name, value, scope.value)])
}

function lookUp(scope: Scope, name: string): { readonly key: string; readonly spec: OptionSpec } | undefined {
  if (!/^--[a-z0-9]/.test(name)) return undefined
  const key = optionKey(name)
  const spec = Object.hasOwn(scope.table, key) && optionName(key) === name ? scope.table[key] : undefined
  return spec && !(scope.value.strict && spec.scoreOnly) ? { key, spec } : undefined
}

function listEnd(tokens: readonly string[], from: number): number {
  let end = from
  while (end < tokens.length && !(tokens[end] as string).startsWith('-')) end++
  return end
}

/** JCommander 1.35 for one option at `at`; gives the index of the next token. */
function takeStrictly(scope: Scope, tokens: readonly string[], at: number): number {
  const name = tokens[at] as string
  const found = lookUp(scope, name)
  if (!found) throw refusal(scope.value.texts.unknownOption(name, undefined, scope.command))
  const { key, spec } = found
  if (spec.kind === 'flag') {
    assign(scope, key, spec, 'true')
    return at + 1
  }
  const first = at + (tokens[at + 1] === '--' ? 2 : 1)
  if (first >= tokens.length) throw refusal(scope.value.texts.missingValue(name))
  if (!isList(spec)) {
    assign(scope, key, spec, tokens[first] as string)
    return first + 1
  }
  const end = listEnd(tokens, at + 1)
  for (const value of tokens.slice(at + 1, end)) assign(scope, key, spec, value)
  return end
}

/** The grammar of `score`: the original's meaning, with `--no-x`, `--x` for a boolean, and options among positionals. */
function takeFriendly(scopes: readonly Scope[], tokens: readonly string[], at: number): number {
  const token = tokens[at] as string
  const equals = token.indexOf('=')
  const name = equals < 0 ? token : token.slice(0, equals)
  const inline = equals < 0 ? undefined : unquote(token.slice(equals + 1))
  for (const scope of scopes) {
    const found = lookUp(scope, name)
    if (found) return takeValue(scope, found, { name, inline, tokens, at })
    const negated = name.startsWith('--no-') && inline === undefined ? lookUp(scope, `--${name.slice(5)}`) : undefined
    if (negated?.spec.kind === 'flag' || negated?.spec.kind === 'boolean') {
      assign(scope, negated.key, negated.spec, 'false')
      return at + 1
    }
  }
  const known = scopes.flatMap((scope) => Object.keys(scope.table).map(optionName))
  const [scope] = scopes as [Scope]
  throw refusal(scope.value.texts.unknownOption(name, nearest(name, known), scope.command))
}

interface Taken {
  readonly name: string
  readonly inline: string | undefined
  readonly tokens: readonly string[]
  readonly at: number
}

function takeValue(scope: Scope, found: { readonly key: string; readonly spec: OptionSpec }, taken: Taken): number {
  const { key, spec } = found
  const { name, inline, tokens, at } = taken
  const next = tokens[at + 1]
  if (inline !== undefined) {
    assign(scope, key, spec, inline)
    return at + 1
  }
  if (spec.kind === 'flag') {
    assign(scope, key, spec, 'true')
    return at + 1
  }
  if (spec.kind === 'boolean') {
    const given = next !== undefined && !next.startsWith('-')
    assign(scope, key, spec, given ? unquote(next) : 'true')
    return at + (given ? 2 : 1)
  }
  if (next === undefined || next.startsWith('--')) throw refusal(scope.value.texts.missingValue(name))
  if (!isList(spec)) {
    assign(scope, key, spec, unquote(next))
    return at + 2
  }
  const end = listEnd(tokens, at + 1)
  if (end === at + 1) throw refusal(scope.value.texts.missingValue(name))
  for (const value of tokens.slice(at + 1, end)) assign(scope, key, spec, value)
  return end
}

function normalised(scope: Scope, positionals: readonly string[]): string[] {
  const args: string[] = []
  for (const [key, values] of scope.assigned) {
    const spec = scope.table[key] as OptionSpec
    const name = clipanionName(key)
    if (spec.kind === 'flag' || spec.kind === 'boolean') args.push(values[0] === 'true' ? name : `--no-${name.slice(2)}`)
    else for (const value of values) args.push(`${name}=${value}`)
  }
  return positionals.length === 0 ? args : [...args, '--', ...positionals]
}

function globalValues(assigned: Assigned): GlobalValues {
  const entries = [...assigned].map(([key, [value]]) => {
    const spec: OptionSpec = globalOptions[key as keyof typeof globalOptions]
    return [key, spec.kind === 'flag' ? value === 'true' : spec.kind === 'integer' ? Number(value) : value]
  })
  return Object.fromEntries(entries) as GlobalValues
}

function requireOptions(scope: Scope): void {
  const missing = Object.keys(scope.table).filter((key) => {
    const { required, requiredUnless } = scope.table[key] as OptionSpec
    const needed = required || (requiredUnless !== undefined && !scope.assigned.has(requiredUnless))
    return needed && !scope.assigned.has(key)
  })
  if (missing.length > 0) throw refusal(scope.value.texts.required(missing.map(optionName), scope.command ?? ''))
}

/** Reads the options before the command; gives where the command stands (or the end). */
function takeGlobals(scope: Scope, tokens: readonly string[]): number {
  let at = 0
  while (at < tokens.length) {
    const token = tokens[at] as string
    if (token === '') at++
    else if (!token.startsWith('-')) break
    else if (scope.value.strict) at = takeStrictly(scope, tokens, at)
    else at = takeFriendly([scope], token === '-h' ? tokens.with(at, '--help') : tokens, at)
  }
  return at
}

function asksForHelp(token: string, strict: boolean): boolean {
  return token === '--help' || (!strict && token === '-h')
}

function takePositional(token: string, { value, command }: Scope, spec: CommandSpec): string {
  if (spec.positionals && !(value.strict && spec.positionals.scoreOnly)) return token
  throw refusal(value.texts.stray(token, command ?? ''))
}

function takeCommand(globals: Scope, own: Scope, spec: CommandSpec, tokens: readonly string[]): string[] {
  const positionals: string[] = []
  let at = 0
  while (at < tokens.length) {
    const token = tokens[at] as string
    if (asksForHelp(token, own.value.strict)) {
      globals.assigned.set('help', ['true'])
      return []
    }
    if (token === '') at++
    else if (!own.value.strict && token === '--') {
      positionals.push(...tokens.slice(at + 1))
      break
    } else if (token.startsWith('-') && token !== '-') {
      at = own.value.strict ? takeStrictly(own, tokens, at) : takeFriendly([own, globals], tokens, at)
    } else {
      positionals.push(takePositional(token, own, spec))
      at++
    }
  }
  return positionals
}

function checkPositionals(spec: CommandSpec, count: number, command: string): void {
  const { positionals } = spec
  if (!positionals || (count >= positionals.least && count <= positionals.most)) return
  const range = positionals.least === positionals.most ? `${positionals.least}` : `at least ${positionals.least}`
  throw refusal(
    count > positionals.most
      ? `'${command}' takes at most ${positionals.most} ${positionals.name}, not ${count}: see 'score help ${command}'`
      : `'${command}' needs ${range} ${positionals.name}: see 'score help ${command}'`,
  )
}

/**
 * Reads a command line by JCommander's rules (score-client.md 1.1) and spells it as clipanion expects. Checks run in the
 * order of the arguments, so that the first mistake is the one that is told.
 *
 * @throws a refusal, in the original's words when `strict`.
 */
export function parseArgv(argv: readonly string[], context: ArgvContext): ParsedArgv {
  const texts = context.strict ? originalTexts : friendlyTexts
  const expanded = expandLists(argv, context, texts)
  const tokens = context.strict ? splitStrictly(expanded) : expanded
  const value: ValueContext = { texts, strict: context.strict, cwd: context.cwd }
  const globals: Scope = { table: globalOptions, assigned: new Map(), value }
  const at = takeGlobals(globals, tokens)
  const name = tokens[at]
  const asked = globals.assigned.has('help') || globals.assigned.has('version')
  if (name === undefined) {
    if (!asked) throw refusal(texts.noCommand, { frame: 'missing-command' })
    return { globals: globalValues(globals.assigned), args: [] }
  }
  const spec = Object.hasOwn(context.commands, name) ? context.commands[name] : undefined
  if (!spec) throw refusal(texts.unknownCommand(name, nearest(name, Object.keys(context.commands))), { frame: 'missing-command' })
  // Commands that the original never had follow score's own grammar in both programs.
  const strict = context.strict && spec.original
  const own: Scope = {
    table: spec.options,
    assigned: new Map(),
    value: strict ? value : { texts: spec.original ? texts : friendlyTexts, strict, cwd: context.cwd },
    command: name,
  }
  const positionals = takeCommand(globals, own, spec, tokens.slice(at + 1))
  if (!globals.assigned.has('help') && !globals.assigned.has('version')) {
    requireOptions(own)
    checkPositionals(spec, positionals.length, name)
  }
  return { command: name, globals: globalValues(globals.assigned), args: [name, ...normalised(own, positionals)] }
}
