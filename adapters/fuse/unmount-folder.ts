import { ScoreError } from '../../src/index.ts'
import { mountedAt } from './mount-table.ts'
import { runProgram } from './run-program.ts'

const limitMs = 10_000

/** Helpers in the order they are tried: the first two also serve plain users. */
function waysToUnmount(mountPoint: string): readonly (readonly [file: string, args: readonly string[]])[] {
  return [
    ['fusermount3', ['-uz', '--', mountPoint]],
    ['fusermount', ['-uz', '--', mountPoint]],
    ['umount', ['-l', '--', mountPoint]],
  ]
}

/**
 * Takes a mount away from its folder, lazily: files that are open on it go on until they are closed. Nothing happens where
 * nothing is mounted.
 *
 * @throws `unavailable` when it is still mounted after every way was tried.
 */
export async function unmountFolder(mountPoint: string): Promise<void> {
  let said = ''
  for (const [file, args] of waysToUnmount(mountPoint)) {
    if ((await mountedAt(mountPoint)) === undefined) return
    const { missing, stderr } = await runProgram(file, args, limitMs)
    if (!missing) said = stderr.trim() || said
  }
  if ((await mountedAt(mountPoint)) === undefined) return
  throw new ScoreError(
    'unavailable',
    `'${mountPoint}' cannot be unmounted${said ? `: ${said}` : ''}; try 'umount -l ${mountPoint}' as root`,
  )
}
