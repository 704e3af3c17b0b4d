import { signatureAlgorithms } from '../auth/jwt-verifier.ts'
import { maximumPartSizeBytes, maximumParts } from '../core/part-plan.ts'
import { nearestName } from './nearest-name.ts'
import { deadNames, deadProfiles, type ServerSettingKey, type ServerSettingSpec, serverSettingTable } from './server-setting-table.ts'
import { type ConfigFinding, type ServerConfig, splitList } from './server-settings.ts'

const specOf = (key: ServerSettingKey): ServerSettingSpec => serverSettingTable[key]
const keys = Object.keys(serverSettingTable) as ServerSettingKey[]

function isAddress(value: string): boolean {
  return /^https?:\/\//i.test(value) && URL.canParse(value)
}

/** Bounds of whole numbers; others are from 0. */
const bounds: Partial<Readonly<Record<ServerSettingKey, readonly [least: number, most: number]>>> = {
  'server.port': [0, 65_535],
  's3.upload.expiration': [1, 7],
  's3.download.expiration': [1, 7],
  's3.connectionTimeout': [1, 600_000],
  'bucket.size.key': [1, 7],
  'upload.clean.intervalSeconds': [1, 30 * 86_400],
  'upload.maximumParts': [1, maximumParts],
  'upload.maximumObjectBytes': [1, Number.MAX_SAFE_INTEGER],
}

const words: Partial<Readonly<Record<ServerSettingKey, readonly string[]>>> = {
  'score.auth': ['token', 'none', 'secure'],
  'azure.endpointProtocol': ['http', 'https'],
  'score.catalogue-reads': ['open', 'token'],
  'score.introspection-dialect': ['ego', 'keycloak', 'rfc7662'],
  'score.api-key-form': ['uuid', 'not-a-jwt'],
  'spring.security.oauth2.resourceserver.jwt.jws-algorithms': signatureAlgorithms,
  'spring.security.oauth2.resourceserver.jwt.jws-algorithm': signatureAlgorithms,
}

function rule(key: ServerSettingKey, value: string): string | undefined {
  const { kind } = specOf(key)
  const [least, most] = bounds[key] ?? [0, Number.MAX_SAFE_INTEGER]
  const choices = words[key]
  if (kind === 'integer' && !(/^\d+$/.test(value) && Number(value) >= least && Number(value) <= most))
    return most === Number.MAX_SAFE_INTEGER ? `a whole number from ${least}` : `a whole number from ${least} to ${most}`
  if (kind === 'boolean' && !/^(true|false|yes|no|on|off|1|0)$/i.test(value)) return 'true or false'
  if (kind === 'url' && !isAddress(value)) return 'an http or https address such as https://score.example.org'
  if (choices !== undefined && !(kind === 'list' ? splitList(value) : [value]).every((word) => choices.includes(word)))
    return `${kind === 'list' ? 'some' : 'one'} of ${choices.join(', ')}`
  return undefined
}

function nameOf(key: ServerSettingKey, config: ServerConfig): string {
  const { source } = config.settings[key]
  return source.kind === 'environment' || source.kind === 'option' ? source.name : key
}

/** What is wrong with a value by itself. */
export function invalidValue(key: ServerSettingKey, config: ServerConfig): ConfigFinding[] {
  const value = config.text(key)
  const wanted = value === undefined || value === '' ? undefined : rule(key, value)
  if (wanted === undefined || specOf(key).noEffect !== undefined) return []
  const shown = specOf(key).kind === 'url' ? '' : `, not '${value}'`
  return [{ severity: 'error', setting: nameOf(key, config), message: `must be ${wanted}${shown}` }]
}

interface Rule extends Pick<ConfigFinding, 'severity' | 'message'> {
  readonly key: ServerSettingKey
  holds(config: ServerConfig): boolean
}

const has = (config: ServerConfig, profile: string): boolean => config.profiles.includes(profile)
const hasBucket = (config: ServerConfig): boolean => has(config, 's3') || has(config, 'azure')
const isSecure = (config: ServerConfig): boolean =>
  config.text('score.auth') === 'secure' || (config.text('score.auth') === undefined && has(config, 'secure'))
const same = (config: ServerConfig, key: ServerSettingKey, value: string): boolean =>
  config.text(key)?.toLowerCase() === value.toLowerCase()
const jwt = 'spring.security.oauth2.resourceserver.jwt'

const hasVerifier = (config: ServerConfig): boolean =>
  [`${jwt}.jwk-set-uri`, `${jwt}.public-key-location`, `${jwt}.issuer-uri`, 'auth.server.url'].some((key) =>
    config.isSet(key as ServerSettingKey),
  )

