import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { readServerConfig, type ServerConfigInput } from '../../src/compose/server-config.ts'
import { type ServerSettingKey, type ServerSettingSpec, serverSettingTable } from '../../src/compose/server-setting-table.ts'
import { environmentName, environmentNames, serverSettingKeys, shownSetting } from '../../src/compose/server-settings.ts'
import { isScoreError } from '../../src/core/errors.ts'
import { configurationPage } from '../support/configuration-page.ts'
import { suite } from '../support/suite.ts'

/** What a site of the original sets, as its own documents show it. */
const original = {
  SPRING_PROFILES_ACTIVE: 'prod,secure,s3',
  SERVER_PORT: '8087',
  S3_ENDPOINT: 'https://store.example.org',
  S3_ACCESSKEY: 'AKIAEXAMPLE',
  S3_SECRETKEY: 'a-very-secret-key',
  BUCKET_NAME_OBJECT: 'objects',
  BUCKET_NAME_STATE: 'state',
  METADATA_URL: 'https://song.example.org',
  AUTH_SERVER_URL: 'https://ego.example.org/api/o/check_api_key',
  AUTH_SERVER_TOKENNAME: 'apiKey',
  AUTH_SERVER_CLIENTID: 'score-client-id',
  AUTH_SERVER_CLIENTSECRET: 'a-very-secret-client',
  AUTH_SERVER_PROVIDER: 'ego',
  SPRING_SECURITY_OAUTH2_RESOURCESERVER_JWT_PUBLICKEYLOCATION: 'https://ego.example.org/api/oauth/token/public_key',
} as const

/** Prints as it would be shown, so that a secret that leaks is seen. */
async function told(input: ServerConfigInput): Promise<string[]> {
  const { findings } = await readServerConfig(input)
  return findings.map(({ severity, setting, message }) => `${severity} ${setting} ${message}`)
}

const env = (changes: Readonly<Record<string, string | undefined>>): ServerConfigInput => ({ env: { ...original, ...changes } })

