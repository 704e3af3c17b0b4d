import { chmod, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Environment } from './context.ts'

/** What running commands tell others of the same user: `$XDG_STATE_HOME/score`, or below `~/.local/state`. */
export function stateFolder(environment: Environment): string {
  return join(environment['XDG_STATE_HOME'] || join(environment['HOME'] || homedir(), '.local', 'state'), 'score')
}

/** Writes JSON that only this user can read; whoever reads sees the old or the new. */
export async function writeStateFile(path: string, content: object): Promise<void> {
  const { makeFolder } = await import('../../src/index.ts')
  await makeFolder(dirname(path), { mode: 0o700 })
  const draft = `${path}.${process.pid}`
  await writeFile(draft, `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o600 })
  await chmod(draft, 0o600)
  await rename(draft, path)
}

/** A file that another user could have written is not believed: it would name where our token goes, or what to end. */
async function isOurs(path: string): Promise<boolean> {
  const entry = await stat(path).catch(() => undefined)
  if (!entry?.isFile()) return false
  return process.getuid === undefined || (entry.uid === process.getuid() && (entry.mode & 0o077) === 0)
}

/** @returns `undefined` for a file that is not there, is no JSON, or could have been written by somebody else. */
export async function readStateFile(path: string): Promise<unknown> {
  if (!(await isOurs(path))) return undefined
  try {
    return JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

export async function listStateFiles(folder: string, pattern: RegExp): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => pattern.test(name)).map((name) => join(folder, name))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}
