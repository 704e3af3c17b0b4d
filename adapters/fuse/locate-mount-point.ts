import { realpath } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { mountedAt } from './mount-table.ts'

/**
 * A folder as the kernel's table names it: absolute, without symbolic links. A folder that is mounted on is not touched: it
 * might not answer.
 */
export async function locateMountPoint(path: string, cwd: string): Promise<string> {
  const absolute = resolve(cwd, path)
  if ((await mountedAt(absolute)) !== undefined) return absolute
  const folder = await realpath(dirname(absolute)).catch(() => dirname(absolute))
  const located = join(folder, basename(absolute))
  if ((await mountedAt(located)) !== undefined) return located
  // What is not there, or is no folder, is said by whoever wants to mount on it.
  return realpath(located).catch(() => located)
}
