import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type Config, describeSource, loadConfig } from '../../../adapters/cli/config.ts'
import type { Environment } from '../../../adapters/cli/context.ts'
import type { GlobalValues } from '../../../adapters/cli/global-options.ts'
import { isRefusal } from '../../../adapters/cli/refusal.ts'
import type { SettingKey } from '../../../adapters/cli/setting-table.ts'
import { parseProperties } from '../../../src/compose/config-text.ts'
import { suite } from '../../support/suite.ts'

const cwd = mkdtempSync(join(tmpdir(), 'score-config-'))
const conf = join(cwd, 'conf')
mkdirSync(conf)
mkdirSync(join(cwd, 'xdg/score'), { recursive: true })
const write = (name: string, text: string): void => writeFileSync(join(cwd, name), text)
write(
  'conf/application.properties',
  'accessToken=\nstorage.url = http://file\ntransport.parallel=3\nportal.url=\nclient.ansi=\nmetadata.url=$' + '{SONG:http://fallback}\n',
)
write('conf/application.yml', 'storage:\n  url: http://weaker\n  retry-number: 4\nportal.url: http://portal\n')
write('conf/application-collab.yml', 'storage:\n  url: http://collab\n')
write('dotted.yml', 'storage.url: http://dotted\nclient:\n  accessToken: nested-token\n')
write('profiles.yml', 'storage.url: http://base\n---\nspring.config.activate.on-profile: aws\nstorage.url: http://aws\n')
write('bad.yml', 'storage: [url\n')
write('list.yml', '- a\n- b\n')
write('number.yml', 'transport.parallel: many\n')
write('xdg/score/config.yml', 'storage.url: http://xdg\n')

const load = (environment: Environment, globals: GlobalValues = {}): Promise<Config> =>
  loadConfig({ globals, environment: { HOME: cwd, ...environment }, cwd })

interface Row {
  readonly name: string
  readonly environment: Environment
  readonly globals?: GlobalValues
  readonly key: SettingKey
  readonly value: string
  readonly source: string
}