suite('server configuration', (test) => {
  test('an original deployment is read without a word', async () => {
    const { config, findings } = await readServerConfig(env({}))
    assert.equal(findings, [])
    assert.is(config.integer('server.port'), 8087)
    assert.is(config.text('bucket.name.state'), 'state')
    assert.is(config.boolean('s3.secured'), true)
    assert.equal(config.profiles, ['prod', 'secure', 's3'])
    assert.equal(config.settings['s3.endpoint'].source, { kind: 'environment', name: 'S3_ENDPOINT' })
    assert.equal(config.settings['object.sentinel'], { value: 'heliograph', source: { kind: 'default' } })
  })

  test('every property is taken under each of its names in the environment', async () => {
    for (const key of serverSettingKeys) {
      const { kind } = serverSettingTable[key]
      const value = kind === 'integer' ? '5' : kind === 'boolean' ? 'true' : kind === 'url' ? 'https://x.example.org' : 'open'
      for (const name of environmentNames(key)) {
        const { config } = await readServerConfig({ env: { [name]: value } })
        assert.is(config.settings[key].value, value, `${key} as ${name}`)
      }
      const { config } = await readServerConfig({ env: { [key]: value } })
      assert.is(config.settings[key].value, value, `${key} by its own name`)
    }
    assert.is(environmentName('s3.preSignedUrl.override.host'), 'S3_PRESIGNEDURL_OVERRIDE_HOST')
    assert.is(
      environmentName('spring.security.oauth2.resourceserver.jwt.jwk-set-uri'),
      'SPRING_SECURITY_OAUTH2_RESOURCESERVER_JWT_JWKSETURI',
    )
  })

  const files: readonly (readonly [name: string, path: string, text: string])[] = [
    ['nested YAML', 'score.yml', 's3:\n  preSignedUrl:\n    override:\n      host: https://s3.example.org\n'],
    ['dotted YAML', 'score.yaml', 's3.pre-signed-url.override.host: https://s3.example.org\n'],
    ['properties', 'application.properties', 'S3.PRESIGNEDURL.OVERRIDE.HOST=https://s3.example.org\n'],
    ['properties, spaces and a comment', 'a.properties', '# store\ns3.presignedurl.override.host : https://s3.example.org\n'],
    [
      'a document of an active profile',
      'a.yml',
      'spring.config.activate.on-profile: s3\ns3.preSignedUrl.override.host: https://s3.example.org\n',
    ],
    ['a variable', 'a.yml', `s3.preSignedUrl.override.host: $${'{'}PUBLIC:https://s3.example.org}\n`],
    [
      'a later document',
      'a.yml',
      's3.preSignedUrl.override.host: https://a.example.org\n---\ns3.preSignedUrl.override.host: https://s3.example.org\n',
    ],
    [
      'an inactive profile',
      'a.yml',
      's3.preSignedUrl.override.host: https://s3.example.org\n---\nspring.profiles: "!s3"\ns3.preSignedUrl.override.host: https://b.example.org\n',
    ],
  ]
  for (const [name, path, text] of files) {
    test(`a file: ${name}`, async () => {
      const { config, findings } = await readServerConfig({ env: original, files: [{ path, text }] })
      assert.is(config.text('s3.preSignedUrl.override.host'), 'https://s3.example.org')
      assert.equal(config.settings['s3.preSignedUrl.override.host'].source, { kind: 'file', name: path })
      assert.equal(findings, [])
    })
  }

  test('order: command line, environment, later file, earlier file, profile, default', async () => {
    const files = [
      { path: 'a.yml', text: 'server.port: 1\nbucket.name.object: a\nobject.sentinel: a' },
      { path: 'b.yml', text: 'server.port: 2\nbucket.name.object: b\nspring.profiles.active: [dev, s3]' },
    ]
    const options = { 'server.port': { name: '--port', value: '4' } }
    const { config } = await readServerConfig({ env: { SERVER_PORT: '3', BUCKET_NAME_OBJECT: '' }, files, options })
    assert.is(config.integer('server.port'), 4)
    assert.is(config.text('bucket.name.object'), 'b')
    assert.is(config.text('object.sentinel'), 'a')
    assert.equal(config.settings['metadata.url'], { value: 'http://localhost:8080', source: { kind: 'profile', name: 'dev' } })
    assert.is(config.text('upload.clean.cron'), '0 0 0 * * ?')
    assert.equal(config.profiles, ['dev', 's3'])
  })

  test('an empty prefix is a prefix, an empty bucket is none', async () => {
    const { config } = await readServerConfig(env({ AUTH_SERVER_SCOPE_UPLOAD_STUDY_PREFIX: '', BUCKET_NAME_STATE: '' }))
    assert.is(config.text('auth.server.scope.upload.study.prefix'), '')
    assert.is(config.text('bucket.name.state'), 'oicr.icgc')
  })

  const troubles: readonly (readonly [name: string, changes: Readonly<Record<string, string | undefined>>, says: string])[] = [
    ['two stores', { SPRING_PROFILES_ACTIVE: 'secure,s3,azure' }, 'error SPRING_PROFILES_ACTIVE has s3 and azure'],
    ['azure without an account', { SPRING_PROFILES_ACTIVE: 'secure,azure' }, 'error azure.accountName is not set'],
    [
      'one policy of two',
      { SPRING_PROFILES_ACTIVE: 'secure,azure', AZURE_ACCOUNTNAME: 'one', AZURE_ACCOUNTKEY: 'a2V5', BUCKET_POLICY_UPLOAD: 'Up' },
      'error bucket.policy.download goes with BUCKET_POLICY_UPLOAD',
    ],
    [
      'policies without a key',
      { SPRING_PROFILES_ACTIVE: 'secure,azure', AZURE_ACCOUNTNAME: 'one', BUCKET_POLICY_UPLOAD: 'Up', BUCKET_POLICY_DOWNLOAD: 'Down' },
      'error BUCKET_POLICY_DOWNLOAD goes with BUCKET_POLICY_UPLOAD and AZURE_ACCOUNTKEY',
    ],
    [
      'a scheme that is none',
      { SPRING_PROFILES_ACTIVE: 'secure,azure', AZURE_ACCOUNTNAME: 'one', AZURE_ENDPOINTPROTOCOL: 'ftp' },
      'error AZURE_ENDPOINTPROTOCOL must be one of http, https',
    ],
    ['no store', { SPRING_PROFILES_ACTIVE: 'secure' }, 'error SPRING_PROFILES_ACTIVE has neither a store'],
    [
      'a dead profile',
      { SPRING_PROFILES_ACTIVE: 'secure,s3,amazon' },
      'warning spring.profiles.active has amazon, which is no profile any more: use s3',
    ],
    ['ssl', { SPRING_PROFILES_ACTIVE: 'secure,s3,ssl' }, 'error SPRING_PROFILES_ACTIVE has ssl; TLS ends at a proxy'],
    ['not secure', { SPRING_PROFILES_ACTIVE: 's3' }, 'error SPRING_PROFILES_ACTIVE has no secure'],
    [
      'no verifier',
      { AUTH_SERVER_URL: undefined, SPRING_SECURITY_OAUTH2_RESOURCESERVER_JWT_PUBLICKEYLOCATION: undefined },
      'error SPRING_PROFILES_ACTIVE has secure, and nothing says how tokens are verified',
    ],
    ['none and secure', { SCORE_AUTH: 'none' }, 'error SCORE_AUTH is none, and the profile secure asks for tokens'],
    [
      'swapped system scopes',
      { AUTH_SERVER_SCOPE_DOWNLOAD_SYSTEM: 'score.WRITE', AUTH_SERVER_SCOPE_UPLOAD_SYSTEM: 'score.READ' },
      'warning AUTH_SERVER_SCOPE_UPLOAD_SYSTEM and the system scope of downloads are swapped',
    ],
    [
      'one system scope for both',
      { AUTH_SERVER_SCOPE_UPLOAD_SYSTEM: 'score.READ' },
      'warning AUTH_SERVER_SCOPE_UPLOAD_SYSTEM is the same scope',
    ],
    [
      'a dead suffix',
      { AUTH_SERVER_SCOPE_UPLOAD_SUFFIX: '.WRITE' },
      'warning AUTH_SERVER_SCOPE_UPLOAD_SUFFIX binds to nothing, in the original too: set AUTH_SERVER_SCOPE_UPLOAD_STUDY_SUFFIX',
    ],
    ['a dead prefix', { AUTH_SERVER_SCOPE_STUDY_PREFIX: 'X-' }, 'warning AUTH_SERVER_SCOPE_STUDY_PREFIX binds to nothing'],
    ['a dead site', { COLLABORATORY_DATA_DIRECTORY: 'data' }, 'warning COLLABORATORY_DATA_DIRECTORY binds to nothing'],
    ['a misspelt variable', { BUCKET_NAME_OBJCT: 'x' }, 'warning BUCKET_NAME_OBJCT is no setting; was BUCKET_NAME_OBJECT meant?'],
    ['a misspelt name of another family', { SERVER_PROT: '1' }, 'warning SERVER_PROT is no setting; was SERVER_PORT meant?'],
    ['a dash written as a dot', { 's3.access.key': 'x' }, 'warning s3.access.key is no setting; was s3.accessKey meant?'],
    ['an unknown variable', { S3_COLOUR_OF_BUCKET: 'blue' }, 'warning S3_COLOUR_OF_BUCKET is no setting, and has no effect'],
    [
      'a port that is none',
      { SERVER_PORT: 'tcp://10.0.0.1:80' },
      "error SERVER_PORT must be a whole number from 0 to 65535, not 'tcp://10.0.0.1:80'",
    ],
    ['a port out of bounds', { SERVER_PORT: '70000' }, 'error SERVER_PORT must be a whole number from 0 to 65535'],
    ['a life that no signature has', { S3_UPLOAD_EXPIRATION: '8' }, 'error S3_UPLOAD_EXPIRATION must be a whole number from 1 to 7'],
    ['a boolean that is none', { S3_SECURED: 'maybe' }, "error S3_SECURED must be true or false, not 'maybe'"],
    ['an address that is none', { METADATA_URL: 'song:8080' }, 'error METADATA_URL must be an http or https address'],
    ['old signatures', { S3_SIGV4ENABLED: 'false' }, 'error S3_SIGV4ENABLED is false'],
    ['half a key', { S3_SECRETKEY: undefined }, 'error s3.secretKey goes with S3_ACCESSKEY'],
    ['parts larger than any can be', { UPLOAD_PARTSIZE: '2147483648' }, 'error UPLOAD_PARTSIZE is more than the largest part there can be'],
    [
      'parts of 6 GiB',
      { UPLOAD_PARTSIZE: '6442450944' },
      'error UPLOAD_PARTSIZE is more than the largest part there can be, 2147483647 bytes',
    ],
    ['more parts than S3 has', { UPLOAD_MAXIMUMPARTS: '10001' }, 'error UPLOAD_MAXIMUMPARTS must be a whole number from 1 to 10000'],
    ['no object at all', { UPLOAD_MAXIMUMOBJECTBYTES: '0' }, 'error UPLOAD_MAXIMUMOBJECTBYTES must be a whole number from 1'],
    ['one folder for two', { S3_DATA_DIRECTORY: 'x', S3_UPLOAD_DIRECTORY: 'x' }, 'error S3_UPLOAD_DIRECTORY is the same folder'],
    ['no Song', { SPRING_PROFILES_ACTIVE: 'secure,s3', METADATA_URL: undefined }, 'error metadata.url is not set'],
    ['the known secret', { AUTH_SERVER_CLIENTSECRET: undefined }, 'warning auth.server.clientSecret has the default of the original'],
    ['another provider', { AUTH_SERVER_PROVIDER: 'okta' }, 'warning AUTH_SERVER_PROVIDER is neither ego nor keycloak'],
    [
      'without effect',
      { UPLOAD_CLEAN_CRON: '0 0 * * * ?' },
      'note UPLOAD_CLEAN_CRON has no effect: one of the servers that share a store looks for uploads left alone, once or twice a day',
    ],
    ['Vault', { SPRING_CLOUD_VAULT_ENABLED: 'true' }, 'warning SPRING_CLOUD_VAULT_ENABLED has no effect: there is no Vault client'],
  ]
  for (const [name, changes, says] of troubles) {
    test(`told: ${name}`, async () => {
      const lines = await told(env(changes))
      assert.ok(
        lines.some((line) => line.startsWith(says)),
        `${says}\nnot in\n${lines.join('\n')}`,
      )
      for (const secret of [original.S3_SECRETKEY, original.AUTH_SERVER_CLIENTSECRET]) assert.not.ok(lines.join('\n').includes(secret))
    })
  }

  const silent: readonly (readonly [name: string, value: string])[] = [
    ['S3_PORT', 'tcp://10.0.0.1:9000'],
    ['METADATA_SERVICE_HOST', '10.0.0.1'],
    ['SCORE_PORT_5431_TCP_ADDR', '10.0.0.1'],
    ['AZURE_CLIENT_ID', 'someone'],
    ['SPRING_APPLICATION_NAME', 'score'],
    ['SCORE_CONFIG', '/etc/score.yml'],
    ['METADATA_SSL_ENABLED', 'true'],
    ['OBJECT', 'x'],
    ['PATH', '/bin'],
  ]
  for (const [name, value] of silent) {
    test(`not told: ${name}`, async () => assert.equal(await told(env({ [name]: value })), []))
  }

  test('a misspelt property in a file is named as it is written, with the property that was meant', async () => {
    const lines = await told({ env: original, files: [{ path: 'a.yml', text: 'bucket:\n  name:\n    objekt: x' }] })
    assert.equal(lines, ['warning bucket.name.objekt is no setting; was bucket.name.object meant?'])
  })

  test('what cannot be read is said without its content', async () => {
    const inline = await readServerConfig({ env: { SPRING_APPLICATION_JSON: '{"s3.secretKey": hush' } }).catch((error: unknown) => error)
    assert.ok(isScoreError(inline, 'invalid-configuration'))
    assert.not.match(inline.message, 'hush')
    const yaml = await readServerConfig({ env: {}, files: [{ path: 'a.yml', text: '- just\n- a list' }] }).catch((error: unknown) => error)
    assert.ok(isScoreError(yaml, 'invalid-configuration'))
    assert.match(yaml.message, 'a.yml')
  })

  test('settings in SPRING_APPLICATION_JSON count', async () => {
    const { config } = await readServerConfig({ env: { SPRING_APPLICATION_JSON: '{"bucket":{"size":{"pool":16}}}' } })
    assert.is(config.integer('bucket.size.pool'), 16)
  })

  test('secrets are shown masked, addresses without user', async () => {
    const { config } = await readServerConfig(env({ METADATA_URL: 'https://me:pass@song.example.org' }))
    const shown = serverSettingKeys.map((key) => shownSetting(key, config.settings[key])).join('\n')
    for (const secret of [original.S3_SECRETKEY, original.AUTH_SERVER_CLIENTSECRET, 'pass@']) assert.not.ok(shown.includes(secret), secret)
    assert.match(shownSetting('s3.secretKey', config.settings['s3.secretKey']), '••••')
  })

  test('each property with a secret in its name is a secret', () => {
    const named = serverSettingKeys.filter((key) => /secret|password|accountKey|accessKey/i.test(key))
    const kinds = named.map((key: ServerSettingKey) => (serverSettingTable[key] as ServerSettingSpec).kind)
    assert.equal([...new Set(kinds)], ['secret'])
  })

  test('docs/configuration.md is that of this table', () => {
    assert.is(readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'configuration.md'), 'utf8'), configurationPage())
  })
})
