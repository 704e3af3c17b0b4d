/** What the service makes of a setting of the original that it does not follow. */
export interface NoEffect {
  /** `ignored`: nothing is lost. `unsupported`: whoever set it wants something that there is not. */
  readonly kind: 'ignored' | 'unsupported'
  readonly reason: string
}

export interface ServerSettingSpec {
  readonly kind: 'text' | 'secret' | 'integer' | 'boolean' | 'list' | 'url'
  readonly default?: string
  /** Other defaults while a profile is active, as in the original's own files. */
  readonly profileDefaults?: Readonly<Record<string, string>>
  /** What it means, in one sentence without a full stop. */
  readonly text: string
  /** Absent: it is followed. */
  readonly noEffect?: NoEffect
  /** The original has no such setting. */
  readonly ours?: true
  /** More environment variables that say the same. */
  readonly environment?: readonly string[]
}

const ignored = (reason: string): NoEffect => ({ kind: 'ignored', reason })
const unsupported = (reason: string): NoEffect => ({ kind: 'unsupported', reason })

const ssl = unsupported('TLS ends at a proxy in front; tell its address in score.public-url')
const oneTimeout = ignored('s3.connectionTimeout and s3.retryLimit are those that count, as in the original with profile s3')

/**
 * The settings of a server, by property: those of the original (score-server.md 8) and ours. An environment variable is the
 * property in capitals with underscores for dots; dashes are dropped or underscores.
 */
