export interface SettingSpec {
  /** Further keys that mean the same in a file. */
  readonly aliases?: readonly string[]
  /** Environment variables, the strongest first. */
  readonly environment: readonly string[]
  readonly default: string
  readonly kind: 'text' | 'secret' | 'integer' | 'boolean'
  /** What `info --verbose` says. */
  readonly text: string
  /** Accepted because the original has it; nothing here depends on it. */
  readonly inert?: true
}

/** The original's configuration names (score-client.md 1.9), each with the spellings in the environment that work there. */
export const settingTable = {
  accessToken: {
    aliases: ['client.accessToken'],
    environment: ['CLIENT_ACCESSTOKEN', 'CLIENT_ACCESS_TOKEN', 'ACCESSTOKEN'],
    default: '',
    kind: 'secret',
    text: 'Bearer token for Score and the catalogue',
  },
  'storage.url': { environment: ['STORAGE_URL'], default: '', kind: 'text', text: 'Address of the Score server' },
  'metadata.url': { environment: ['METADATA_URL'], default: '', kind: 'text', text: 'Address of the catalogue (Song)' },
  'storage.profile': { environment: ['STORAGE_PROFILE'], default: 'default', kind: 'text', text: 'Configuration profile' },
  'storage.retryNumber': {
    environment: ['STORAGE_RETRYNUMBER'],
    default: '10',
    kind: 'integer',
    text: 'Tries of a request or part; negative is without end',
  },
  'storage.retryTimeout': {
    environment: ['STORAGE_RETRYTIMEOUT'],
    default: '1',
    kind: 'integer',
    inert: true,
    text: 'Unused, as in the original',
  },
  'transport.parallel': { environment: ['TRANSPORT_PARALLEL'], default: '8', kind: 'integer', text: 'Parts moved at once' },
  'transport.memory': {
    environment: ['TRANSPORT_MEMORY'],
    default: '1',
    kind: 'integer',
    inert: true,
    text: 'Accepted; memory is bounded without it',
  },
  'transport.fileFrom': {
    environment: ['TRANSPORT_FILEFROM'],
    default: 'memory',
    kind: 'text',
    inert: true,
    text: 'Accepted; there is one way',
  },
  'client.uploadStateDir': {
    environment: ['CLIENT_UPLOADSTATEDIR'],
    default: '',
    kind: 'text',
    text: 'Where the state of uploads is kept',
  },
  'client.connectTimeoutSeconds': {
    environment: ['CLIENT_CONNECTTIMEOUTSECONDS'],
    default: '60',
    kind: 'integer',
    text: 'Longest wait for a connection',
  },
  'client.readTimeoutSeconds': {
    environment: ['CLIENT_READTIMEOUTSECONDS'],
    default: '60',
    kind: 'integer',
    text: 'Longest wait for an answer',
  },
  'client.ansi': {
    aliases: ['ansi'],
    environment: ['CLIENT_ANSI', 'ANSI'],
    default: 'true',
    kind: 'boolean',
    text: 'Colours on a terminal',
  },
  'client.ca': {
    environment: ['SCORE_CA', 'CLIENT_CA'],
    default: '',
    kind: 'text',
    text: 'File with the certificates of your own authorities (PEM), trusted beside the known ones',
  },
  'client.ssl.custom': {
    environment: ['CLIENT_SSL_CUSTOM'],
    default: 'false',
    kind: 'boolean',
    inert: true,
    text: 'Accepted; name your own CA in client.ca or NODE_EXTRA_CA_CERTS',
  },
  'metadata.ssl.enabled': {
    environment: ['METADATA_SSL_ENABLED'],
    default: 'true',
    kind: 'boolean',
    inert: true,
    text: 'Accepted; certificates are always checked, name your own CA in client.ca or NODE_EXTRA_CA_CERTS',
  },
  'portal.url': { environment: ['PORTAL_URL'], default: 'https://dcc.icgc.org', kind: 'text', text: 'Where manifest ids are looked up' },
  'mount.logging': { environment: ['MOUNT_LOGGING'], default: 'false', kind: 'boolean', inert: true, text: 'FUSE messages of a mount' },
  'azure.blockSize': {
    environment: ['AZURE_BLOCKSIZE'],
    default: '104857600',
    kind: 'integer',
    inert: true,
    text: 'Accepted; the server plans the blocks',
  },
  defaultProfile: {
    environment: ['DEFAULTPROFILE'],
    default: 's3',
    kind: 'text',
    inert: true,
    text: 'Accepted; the dialect is asked when it matters',
  },
  'token.public-key': {
    environment: ['TOKEN_PUBLIC_KEY'],
    default: '',
    kind: 'text',
    inert: true,
    text: 'Accepted; tokens are never sent to an object store',
  },
  'download.partSize': {
    environment: ['DOWNLOAD_PARTSIZE'],
    default: '1073741824',
    kind: 'integer',
    inert: true,
    text: 'Unused, as in the original',
  },
} as const satisfies Readonly<Record<string, SettingSpec>>

export type SettingKey = keyof typeof settingTable

/** How Spring compares names: without case, dashes and underscores. */
export function foldKey(key: string): string {
  return key.toLowerCase().replace(/[-_]/g, '')
}