/** Settings that cannot all be meant. */
const rules: readonly Rule[] = [
  {
    severity: 'error',
    key: 'spring.profiles.active',
    message: 'has s3 and azure, and a server has one store: leave one of them out',
    holds: (config) => has(config, 's3') && has(config, 'azure'),
  },
  {
    severity: 'error',
    key: 'bucket.policy.download',
    message: 'goes with BUCKET_POLICY_UPLOAD and AZURE_ACCOUNTKEY: URLs refer to policies, signed with the key of the account, or to none',
    holds: (config) =>
      has(config, 'azure') &&
      (config.isSet('bucket.policy.upload') || config.isSet('bucket.policy.download')) &&
      !(config.isSet('bucket.policy.upload') && config.isSet('bucket.policy.download') && config.isSet('azure.accountKey')),
  },
  {
    severity: 'error',
    key: 'azure.accountName',
    message: 'is not set, and the default of the original is an account of its authors: set the name of yours in AZURE_ACCOUNTNAME',
    holds: (config) => has(config, 'azure') && !config.isSet('azure.accountName'),
  },
  {
    severity: 'error',
    key: 'spring.profiles.active',
    message: 'has ssl; TLS ends at a proxy in front: leave it out, and tell the address of the proxy in SCORE_PUBLIC_URL',
    holds: (config) => has(config, 'ssl'),
  },
  {
    severity: 'error',
    key: 'spring.profiles.active',
    message: 'has neither a store (s3, azure) nor is there a data folder: add one, or set SCORE_DATA or --data',
    holds: (config) => !hasBucket(config) && config.text('score.data') === undefined,
  },
  {
    severity: 'error',
    key: 'metadata.url',
    message: 'is not set, and there is no data folder for a catalogue: set the address of Song in METADATA_URL, or a folder in SCORE_DATA',
    holds: (config) => hasBucket(config) && config.text('metadata.url') === undefined && config.text('score.data') === undefined,
  },
  {
    severity: 'error',
    key: 'spring.profiles.active',
    message:
      'has no secure, so nothing would guard the store: add secure and what tokens are verified with, or ask for access by everyone on this machine with SCORE_AUTH=none',
    holds: (config) => hasBucket(config) && !has(config, 'secure') && config.text('score.auth') === undefined,
  },
  {
    severity: 'error',
    key: 'score.auth',
    message: 'is token, which stands in a data folder: set SCORE_DATA too',
    holds: (config) => same(config, 'score.auth', 'token') && config.text('score.data') === undefined,
  },
  {
    severity: 'error',
    key: 'score.auth',
    message: 'is none, and the profile secure asks for tokens: leave one of them out',
    holds: (config) => same(config, 'score.auth', 'none') && has(config, 'secure'),
  },
  {
    severity: 'error',
    key: 'spring.profiles.active',
    message:
      'has secure, and nothing says how tokens are verified: set SPRING_SECURITY_OAUTH2_RESOURCESERVER_JWT_JWKSETURI (or …_PUBLICKEYLOCATION) for JWTs, AUTH_SERVER_URL for API keys',
    holds: (config) => isSecure(config) && !hasVerifier(config),
  },
  {
    severity: 'error',
    key: 's3.sigV4Enabled',
    message: 'is false, which asks for signatures of version 2: every store of today takes version 4, so leave it out',
    holds: (config) => has(config, 's3') && !config.boolean('s3.sigV4Enabled'),
  },
  {
    severity: 'error',
    key: 's3.secretKey',
    message: 'goes with S3_ACCESSKEY: set both, or none for the credential chain of AWS',
    holds: (config) => has(config, 's3') && (config.text('s3.accessKey') === undefined) !== (config.text('s3.secretKey') === undefined),
  },
  {
    severity: 'error',
    key: 'upload.partsize',
    message: `is more than the largest part there can be, ${maximumPartSizeBytes} bytes: a client of the original maps a part into memory, and stores take 4000 MiB (Azure) or 5 GiB (S3); leave it out, for parts grow where an object needs it`,
    holds: (config) => Number(config.text('upload.partsize')) > maximumPartSizeBytes,
  },
  {
    severity: 'error',
    key: 's3.upload.directory',
    message: 'is the same folder as s3.data.directory: uploads in progress would be taken for objects',
    holds: (config) => config.text('s3.upload.directory') === config.text('s3.data.directory'),
  },
  {
    severity: 'warning',
    key: 'auth.server.scope.upload.system',
    message:
      'and the system scope of downloads are swapped, as in an example of the original: whoever may read everything could write everything',
    holds: (config) =>
      isSecure(config) &&
      same(config, 'auth.server.scope.upload.system', 'score.READ') &&
      same(config, 'auth.server.scope.download.system', 'score.WRITE'),
  },
  {
    severity: 'warning',
    key: 'auth.server.scope.upload.system',
    message: 'is the same scope as that of downloads: whoever may read everything may write everything',
    holds: (config) =>
      isSecure(config) && same(config, 'auth.server.scope.upload.system', config.text('auth.server.scope.download.system') ?? ''),
  },
  {
    severity: 'warning',
    key: 'auth.server.clientSecret',
    message: 'has the default of the original, which everybody knows: set the secret of this client',
    holds: (config) => isSecure(config) && config.isSet('auth.server.url') && same(config, 'auth.server.clientSecret', 'scoresecret'),
  },
  {
    severity: 'warning',
    key: 'auth.server.provider',
    message: 'is neither ego nor keycloak, and so taken for ego, as in the original',
    holds: (config) =>
      isSecure(config) && !same(config, 'auth.server.provider', 'ego') && !same(config, 'auth.server.provider', 'keycloak'),
  },
]

