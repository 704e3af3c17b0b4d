import { ScoreError } from '../core/errors.ts'
import {
  type ConfigDocument,
  type ConfigText,
  flattenConfig,
  foldConfigKey,
  parseConfigText,
  profilesMatch,
  resolvePlaceholders,
} from './config-text.ts'
import { findProblems, invalidValue } from './server-config-findings.ts'
import { type ServerSettingKey, type ServerSettingSpec, serverSettingTable } from './server-setting-table.ts'
import {
  type ConfigFinding,
  createServerConfig,
  environmentName,
  environmentNames,
  mayBeEmpty,
  type ServerConfig,
  type ServerSetting,
  type ServerSettingSource,
  serverSettingKeys,
  splitList,
} from './server-settings.ts'

export interface ServerConfigInput {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Later ones win. */
  readonly files?: readonly ConfigText[]
  /** From the command line; they win over everything. */
  readonly options?: Partial<Readonly<Record<ServerSettingKey, { readonly name: string; readonly value: string }>>>
}

export interface ServerConfigResult {
  readonly config: ServerConfig
  readonly findings: readonly ConfigFinding[]
}

const specOf = (key: ServerSettingKey): ServerSettingSpec => serverSettingTable[key]

interface Found {
  readonly value: string
  readonly source: ServerSettingSource
}

function parseInlineJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // The parser's message quotes what may be a secret.
    throw new ScoreError('invalid-configuration', 'the variable SPRING_APPLICATION_JSON holds no JSON; quote it as one value')
  }
}

/** Spring takes the exact property as a variable too, as `docker run -e s3.endpoint=…` sets it. */
function readEnvironment(env: ServerConfigInput['env']): Map<string, { readonly name: string; readonly value: string }> {
  const found = new Map<string, { name: string; value: string }>()
  const json = env['SPRING_APPLICATION_JSON'] ?? ''
  if (json !== '')
    for (const [key, value] of flattenConfig(parseInlineJson(json)))
      found.set(environmentName(key), { name: `SPRING_APPLICATION_JSON, ${key}`, value })
  for (const [name, value] of Object.entries(env))
    if (value !== undefined) found.set(name.includes('.') ? environmentName(name) : name.toUpperCase(), { name, value })
  return found
}

function readDocuments(documents: readonly ConfigDocument[], active: ReadonlySet<string>): Map<string, Found & { readonly key: string }> {
  const found = new Map<string, Found & { readonly key: string }>()
  for (const { path, profiles, values } of documents) {
    if (profiles !== undefined && !profilesMatch(profiles, active)) continue
    for (const [key, value] of values) found.set(foldConfigKey(key), { key, value, source: { kind: 'file', name: path } })
  }
  return found
}

function usable(key: ServerSettingKey, found: Found | undefined): Found | undefined {
  return found !== undefined && (found.value.trim() !== '' || mayBeEmpty.has(key)) ? found : undefined
}

function fallback(key: ServerSettingKey, profiles: readonly string[]): ServerSetting {
  const { default: plain, profileDefaults = {} } = specOf(key)
  const profile = [...profiles].reverse().find((name) => profileDefaults[name] !== undefined)
  if (profile === undefined) return { value: plain, source: { kind: 'default' } }
  return { value: profileDefaults[profile], source: { kind: 'profile', name: profile } }
}

/**
 * Gathers the settings of a server: command line, then environment (Spring's relaxed spelling), then files (later ones
 * first), then the defaults of the profiles, then plain defaults. Nothing is asked of anybody, no file is read.
 *
 * Everything that is unknown, misspelt, wrong, contradictory, or has no effect here is a finding.
 *
 * @throws `invalid-configuration` when a file cannot be understood.
 */
export async function readServerConfig({ env, files = [], options = {} }: ServerConfigInput): Promise<ServerConfigResult> {
  const documents = (await Promise.all(files.map(parseConfigText))).flat()
  const environment = readEnvironment(env)
  const inEnvironment = (key: ServerSettingKey): Found | undefined =>
    environmentNames(key)
      .map((name) => environment.get(name))
      .filter((variable) => variable !== undefined)
      .map(({ name, value }) => usable(key, { value, source: { kind: 'environment', name } }))
      .find((found) => found !== undefined)
  const always = readDocuments(documents, new Set())
  const named = inEnvironment('spring.profiles.active') ?? always.get(foldConfigKey('spring.profiles.active'))
  const profiles = splitList(named?.value)
  const inFiles = readDocuments(documents, new Set(profiles))
  const lookUp = (name: string): string | undefined =>
    env[name] ?? environment.get(environmentName(name))?.value ?? inFiles.get(foldConfigKey(name))?.value
  const inFile = (key: ServerSettingKey): Found | undefined => {
    const found = inFiles.get(foldConfigKey(key))
    return usable(key, found && { ...found, value: resolvePlaceholders(found.value, lookUp) })
  }
  const settings = Object.fromEntries(
    serverSettingKeys.map((key) => {
      const option = options[key]
      const given = option === undefined ? undefined : ({ value: option.value, source: { kind: 'option', name: option.name } } as const)
      const { value, source } = given ?? inEnvironment(key) ?? inFile(key) ?? fallback(key, profiles)
      return [key, { value, source }]
    }),
  ) as Record<ServerSettingKey, ServerSetting>
  const config = createServerConfig(settings, profiles)
  const written = {
    environment: [...environment.values()].map(({ name }) => name),
    properties: [...inFiles.values()].map(({ key }) => key),
  }
  return { config, findings: [...serverSettingKeys.flatMap((key) => invalidValue(key, config)), ...findProblems(config, written)] }
}