export const serverSettingTable = {
  'spring.profiles.active': {
    kind: 'list',
    text: 'Profiles: s3 or azure for a bucket, secure for access by tokens; prod and dev change defaults',
  },
  'server.port': { kind: 'integer', default: '5431', profileDefaults: { dev: '8087' }, text: 'Port to listen on' },
  'server.address': { kind: 'text', text: 'Address to listen on; all with the settings of the original, else 127.0.0.1' },
  'server.servlet.context-path': { kind: 'text', text: 'Path under which the service lies, such as /score' },
  'server.cors.allowedOrigins': { kind: 'list', default: 'http://localhost:8081', text: 'Origins of web pages that may call' },
  'server.compression.enabled': {
    kind: 'boolean',
    default: 'true',
    noEffect: ignored('answers are small; a proxy in front may compress them'),
    text: 'Compress answers',
  },
  'server.compression.mime-types': {
    kind: 'list',
    default: 'application/json',
    noEffect: ignored('nothing is compressed here'),
    text: 'What to compress',
  },
  'server.version': { kind: 'text', default: '1.0', noEffect: ignored('the version is that of this program'), text: 'Version to show' },
  'server.ssl.key-store': { kind: 'text', default: 'src/main/cert/service.jks', noEffect: ssl, text: 'Key store of profile ssl' },
  'server.ssl.key-store-type': { kind: 'text', default: 'JKS', noEffect: ssl, text: 'Type of the key store' },
  'server.ssl.key-store-password': { kind: 'secret', noEffect: ssl, text: 'Password of the key store' },
  'server.ssl.key-alias': { kind: 'text', default: 'object-store-service', noEffect: ssl, text: 'Key in the key store' },
  'management.endpoints.web.cors.allowedOrigins': {
    kind: 'list',
    default: 'http://localhost:8081',
    noEffect: ignored('server.cors.allowedOrigins holds for every route'),
    text: 'Origins that may call the health routes',
  },
  's3.endpoint': {
    kind: 'text',
    default: 's3-external-1.amazonaws.com',
    profileDefaults: { dev: 'http://localhost:8085' },
    text: 'Address of the store, with or without scheme',
  },
  's3.secured': {
    kind: 'boolean',
    default: 'true',
    profileDefaults: { dev: 'false' },
    text: 'Whether an endpoint without scheme is asked by https',
  },
  's3.region': {
    kind: 'text',
    ours: true,
    environment: ['AWS_REGION'],
    text: 'Region to sign for; default what the endpoint names, else us-east-1',
  },
  's3.sigV4Enabled': { kind: 'boolean', default: 'true', text: 'Signatures of version 4; there is no other, so false is refused' },
  's3.accessKey': { kind: 'secret', text: 'Key of the store; without it the credential chain of AWS is used' },
  's3.secretKey': { kind: 'secret', text: 'Secret of the key' },
  's3.masterEncryptionKeyId': { kind: 'secret', text: 'Id of the KMS key that objects are encrypted with' },
  's3.upload.directory': { kind: 'text', default: 'upload', text: 'Folder of uploads in progress' },
  's3.data.directory': { kind: 'text', default: 'data', profileDefaults: { azure: '' }, text: 'Folder of objects; may be empty' },
  's3.upload.expiration': { kind: 'integer', default: '6', text: 'Life of the URLs of an upload, in days; 7 at most' },
  's3.download.expiration': { kind: 'integer', default: '1', text: 'Life of the URLs of a download, in days; 7 at most' },
  's3.customMd5Property': { kind: 'text', default: 'md5chksum', text: 'Metadata of an object that holds its MD5 where it has no .meta' },
  's3.preSignedUrl.override.host': {
    kind: 'text',
    text: "Address of a proxy that puts the store's own Host header back; URLs lead there and are signed for the store, as the original's",
  },
  's3.publicEndpoint': {
    kind: 'text',
    ours: true,
    text: 'Address by which clients reach the store; URLs are signed for it, and a proxy there passes Host on',
  },
  's3.connectionTimeout': { kind: 'integer', default: '15000', text: 'Longest wait for a connection to the store, in ms' },
  's3.retryLimit': { kind: 'integer', default: '5', text: 'How often a request to the store is repeated when that may help' },
  'upload.retry.limit': { kind: 'integer', default: '5', noEffect: oneTimeout, text: 'Tries outside of profile s3' },
  'upload.connection.timeout': { kind: 'integer', default: '15000', noEffect: oneTimeout, text: 'Time-out outside of profile s3' },
  'upload.partsize': {
    kind: 'integer',
    default: '20000000',
    text: 'Size of parts in bytes; 20 MiB at least, more where 10,000 parts need it; 2 GiB less one byte at most, on every store',
  },
  'upload.maximumParts': {
    kind: 'integer',
    ours: true,
    text: 'Parts that the store joins at most, where it is less than 10,000; parts grow accordingly',
  },
  'upload.maximumObjectBytes': {
    kind: 'integer',
    ours: true,
    text: 'Size of the largest object that the store takes, in bytes; an upload of a larger one is refused when it begins',
  },
  'upload.clean.enabled': {
    kind: 'boolean',
    default: 'true',
    profileDefaults: { dev: 'false' },
    text: 'End uploads that were left alone for longer than their URLs live',
  },
  'upload.clean.cron': {
    kind: 'text',
    default: '0 0 0 * * ?',
    noEffect: ignored('one of the servers that share a store looks for uploads left alone, once or twice a day'),
    text: 'When to look for uploads left alone',
  },
  'upload.clean.intervalSeconds': {
    kind: 'integer',
    ours: true,
    default: '86400',
    text: 'How often each server looks whether the clean-up is due, from 1 s, up to half as late again; the first time after ten minutes at most',
  },
  'download.partsize': {
    kind: 'integer',
    default: '250000000',
    noEffect: ignored('the original never reads it; upload.partsize holds for both'),
    text: 'Part size of downloads',
  },
  'bucket.name.object': {
    kind: 'text',
    default: 'oicr.icgc',
    profileDefaults: { dev: 'test.icgc.test', azure: 'data' },
    text: 'Bucket (of Azure: container) of the objects; with a pool the name before the number',
  },
  'bucket.name.state': {
    kind: 'text',
    default: 'oicr.icgc',
    profileDefaults: { dev: 'test.icgc.test' },
    text: 'Bucket of .meta files and upload state; may be the same, as with profile azure it is unless this is set',
  },
  'bucket.size.pool': { kind: 'integer', default: '0', text: 'Buckets of the pool; 0 is no pool' },
  'bucket.size.key': { kind: 'integer', default: '2', text: 'Hex digits of an object id that choose its bucket' },
  'bucket.policy.upload': {
    kind: 'text',
    default: 'UploadPolicy',
    text: 'Stored access policy of the Azure container that URLs of uploads refer to; used only when it is set, together with the other',
  },
  'bucket.policy.download': {
    kind: 'text',
    default: 'DownloadPolicy',
    text: 'The same for URLs of downloads; without both, URLs name their rights themselves',
  },
  'object.sentinel': { kind: 'text', default: 'heliograph', text: 'Name of the object that is always there' },
  'metadata.url': {
    kind: 'url',
    profileDefaults: { prod: 'https://meta.icgc.org', dev: 'http://localhost:8080' },
    text: 'Address of Song; without it the catalogue of the data folder is used',
  },
  'metadata.useLegacyMode': { kind: 'boolean', default: 'false', text: 'Leave the states of analyses unasked' },
  'auth.server.url': { kind: 'url', text: 'Where API keys are introspected; without it none are taken' },
  'auth.server.tokenName': { kind: 'text', default: 'apiToken', text: 'Field that carries the API key; token with the dialect rfc7662' },
  'auth.server.clientID': { kind: 'text', default: 'score', text: 'Client id of this service at its identity provider' },
  'auth.server.clientSecret': { kind: 'secret', default: 'scoresecret', text: 'Secret of that client' },
  'auth.server.provider': {
    kind: 'text',
    default: 'ego',
    text: 'ego: scopes in the token; keycloak: scopes are the permissions that Keycloak gives',
  },
  'auth.server.keycloak.host': { kind: 'url', default: 'http://localhost', text: 'Address of Keycloak, before /realms' },
  'auth.server.keycloak.realm': { kind: 'text', default: 'myrealm', text: 'Realm at Keycloak' },
  'auth.server.scope.download.system': { kind: 'text', default: 'score.READ', text: 'Scope that may download everything' },
  'auth.server.scope.upload.system': { kind: 'text', default: 'score.WRITE', text: 'Scope that may upload everything' },
  'auth.server.scope.download.study.prefix': {
    kind: 'text',
    default: 'PROGRAMDATA-',
    text: 'What stands before the study in its download scope; may be empty',
  },
  'auth.server.scope.download.study.suffix': { kind: 'text', default: '.READ', text: 'What follows the study there' },
  'auth.server.scope.upload.study.prefix': {
    kind: 'text',
    default: 'PROGRAMDATA-',
    text: 'What stands before the study in its upload scope; may be empty',
  },
  'auth.server.scope.upload.study.suffix': { kind: 'text', default: '.WRITE', text: 'What follows the study there' },
  'auth.connection.maxRetries': {
    kind: 'integer',
    default: '5',
    noEffect: ignored('nothing uses it in the original'),
    text: 'Tries at the identity provider',
  },
  'auth.connection.initialBackoff': {
    kind: 'integer',
    default: '15000',
    noEffect: ignored('nothing uses it in the original'),
    text: 'First pause between them',
  },
  'auth.connection.multiplier': {
    kind: 'text',
    default: '2.0',
    noEffect: ignored('nothing uses it in the original'),
    text: 'Growth of the pause',
  },
  'spring.security.oauth2.resourceserver.jwt.jwk-set-uri': {
    kind: 'url',
    text: 'Key set that JWTs are verified with; wins over a single key',
  },
  'spring.security.oauth2.resourceserver.jwt.public-key-location': {
    kind: 'text',
    text: 'Key that JWTs are verified with, PEM: an address, or the path of a file',
  },
  'spring.security.oauth2.resourceserver.jwt.issuer-uri': {
    kind: 'url',
    text: 'Issuer that JWTs must name; its own document tells the keys where nothing else does',
  },
  'spring.security.oauth2.resourceserver.jwt.audiences': {
    kind: 'list',
    text: 'Audiences of which tokens must name one: JWTs, and what an RFC 7662 server tells',
  },
  'spring.security.oauth2.resourceserver.jwt.jws-algorithms': {
    kind: 'list',
    default: 'RS256',
    text: 'Ways of signing JWTs that are taken, such as RS256,ES256',
  },
  'spring.security.oauth2.resourceserver.jwt.jws-algorithm': {
    kind: 'text',
    text: 'The same in the singular, as older releases of Spring name it; jws-algorithms wins',
  },
  'azure.endpointProtocol': { kind: 'text', default: 'https', text: 'Scheme of the Azure store' },
  'azure.accountName': { kind: 'text', default: 'oicricgc', text: 'Azure storage account' },
  'azure.accountKey': {
    kind: 'secret',
    text: 'Key of the Azure account; without it an identity of Entra ID is used, from whatever source the Azure tools know',
  },
  'azure.endpointSuffix': { kind: 'text', ours: true, default: 'core.windows.net', text: 'What follows `<account>.blob.` in the address' },
  'azure.endpoint': {
    kind: 'url',
    ours: true,
    text: 'Address of the blob service where it is another than that, with the account in its path if it is not in its host',
  },
  'azure.publicEndpoint': { kind: 'url', ours: true, text: 'Address by which clients reach the blob service, of the same form' },
  'benchmark.endpoint': {
    kind: 'text',
    noEffect: ignored('the profile benchmark cannot start in the original'),
    text: 'Store of the profile benchmark',
  },
  'swagger.host': {
    kind: 'text',
    noEffect: ignored('score.public-url says where clients reach the service'),
    text: 'Host in the API document',
  },
  'swagger.basePath': {
    kind: 'text',
    noEffect: ignored('score.public-url says where clients reach the service'),
    text: 'Path in the API document',
  },
  'swagger.alternateUrl': {
    kind: 'text',
    default: '/swagger',
    noEffect: ignored('the original does not use it'),
    text: 'Another address of the API document',
  },
  'spring.cloud.vault.enabled': {
    kind: 'boolean',
    default: 'false',
    noEffect: unsupported("there is no Vault client here; let Vault's agent write the settings to a file and name it with --config"),
    text: 'Take secrets from Vault',
  },
  'log.path': { kind: 'text', noEffect: ignored('logs go to stderr'), text: 'Folder of log files' },
  'score.data': { kind: 'text', ours: true, text: 'Data folder: store and catalogue on plain files; with profile s3 the catalogue alone' },
  'score.public-url': { kind: 'url', ours: true, text: 'Address under which clients reach this service' },
  'score.auth': {
    kind: 'text',
    ours: true,
    text: 'token: the one of the data folder; none: everyone, on loopback alone; secure: as profile secure',
  },
  'score.introspection-dialect': {
    kind: 'text',
    ours: true,
    text: 'ego, keycloak or rfc7662: how the server at auth.server.url is asked; without it as auth.server.provider says',
  },
  'score.api-key-form': {
    kind: 'text',
    ours: true,
    text: 'uuid or not-a-jwt: which tokens are introspected; not-a-jwt with rfc7662, else uuid',
  },
  'score.scope-claims': {
    kind: 'list',
    default: 'context.scope,scope',
    ours: true,
    text: 'Where the scopes are in a JWT: claims, with dots between the names on the way; a dot inside of a name is \\\\.',
  },
  'score.catalogue-reads': {
    kind: 'text',
    default: 'open',
    ours: true,
    text: 'open or token: whether reading the catalogue of the data folder needs a token',
  },
} as const satisfies Readonly<Record<string, ServerSettingSpec>>

