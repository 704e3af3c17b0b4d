import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Config, configOf, type Setting } from './config.ts'
import type { CommandContext } from './context.ts'
import { refusal } from './refusal.ts'
import { type LocalServer, liveServers, servesFolder } from './run-file.ts'

type Wanted = Pick<CommandContext, 'globals' | 'env' | 'cwd' | 'strict'>

/** The same server, however its address is spelled. */
function sameAddress(a: string, b: string): boolean {
  if (!URL.canParse(a) || !URL.canParse(b)) return false
  const [left, right] = [new URL(a), new URL(b)]
  return left.origin === right.origin && left.pathname.replace(/\/+$/, '') === right.pathname.replace(/\/+$/, '')
}

async function readToken(path: string, named: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw refusal(`cannot read the access token from ${path} (${named}): ${reason}`, { code: 'invalid-configuration' })
  }
}

async function serverOfFolder(servers: readonly LocalServer[], folder: string): Promise<LocalServer> {
  for (const server of servers) if (await servesFolder(server, folder)) return server
  throw refusal(
    `no server of this user runs on ${folder}: start one with 'score serve --data ${folder}', or name another with --storage-url`,
    {
      code: 'invalid-configuration',
    },
  )
}

function chooseServer(servers: readonly LocalServer[]): LocalServer | undefined {
  if (servers.length <= 1) return servers[0]
  throw refusal(
    `${servers.length} local servers run (${servers.map((server) => server.url).join(', ')}): choose one with --storage-url, STORAGE_URL or --data`,
    { code: 'invalid-configuration' },
  )
}

function isSet(setting: Setting): boolean {
  return setting.value !== ''
}

async function localServer(config: Config, wanted: Wanted): Promise<LocalServer | undefined> {
  const { globals, env, cwd } = wanted
  const servers = await liveServers(env)
  if (globals.data !== undefined) return serverOfFolder(servers, resolve(cwd, globals.data))
  const { 'storage.url': storage } = config.settings
  if (!isSet(storage)) return chooseServer(servers)
  return servers.find((server) => sameAddress(server.url, storage.value))
}

async function tokenSetting(config: Config, server: LocalServer | undefined, wanted: Wanted): Promise<Setting> {
  const { globals, cwd } = wanted
  if (globals.tokenFile !== undefined) {
    const path = resolve(cwd, globals.tokenFile)
    return { value: await readToken(path, 'option --token-file'), source: { kind: 'option', name: '--token-file' } }
  }
  const { accessToken, 'storage.url': storage } = config.settings
  if (globals.tokenCommand !== undefined) return { value: '', source: { kind: 'option', name: '--token-command' } }
  // A server that was found and not named is no server that a token in the environment was meant for.
  const found = globals.data !== undefined || !isSet(storage)
  const decided = accessToken.source.kind === 'environment' || isSet(accessToken)
  if (!server || (decided && !found)) return accessToken
  return {
    value: await readToken(server.tokenPath, `of the local server ${server.url}`),
    source: { kind: 'local-server', name: server.path },
  }
}

/**
 * Completes the settings with what `score` finds on this machine: a local server where none is named, and its token for
 * that very address. `score-client` looks for nothing.
 *
 * @throws a refusal when several local servers run and none is named, or `--data` names a folder without one.
 */
export async function discover(config: Config, wanted: Wanted): Promise<Config> {
  if (wanted.strict) return config
  const server = await localServer(config, wanted)
  const accessToken = await tokenSetting(config, server, wanted)
  const found = (server: LocalServer): Setting => ({ value: server.url, source: { kind: 'local-server', name: server.path } })
  const takes = server !== undefined && (wanted.globals.data !== undefined || !isSet(config.settings['storage.url']))
  const storage = takes ? found(server) : config.settings['storage.url']
  const named = config.settings['metadata.url']
  const metadata = takes && wanted.globals.data !== undefined ? storage : isSet(named) ? named : storage
  return configOf({ ...config.settings, accessToken, 'storage.url': storage, 'metadata.url': metadata }, config.files)
}

/** Checks an address before anything is asked of it. @throws a refusal saying how to name one. */
export function requireAddress(config: Config, key: 'storage.url' | 'metadata.url', strict: boolean): string {
  const { value } = config.settings[key]
  const variable = key === 'storage.url' ? 'STORAGE_URL' : 'METADATA_URL'
  const what = key === 'storage.url' ? 'Score server' : 'catalogue (Song)'
  if (value === '') {
    const local = strict ? '' : ", or start a local server with 'score serve --data DIR'"
    throw refusal(`no ${what} is named: set ${variable} (or ${key} in a configuration file)${local}`, {
      code: 'invalid-configuration',
      frame: 'plain',
    })
  }
  if (!/^https?:\/\//i.test(value) || !URL.canParse(value))
    throw refusal(`${key} must be an http or https address such as http://localhost:5431, not '${value}'`, {
      code: 'invalid-configuration',
      frame: 'plain',
    })
  return value.replace(/\/+$/, '')
}
