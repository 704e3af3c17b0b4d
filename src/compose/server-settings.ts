import { maskSecret, redactUrl } from '../core/redact.ts'
import { type ServerSettingKey, type ServerSettingSpec, serverSettingTable } from './server-setting-table.ts'

/** Where a setting comes from. */
export type ServerSettingSource =
  | { readonly kind: 'option' | 'environment' | 'file' | 'profile'; readonly name: string }
  | { readonly kind: 'default' }

export interface ServerSetting {
  /** `undefined`: not set, and without a default. */
  readonly value: string | undefined
  readonly source: ServerSettingSource
}

/** Something about the settings that whoever runs the service should know. It never holds the value of a secret. */
export interface ConfigFinding {
  /** With an `error` the service does not start. */
  readonly severity: 'error' | 'warning' | 'note'
  /** As it was written: the variable, or the property in its file. */
  readonly setting: string
  readonly message: string
}

/** The settings of a server, each with its source. Accessors give what was checked; a value that is wrong is a finding. */
export interface ServerConfig {
  readonly profiles: readonly string[]
  readonly settings: Readonly<Record<ServerSettingKey, ServerSetting>>
  /** Empty counts as not set where an empty value means nothing. */
  text(key: ServerSettingKey): string | undefined
  integer(key: ServerSettingKey): number
  boolean(key: ServerSettingKey): boolean
  list(key: ServerSettingKey): readonly string[]
  /** Whether somebody set it, profiles and defaults aside. */
  isSet(key: ServerSettingKey): boolean
}

/** Empty values that say something: a study scope without prefix, objects at the root of the bucket. */
export const mayBeEmpty: ReadonlySet<ServerSettingKey> = new Set([
  's3.data.directory',
  'auth.server.scope.download.study.prefix',
  'auth.server.scope.download.study.suffix',
  'auth.server.scope.upload.study.prefix',
  'auth.server.scope.upload.study.suffix',
  'server.cors.allowedOrigins',
])

const yes = new Set(['true', 'yes', 'on', '1'])
const specOf = (key: ServerSettingKey): ServerSettingSpec => serverSettingTable[key]

export const serverSettingKeys = Object.keys(serverSettingTable) as ServerSettingKey[]

/** The variable of a property: `s3.preSignedUrl.override.host` is S3_PRESIGNEDURL_OVERRIDE_HOST. */
export function environmentName(property: string): string {
  return property.replace(/\./g, '_').replace(/-/g, '').toUpperCase()
}

/** All spellings of a setting in the environment, in capitals; the strongest first. */
export function environmentNames(key: ServerSettingKey): readonly string[] {
  const underscored = key.replace(/[.-]/g, '_').toUpperCase()
  return [...new Set([environmentName(key), underscored, ...(specOf(key).environment ?? [])])]
}

export function splitList(value: string | undefined): string[] {
  return (value ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '')
}

/** Wraps settings with typed access. */
export function createServerConfig(settings: Readonly<Record<ServerSettingKey, ServerSetting>>, profiles: readonly string[]): ServerConfig {
  const text = (key: ServerSettingKey): string | undefined => {
    const value = settings[key].value?.trim()
    return value === '' && !mayBeEmpty.has(key) ? undefined : value
  }
  return {
    profiles,
    settings,
    text,
    integer: (key) => Number(text(key)),
    boolean: (key) => yes.has((text(key) ?? '').toLowerCase()),
    list: (key) => splitList(text(key)),
    isSet: (key) => !['default', 'profile'].includes(settings[key].source.kind),
  }
}

/** What a setting means here. */
export function serverSettingOf(key: ServerSettingKey): ServerSettingSpec {
  return specOf(key)
}

/** A value as it may be shown: secrets masked, addresses without user and query. */
export function shownSetting(key: ServerSettingKey, { value }: ServerSetting): string {
  if (value === undefined) return ''
  return specOf(key).kind === 'secret' ? maskSecret(value) : redactUrl(value)
}

/** `environment S3_ENDPOINT`, `file /etc/score.yml`: for messages and `--show-config`. */
export function describeSettingSource(source: ServerSettingSource): string {
  return source.kind === 'default' ? 'default' : `${source.kind} ${source.name}`
}