export type ServerSettingKey = keyof typeof serverSettingTable

/** Names that look like settings of the original and bind to nothing there, with what was meant (score-server.md 10.A4). */
export const deadNames: Readonly<Record<string, string>> = {
  AUTH_SERVER_SCOPE_STUDY_PREFIX: 'set AUTH_SERVER_SCOPE_DOWNLOAD_STUDY_PREFIX and AUTH_SERVER_SCOPE_UPLOAD_STUDY_PREFIX',
  AUTH_SERVER_SCOPE_UPLOAD_PREFIX: 'set AUTH_SERVER_SCOPE_UPLOAD_STUDY_PREFIX',
  AUTH_SERVER_SCOPE_DOWNLOAD_PREFIX: 'set AUTH_SERVER_SCOPE_DOWNLOAD_STUDY_PREFIX',
  AUTH_SERVER_SCOPE_UPLOAD_SUFFIX: 'set AUTH_SERVER_SCOPE_UPLOAD_STUDY_SUFFIX',
  AUTH_SERVER_SCOPE_DOWNLOAD_SUFFIX: 'set AUTH_SERVER_SCOPE_DOWNLOAD_STUDY_SUFFIX',
}

/** Profiles that once existed, with what to do instead. */
export const deadProfiles: Readonly<Record<string, string>> = {
  aws: 'use s3',
  amazon: 'use s3',
  collaboratory: 'use s3',
  default: 'leave it out',
}
