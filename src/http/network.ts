import { readFileSync } from 'node:fs'
import { BlockList, isIP } from 'node:net'
import * as tls from 'node:tls'
import { ScoreError } from '../core/errors.ts'
import { redactUrl } from '../core/redact.ts'

/** How other hosts are reached. Plain data, so that it can be handed to a worker. */
export interface Network {
  /** Certificates of further authorities, PEM, trusted beside the built-in ones and those of `NODE_EXTRA_CA_CERTS`. */
  readonly ca?: string | readonly string[]
  /** Absent: every host is reached directly. */
  readonly proxies?: Proxies
}

/** Each is `http(s)://[user:password@]host[:port]`. */
export interface Proxies {
  /** For `https:` addresses, through a tunnel. */
  readonly https?: string
  /** For `http:` addresses. */
  readonly http?: string
  /**
   * Hosts that are reached directly: a name stands for itself and for what ends in `.name`; an address or a CIDR range;
   * each with `:port` for that port alone; `*` for all. Loopback is always reached directly.
   */
  readonly bypass?: readonly string[]
}

type Environment = Readonly<Record<string, string | undefined>>

/** As curl reads it: lower case before upper case, `http://` where no scheme is given. */
function proxySetting(env: Environment, name: string): string | undefined {
  const variable = [name.toLowerCase(), name].find((spelling) => env[spelling]?.trim())
  if (variable === undefined) return undefined
  const value = (env[variable] as string).trim()
  const url = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url
  throw new ScoreError(
    'invalid-configuration',
    `${variable} is '${redactUrl(value)}', which is no HTTP proxy: it must look like http://[user:password@]host:port; unset it, or name this host in NO_PROXY`,
  )
}

/**
 * The proxies that a process is told of by `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, in either case of letters.
 *
 * @returns `undefined` when none is named.
 * @throws `invalid-configuration` for a proxy of another kind, such as `socks5:`.
 */
export function proxiesOfEnvironment(env: Environment): Proxies | undefined {
  const https = proxySetting(env, 'HTTPS_PROXY')
  const http = proxySetting(env, 'HTTP_PROXY')
  if (https === undefined && http === undefined) return undefined
  const bypass = (env['no_proxy'] || env['NO_PROXY'] || '').split(/[\s,]+/).filter((entry) => entry !== '')
  return { ...(https === undefined ? {} : { https }), ...(http === undefined ? {} : { http }), bypass }
}

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

function within(host: string, range: string): boolean {
  const family = isIP(host)
  const [address = '', bits = ''] = range.split('/')
  if (family === 0 || isIP(address) !== family || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128)) return false
  const list = new BlockList()
  list.addSubnet(address, Number(bits), family === 4 ? 'ipv4' : 'ipv6')
  return list.check(host, family === 4 ? 'ipv4' : 'ipv6')
}

function bypasses(entry: string, host: string, port: number): boolean {
  if (entry === '*') return true
  if (entry.includes('/')) return within(host, entry)
  const [, name = entry, only] = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(entry) ?? []
  if (only !== undefined && Number(only) !== port) return false
  const wanted = name
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/^\*?\./, '')
  return wanted !== '' && (host === wanted || (isIP(host) === 0 && host.endsWith(`.${wanted}`)))
}

/** @returns the proxy through which an address is reached; `undefined` when directly. */
export function proxyOf(
  target: { readonly secure: boolean; readonly host: string; readonly port: number },
  proxies: Proxies | undefined,
): string | undefined {
  const proxy = target.secure ? proxies?.https : proxies?.http
  if (proxy === undefined) return undefined
  const host = target.host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
  const family = isIP(host)
  const local = host === 'localhost' || (family !== 0 && loopback.check(host, family === 4 ? 'ipv4' : 'ipv6'))
  return local || proxies?.bypass?.some((entry) => bypasses(entry, host, target.port)) ? undefined : proxy
}

function builtIn(): readonly string[] {
  if ('getCACertificates' in tls && typeof tls.getCACertificates === 'function') {
    const listed: unknown = tls.getCACertificates('default')
    if (Array.isArray(listed)) return listed.filter((one) => typeof one === 'string')
  }
  const extra = process.env['NODE_EXTRA_CA_CERTS']
  return [...tls.rootCertificates, ...(extra ? [readExtra(extra)] : [])]
}

/** node itself only warns of a file that cannot be read, and goes on. */
function readExtra(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/**
 * What TLS is to trust: node takes `ca` for the whole list, so what it trusts anyway goes before.
 *
 * @returns `undefined` when nothing is added.
 */
export function trustedAuthorities(ca: Network['ca']): string[] | undefined {
  const added = ca === undefined ? [] : [ca].flat()
  return added.length === 0 ? undefined : [...builtIn(), ...added].filter((pem) => pem !== '')
}

/** The refusal of a proxy, as the user should hear it. @returns an error for any status but 2xx */
export function proxyRefusal(proxy: string, host: string, status: number): ScoreError {
  const name = redactUrl(new URL(proxy).origin)
  if (status === 407)
    return new ScoreError(
      'invalid-configuration',
      `the proxy ${name} wants a user and password (407): put them into HTTPS_PROXY or HTTP_PROXY, http://user:password@host:port`,
    )
  const transient = status >= 500
  return new ScoreError(
    transient ? 'unavailable' : 'invalid-configuration',
    transient
      ? `the proxy ${name} cannot reach ${host} (status ${status})`
      : `the proxy ${name} refuses to connect to ${host} (status ${status}): have it allowed there, or name ${host} in NO_PROXY if it can be reached directly`,
  )
}
