import { createHash } from 'node:crypto'
import { chmod, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Environment } from './context.ts'

/** A login that `score login` left for one service. Mode 0600. */
export interface StoredLogin {
  /** Of the Score server that the tokens are for. */
  readonly url: string
  readonly issuer: string
  readonly clientId: string
  readonly accessToken: string
  readonly refreshToken?: string
  /** When the access token runs out, in ms since 1970. */
  readonly expiresAt?: number
}

/** One file a service, whatever its address is made of. */
export function loginPath(environment: Environment, url: string): string {
  const state = environment['XDG_STATE_HOME'] || join(environment['HOME'] || homedir(), '.local', 'state')
  const { origin, pathname } = new URL(url)
  const name = createHash('sha256')
    .update(`${origin}${pathname.replace(/\/+$/, '')}`)
    .digest('hex')
    .slice(0, 32)
  return join(state, 'score', 'login', `${name}.json`)
}

function isStoredLogin(value: unknown): value is StoredLogin {
  if (typeof value !== 'object' || value === null) return false
  const { url, issuer, clientId, accessToken } = value as Record<string, unknown>
  return [url, issuer, clientId, accessToken].every((field) => typeof field === 'string')
}

/** The login for a service; `undefined` without one, and for a file that others may read or could have written. */
export async function readLogin(path: string): Promise<StoredLogin | undefined> {
  const entry = await stat(path).catch(() => undefined)
  if (!entry?.isFile()) return undefined
  if (process.getuid !== undefined && (entry.uid !== process.getuid() || (entry.mode & 0o077) !== 0)) return undefined
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'))
    return isStoredLogin(value) ? value : undefined
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

export async function writeLogin(path: string, login: StoredLogin): Promise<void> {
  const { makeFolder } = await import('../../src/index.ts')
  await makeFolder(join(path, '..'), { mode: 0o700 })
  const draft = `${path}.${process.pid}`
  await writeFile(draft, `${JSON.stringify(login, undefined, 2)}\n`, { mode: 0o600 })
  await chmod(draft, 0o600)
  await rename(draft, path)
}

/** @returns whether there was one. */
export async function removeLogin(path: string): Promise<boolean> {
  const there = (await stat(path).catch(() => undefined)) !== undefined
  await rm(path, { force: true })
  return there
}

/** Changes a login as the only process that does; the others wait, and find it changed. */
export async function withLoginLock<Result>(
  path: string,
  options: { readonly signal: AbortSignal },
  change: () => Promise<Result>,
): Promise<Result> {
  const { acquireLock, makeFolder } = await import('../../src/index.ts')
  await makeFolder(join(path, '..'), { mode: 0o700 })
  const lock = await acquireLock(`${path}.lock`, { label: 'renewal of the login', wait: true, pollMs: 50, ...options })
  try {
    return await change()
  } finally {
    await lock.release()
  }
}