/** Variables that Kubernetes makes for a service called `score`, `s3`, `metadata`, … */
const fromKubernetes = /_SERVICE_(HOST|PORT)(_|$)|_PORT(_\d+_(TCP|UDP)(_.*)?)?$/

/** Names that begin so are ours to know; others are named only when they are nearly one of ours. */
const ownPrefixes = /^(S3|BUCKET|OBJECT|UPLOAD|AUTH_SERVER|AUTH_CONNECTION|METADATA)_/
const nearPrefixes = /^(SCORE|SERVER|SPRING|DOWNLOAD|AZURE|AUTH|SWAGGER|MANAGEMENT)_/

/** Settings of the client, of a test run, and of what else may be in one environment. */
const otherNames = new Set(['METADATA_SSL_ENABLED', 'SCORE_CONFIG', 'SCORE_TOKEN'])

function asVariable(name: string): string {
  return name.replace(/[.]/g, '_').replace(/-/g, '').toUpperCase()
}

function unknownName(name: string, known: ReadonlyMap<string, string>): ConfigFinding[] {
  const variable = asVariable(name)
  if (known.has(variable) || otherNames.has(variable)) return []
  const dead = deadNames[variable]
  if (dead !== undefined) return [{ severity: 'warning', setting: name, message: `binds to nothing, in the original too: ${dead}` }]
  if (/^COLLABORATORY_/.test(variable))
    return [{ severity: 'warning', setting: name, message: 'binds to nothing, in the original too: leave it out' }]
  if (fromKubernetes.test(variable) || !(ownPrefixes.test(variable) || nearPrefixes.test(variable))) return []
  const near = nearestName(variable, [...known.keys()])
  const meant = near === undefined ? undefined : name.includes('.') ? known.get(near) : near
  if (meant !== undefined) return [{ severity: 'warning', setting: name, message: `is no setting; was ${meant} meant?` }]
  return ownPrefixes.test(variable) ? [{ severity: 'warning', setting: name, message: 'is no setting, and has no effect' }] : []
}

function withoutEffect(key: ServerSettingKey, config: ServerConfig): ConfigFinding[] {
  const { noEffect } = specOf(key)
  if (noEffect === undefined || !config.isSet(key) || config.text(key) === specOf(key).default) return []
  const severity = noEffect.kind === 'ignored' ? 'note' : 'warning'
  return [{ severity, setting: nameOf(key, config), message: `has no effect: ${noEffect.reason}` }]
}

function profileFindings(config: ServerConfig): ConfigFinding[] {
  return config.profiles.flatMap((profile) => {
    const way = Object.hasOwn(deadProfiles, profile) ? deadProfiles[profile] : undefined
    return way === undefined
      ? []
      : [{ severity: 'warning', setting: 'spring.profiles.active', message: `has ${profile}, which is no profile any more: ${way}` }]
  })
}

/** What the settings say together, and names that are none. */
export function findProblems(
  config: ServerConfig,
  written: { readonly environment: readonly string[]; readonly properties: readonly string[] },
): ConfigFinding[] {
  const known = new Map<string, string>()
  for (const key of keys) {
    known.set(asVariable(key), key)
    known.set(key.replace(/[.-]/g, '_').toUpperCase(), key)
    for (const name of specOf(key).environment ?? []) known.set(name, key)
  }
  return [
    ...rules
      .filter((rule) => rule.holds(config))
      .map(({ severity, key, message }) => ({ severity, setting: nameOf(key, config), message })),
    ...profileFindings(config),
    ...[...written.environment, ...written.properties].flatMap((name) => unknownName(name, known)),
    ...keys.flatMap((key) => withoutEffect(key, config)),
  ]
}
