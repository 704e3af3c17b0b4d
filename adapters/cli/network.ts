import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Network } from '../../src/index.ts'
import { type Config, describeSource } from './config.ts'
import type { CommandContext } from './context.ts'
import { refusal } from './refusal.ts'

export interface Reach {
  /** Absent: other hosts are reached as node does by itself. */
  readonly network?: Network
  readonly fetch: typeof fetch
}

async function readAuthorities(config: Config, cwd: string): Promise<string | undefined> {
  const { value, source } = config.settings['client.ca']
  if (value === '') return undefined
  const path = resolve(cwd, value)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw refusal(`cannot read the certificates from ${path} (${describeSource(source)}): ${reason}`, { code: 'invalid-configuration' })
  }
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text
  throw refusal(`${path} (${describeSource(source)}) holds no certificate: it must be PEM text, with -----BEGIN CERTIFICATE-----`, {
    code: 'invalid-configuration',
  })
}

/**
 * How commands reach other hosts: by the proxies of the environment, trusting the authorities of `--ca` besides.
 *
 * @throws a refusal for a file without certificates, and for a proxy of another kind.
 */
export async function reachOf(config: Config, { env, cwd }: Pick<CommandContext, 'env' | 'cwd'>): Promise<Reach> {
  const { createNetworkFetch, proxiesOfEnvironment } = await import('../../src/index.ts')
  const ca = await readAuthorities(config, cwd)
  const proxies = proxiesOfEnvironment(env)
  if (ca === undefined && proxies === undefined) return { fetch }
  const network: Network = { ...(ca === undefined ? {} : { ca }), ...(proxies === undefined ? {} : { proxies }) }
  return { network, fetch: createNetworkFetch(network) }
}
