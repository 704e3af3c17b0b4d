import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { promisify } from 'node:util'
import type { TimedToken, TokenSource } from '../../src/index.ts'
import type { Config } from './config.ts'
import type { CommandContext } from './context.ts'
import { loginPath, readLogin, type StoredLogin, withLoginLock, writeLogin } from './login-store.ts'
import type { Reach } from './network.ts'
import { refusal } from './refusal.ts'

type Wanted = Pick<CommandContext, 'globals' | 'env' | 'cwd' | 'strict' | 'now' | 'signal'>

const commandSeconds = 60

/** Read for each request, so a file that is replaced while a transfer runs is a token that is renewed. */
function fileSource(path: string): TokenSource {
  const read = async (): Promise<string> => (await readFile(path, 'utf8')).trim()
  return Object.assign(read, { renew: read })
}

async function runCommand(command: string, { cwd, env, signal }: Wanted): Promise<TimedToken> {
  try {
    const options = { cwd, env: { ...env }, signal, timeout: commandSeconds * 1000 }
    const { stdout } = await promisify(execFile)('/bin/sh', ['-c', command], options)
    if (stdout.trim() !== '') return { token: stdout.trim() }
  } catch (error) {
    signal.throwIfAborted()
    const { code, killed } = error as { readonly code?: unknown; readonly killed?: boolean }
    const why = killed ? `did not end within ${commandSeconds} s` : `ended with ${String(code)}`
    throw refusal(`the command that prints the access token (option --token-command) ${why}; run it by itself to see what is wrong`, {
      code: 'invalid-configuration',
    })
  }
  throw refusal('the command that prints the access token (option --token-command) printed nothing', { code: 'invalid-configuration' })
}

function timed({ accessToken, expiresAt }: StoredLogin): TimedToken {
  return { token: accessToken, ...(expiresAt === undefined ? {} : { expiresAt }) }
}

async function loginSource(path: string, wanted: Wanted, reach: Reach): Promise<TokenSource> {
  const { createRenewingToken, refreshLogin } = await import('../../src/index.ts')
  const { now, signal } = wanted
  /** Alone among the processes of this user: an issuer that rotates refresh tokens takes each of them once. */
  const renew = (old: TimedToken): Promise<TimedToken | undefined> =>
    withLoginLock(path, { signal }, async () => {
      const login = await readLogin(path)
      // Another process has renewed it, or logged out, since it was read.
      if (login === undefined || login.accessToken !== old.token) return login && timed(login)
      if (login.refreshToken === undefined) return undefined
      const { issuer, clientId } = login
      const tokens = await refreshLogin({ issuer, clientId, now, fetch: reach.fetch }, login.refreshToken, { signal })
      const next = { url: login.url, issuer, clientId, ...tokens }
      await writeLogin(path, next)
      return timed(next)
    })
  const first = async (): Promise<TimedToken | undefined> => {
    const login = await readLogin(path)
    return login && timed(login)
  }
  return createRenewingToken({ first, renew, now })
}

/**
 * Where the token of each request comes from: a file, a command, what is set, or the login for that very service.
 * `score-client` knows what is set alone.
 */
export async function tokenSourceOf(config: Config, wanted: Wanted, reach: Reach): Promise<TokenSource | undefined> {
  const { globals, cwd, env, strict } = wanted
  const token = config.text('accessToken')
  if (strict) return token === '' ? undefined : token
  if (globals.tokenFile !== undefined) return fileSource(resolve(cwd, globals.tokenFile))
  const { tokenCommand } = globals
  if (tokenCommand !== undefined) {
    const { createRenewingToken } = await import('../../src/index.ts')
    const run = (): Promise<TimedToken> => runCommand(tokenCommand, wanted)
    return createRenewingToken({ first: run, renew: run, now: wanted.now })
  }
  const url = config.text('storage.url')
  if (token !== '' || config.settings.accessToken.source.kind === 'environment' || !URL.canParse(url))
    return token === '' ? undefined : token
  const path = loginPath(env, url)
  return (await readLogin(path)) === undefined ? undefined : loginSource(path, wanted, reach)
}