const properties = join(conf, 'application.properties')
const rows: readonly Row[] = [
  { name: 'nothing is set', environment: {}, key: 'transport.parallel', value: '8', source: 'default' },
  { name: 'the retry default is the original’s', environment: {}, key: 'storage.retryNumber', value: '10', source: 'default' },
  {
    name: 'environment',
    environment: { STORAGE_URL: 'http://e' },
    key: 'storage.url',
    value: 'http://e',
    source: 'environment STORAGE_URL',
  },
  {
    name: 'option over environment over file',
    environment: { STORAGE_URL: 'http://e', SCORE_CONFIG: conf },
    globals: { storageUrl: 'http://o' },
    key: 'storage.url',
    value: 'http://o',
    source: 'option --storage-url',
  },
  {
    name: 'environment over file',
    environment: { STORAGE_URL: 'http://e', SCORE_CONFIG: conf },
    key: 'storage.url',
    value: 'http://e',
    source: 'environment STORAGE_URL',
  },
  {
    name: 'an empty variable is not set',
    environment: { STORAGE_URL: '', SCORE_CONFIG: conf },
    key: 'storage.url',
    value: 'http://file',
    source: `file ${properties}`,
  },
  {
    name: '.properties over .yml',
    environment: { SCORE_CONFIG: 'conf' },
    key: 'storage.url',
    value: 'http://file',
    source: `file ${properties}`,
  },
  {
    name: 'what only the weaker file has, in Spring’s other spelling',
    environment: { SCORE_CONFIG: conf },
    key: 'storage.retryNumber',
    value: '4',
    source: `file ${join(conf, 'application.yml')}`,
  },
  {
    name: 'the file of the profile first',
    environment: { SCORE_CONFIG: conf, STORAGE_PROFILE: 'collab' },
    key: 'storage.url',
    value: 'http://collab',
    source: `file ${join(conf, 'application-collab.yml')}`,
  },
  {
    name: 'a placeholder takes the environment',
    environment: { SCORE_CONFIG: conf, SONG: 'http://song' },
    key: 'metadata.url',
    value: 'http://song',
    source: `file ${properties}`,
  },
  {
    name: 'or its default',
    environment: { SCORE_CONFIG: conf },
    key: 'metadata.url',
    value: 'http://fallback',
    source: `file ${properties}`,
  },
  {
    name: 'an empty value loses to a weaker file',
    environment: { SCORE_CONFIG: conf },
    key: 'portal.url',
    value: 'http://portal',
    source: `file ${join(conf, 'application.yml')}`,
  },
  { name: 'and to the default', environment: { SCORE_CONFIG: conf }, key: 'client.ansi', value: 'true', source: 'default' },
  {
    name: 'an empty token in the file loses to the environment',
    environment: { SCORE_CONFIG: conf, ACCESSTOKEN: 't' },
    key: 'accessToken',
    value: 't',
    source: 'environment ACCESSTOKEN',
  },
  {
    name: 'an empty token in the environment means none',
    environment: { SCORE_CONFIG: join(cwd, 'dotted.yml'), ACCESSTOKEN: '' },
    key: 'accessToken',
    value: '',
    source: 'environment ACCESSTOKEN',
  },
  {
    name: 'CLIENT_ACCESSTOKEN',
    environment: { CLIENT_ACCESSTOKEN: 't' },
    key: 'accessToken',
    value: 't',
    source: 'environment CLIENT_ACCESSTOKEN',
  },
  {
    name: 'CLIENT_ACCESS_TOKEN, of which an empty other does not take the place',
    environment: { CLIENT_ACCESSTOKEN: '', CLIENT_ACCESS_TOKEN: 't', ACCESSTOKEN: 'u' },
    key: 'accessToken',
    value: 't',
    source: 'environment CLIENT_ACCESS_TOKEN',
  },
  { name: 'ACCESS_TOKEN is not one of them', environment: { ACCESS_TOKEN: 't' }, key: 'accessToken', value: '', source: 'default' },
  {
    name: 'dotted and nested keys',
    environment: {},
    globals: { config: 'dotted.yml' },
    key: 'accessToken',
    value: 'nested-token',
    source: `file ${join(cwd, 'dotted.yml')}`,
  },
  {
    name: 'the XDG place',
    environment: { XDG_CONFIG_HOME: join(cwd, 'xdg') },
    key: 'storage.url',
    value: 'http://xdg',
    source: `file ${join(cwd, 'xdg/score/config.yml')}`,
  },
  {
    name: '--config over the XDG place',
    environment: { XDG_CONFIG_HOME: join(cwd, 'xdg') },
    globals: { config: 'dotted.yml' },
    key: 'storage.url',
    value: 'http://dotted',
    source: `file ${join(cwd, 'dotted.yml')}`,
  },
  {
    name: 'documents of a profile',
    environment: {},
    globals: { config: 'profiles.yml', profile: 'aws' },
    key: 'storage.url',
    value: 'http://aws',
    source: `file ${join(cwd, 'profiles.yml')}`,
  },
  {
    name: 'and without it',
    environment: { STORAGE_PROFILE: 'any-name-at-all' },
    globals: { config: 'profiles.yml' },
    key: 'storage.url',
    value: 'http://base',
    source: `file ${join(cwd, 'profiles.yml')}`,
  },
  {
    name: 'TRANSPORT_PARALLEL',
    environment: { TRANSPORT_PARALLEL: '9' },
    key: 'transport.parallel',
    value: '9',
    source: 'environment TRANSPORT_PARALLEL',
  },
  {
    name: 'CLIENT_UPLOADSTATEDIR',
    environment: { CLIENT_UPLOADSTATEDIR: '/s' },
    key: 'client.uploadStateDir',
    value: '/s',
    source: 'environment CLIENT_UPLOADSTATEDIR',
  },
  {
    name: 'CLIENT_CONNECTTIMEOUTSECONDS',
    environment: { CLIENT_CONNECTTIMEOUTSECONDS: '5' },
    key: 'client.connectTimeoutSeconds',
    value: '5',
    source: 'environment CLIENT_CONNECTTIMEOUTSECONDS',
  },
]

const troubles: readonly { readonly name: string; readonly globals: GlobalValues; readonly message: RegExp }[] = [
  { name: 'a file that is not there', globals: { config: 'gone.yml' }, message: /gone\.yml \(option --config\) does not exist/ },
  { name: 'a file that is no YAML', globals: { config: 'bad.yml' }, message: /bad\.yml is not valid YAML/ },
  { name: 'a file that is a list', globals: { config: 'list.yml' }, message: /list\.yml must hold names and values/ },
]

suite('config', (test) => {
  test.after(() => rmSync(cwd, { recursive: true }))

  for (const row of rows) {
    test(`${row.key}: ${row.name}`, async () => {
      const config = await load(row.environment, row.globals)
      assert.is(config.settings[row.key].value, row.value)
      assert.is(describeSource(config.settings[row.key].source), row.source)
    })
  }

  for (const { name, globals, message } of troubles) {
    test(`${name} is refused`, async () => {
      const error = await load({}, globals).then(
        () => undefined,
        (thrown: unknown) => thrown,
      )
      assert.ok(isRefusal(error))
      assert.match(error.message, message)
      assert.is(error.code, 'invalid-configuration')
    })
  }

  test('a number that is none names the setting and where it stands', async () => {
    const config = await load({}, { config: 'number.yml' })
    assert.throws(
      () => config.integer('transport.parallel'),
      /transport\.parallel \(file .*number\.yml\) must be a whole number, not 'many'/,
    )
  })

  test('.properties: separators, comments, continuation, escapes', () => {
    const text = '# c\n! c\na=1\nb: 2\nc 3\nd.e = x = y \\\n   z\n\\u0066=tab\\tbed\nwin=C:\\\\dir\nempty=\n'
    assert.equal(Object.fromEntries(parseProperties(text)), {
      a: '1',
      b: '2',
      c: '3',
      'd.e': 'x = y z',
      f: 'tab\tbed',
      win: 'C:\\dir',
      empty: '',
    })
  })
})
