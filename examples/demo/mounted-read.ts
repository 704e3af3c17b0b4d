import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ScoreRunner } from './score-process.ts'

export interface MountedRead {
  readonly score: ScoreRunner
  readonly folder: string
  readonly objectId: string
  /** The file that was uploaded. */
  readonly original: string
  /** Options that name the server. */
  readonly local: readonly string[]
}

const runProgram = promisify(execFile)

/** Whether a program is here. */
async function has(program: string, version: string): Promise<boolean> {
  return await runProgram(program, [version]).then(
    () => true,
    () => false,
  )
}

/** Why nothing can be mounted here; `undefined` where it can. */
async function whyNot(): Promise<string | undefined> {
  const open = await access('/dev/fuse', constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  )
  if (!open) return 'there is no /dev/fuse for this user'
  return process.getuid?.() === 0 || (await has('fusermount', '-V')) ? undefined : 'fusermount is not installed'
}

/** What samtools says of a file, or that `cmp` finds it the same as the original. */
async function readBy(path: string, original: string): Promise<string> {
  if (!(await has('samtools', '--version'))) {
    await runProgram('cmp', [path, original])
    return 'cmp finds it the same as the file that was uploaded'
  }
  const [mounted, local] = await Promise.all([path, original].map((file) => runProgram('samtools', ['view', '-c', file])))
  if (mounted?.stdout !== local?.stdout)
    throw new Error(`samtools counts ${mounted?.stdout} reads on the mount, ${local?.stdout} in the file`)
  return `samtools counts ${mounted?.stdout.trim()} reads in it, as in the file that was uploaded`
}

/**
 * Mounts what is stored and has a program read it there. @returns what is to be told of it
 *
 * @throws when the program finds something else than in the file that was uploaded.
 */
export async function readMounted({ score, folder, objectId, original, local }: MountedRead): Promise<string> {
  const reason = await whyNot()
  if (reason !== undefined) return `left out: ${reason}`
  const mountPoint = join(folder, 'mounted')
  await mkdir(mountPoint)
  await score.run(['mount', '--mount-point', mountPoint, '--daemonize', ...local])
  try {
    return await readBy(join(mountPoint, '.by-id', objectId), original)
  } finally {
    await score.run(['unmount', mountPoint, '--json'])
  }
}
