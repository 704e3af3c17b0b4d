import { statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { type ConfigLayer, readConfigFiles } from './config-file.ts'
import type { Environment } from './context.ts'
import { type GlobalValues, globalOptions } from './global-options.ts'
import { optionName } from './option-spec.ts'
import { refusal } from './refusal.ts'
import { foldKey, type SettingKey, type SettingSpec, settingTable } from './setting-table.ts'

/** Where a setting's value comes from. */
export type SettingSource =
  | { readonly kind: 'option' | 'environment' | 'file' | 'local-server'; readonly name: string }
  | { readonly kind: 'default' }

export interface Setting {
  readonly value: string
  readonly source: SettingSource
}

export interface ConfigOptions {
  readonly globals: GlobalValues
  readonly environment: Environment
  readonly cwd: string
}

/** The settings of one run, each with its source. */
export interface Config {
  readonly settings: Readonly<Record<SettingKey, Setting>>
  /** Files that were read, the strongest first. */
  readonly files: readonly string[]
  text(key: SettingKey): string
  /** @throws a refusal naming the setting and its source when it is no whole number. */
  integer(key: SettingKey): number
  boolean(key: SettingKey): boolean
}

const settingKeys = Object.keys(settingTable) as SettingKey[]

/** `storage.url` from environment variable STORAGE_URL: for messages and `info`. */
export function describeSource(source: SettingSource): string {
  switch (source.kind) {
    case 'option':
      return `option ${source.name}`
    case 'environment':
      return `environment ${source.name}`
    case 'file':
      return `file ${source.name}`
    case 'local-server':
      return `local server, run file ${source.name}`
    case 'default':
      return 'default'
  }
}

function fromOption(key: SettingKey, globals: GlobalValues): Setting | undefined {
  for (const [option, spec] of Object.entries(globalOptions)) {
    const value = globals[option as keyof GlobalValues]
    if ('setting' in spec && spec.setting === key && value !== undefined)
      return { value: String(value), source: { kind: 'option', name: optionName(option) } }
  }
  return undefined
}

/** An empty variable counts as not set, except for the token: there it says "no token". */
function fromEnvironment(spec: SettingSpec, environment: Environment): Setting | undefined {
  const held = spec.environment.filter((name) => environment[name] !== undefined)
  const name = held.find((candidate) => environment[candidate] !== '') ?? (spec.kind === 'secret' ? held[0] : undefined)
  return name === undefined ? undefined : { value: environment[name] ?? '', source: { kind: 'environment', name } }
}

function fromFiles(key: SettingKey, spec: SettingSpec, layers: readonly ConfigLayer[]): Setting | undefined {
  const names = [key, ...(spec.aliases ?? [])].map(foldKey)
  for (const layer of layers) {
    const value = names.map((name) => layer.values.get(name)).find((candidate) => candidate !== undefined && candidate !== '')
    if (value !== undefined) return { value, source: { kind: 'file', name: layer.path } }
  }
  return undefined
}

function configPath({ globals, environment, cwd }: ConfigOptions): string | undefined {
  const named = globals.config ?? (environment['SCORE_CONFIG'] || undefined)
  if (named !== undefined) {
    const path = resolve(cwd, named)
    if (!statSync(path, { throwIfNoEntry: false }))
      throw refusal(
        `configuration file ${path} (${globals.config === undefined ? 'environment SCORE_CONFIG' : 'option --config'}) does not exist; check the name`,
        { code: 'invalid-configuration' },
      )
    return path
  }
  const base = environment['XDG_CONFIG_HOME'] || join(environment['HOME'] || homedir(), '.config')
  return statSync(join(base, 'score'), { throwIfNoEntry: false })?.isDirectory() ? join(base, 'score') : undefined
}

function invalid(key: SettingKey, { value, source }: Setting, rule: string): Error {
  return refusal(`${key} (${describeSource(source)}) must be ${rule}, not '${value}'`, { code: 'invalid-configuration' })
}

/** Wraps settings with typed access. */
export function configOf(settings: Readonly<Record<SettingKey, Setting>>, files: readonly string[]): Config {
  return {
    settings,
    files,
    text: (key) => settings[key].value,
    integer(key) {
      const setting = settings[key]
      if (!/^-?\d+$/.test(setting.value.trim())) throw invalid(key, setting, 'a whole number')
      return Number(setting.value)
    },
    boolean(key) {
      const setting = settings[key]
      const value = setting.value.trim().toLowerCase()
      if (!['true', 'false', 'yes', 'no', 'on', 'off'].includes(value)) throw invalid(key, setting, 'true or false')
      return ['true', 'yes', 'on'].includes(value)
    },
  }
}

/**
 * Gathers the settings of a run: option, then environment, then file, then default. Values that are empty in a file
 * lose to anything; the profile decides which files of a folder count.
 *
 * @throws a refusal (`invalid-configuration`) when a file that was named does not exist or cannot be understood.
 */
export async function loadConfig(options: ConfigOptions): Promise<Config> {
  const { globals, environment } = options
  const outside = (key: SettingKey): Setting | undefined => fromOption(key, globals) ?? fromEnvironment(settingTable[key], environment)
  const path = configPath(options)
  const profile = outside('storage.profile')?.value ?? settingTable['storage.profile'].default
  const layers = path === undefined ? [] : await readConfigFiles(path, { profile, environment })
  const settings = Object.fromEntries(
    settingKeys.map((key) => [
      key,
      outside(key) ?? fromFiles(key, settingTable[key], layers) ?? { value: settingTable[key].default, source: { kind: 'default' } },
    ]),
  ) as Record<SettingKey, Setting>
  return configOf(settings, [...new Set(layers.map((layer) => layer.path))])
}
