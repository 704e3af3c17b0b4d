import { constants } from 'node:fs'
import { access, readdir, readFile } from 'node:fs/promises'
import { isAbsolute, normalize } from 'node:path'
import { ScoreError } from '../../src/index.ts'
import { mountedAt } from './mount-table.ts'
import { runProgram } from './run-program.ts'
import { unmountFolder } from './unmount-folder.ts'

/** How mounts of this package are called in the mount table. */
export const mountType = 'fuse.score'

const longestPath = 1000
const probeMs = 3000
const notConnected = 42

/** What a probe in a process of its own finds: this one must never wait for a mount, which may be its own. */
const probe = `require('fs').stat(process.argv[1], (e) => process.exit(e ? (e.code === 'ENOTCONN' ? ${notConnected} : 1) : 0))`

function refuse(message: string): never {
  throw new ScoreError('invalid-configuration', message)
}

async function requireFree(mountPoint: string): Promise<void> {
  const row = await mountedAt(mountPoint)
  if (row === undefined) return
  const { code } = await runProgram(process.execPath, ['-e', probe, mountPoint], probeMs)
  if (code === notConnected && row.type === mountType) return unmountFolder(mountPoint)
  if (code === notConnected)
    refuse(`'${mountPoint}' holds what is left of a mount of another program (${row.type}); unmount it: fusermount -uz ${mountPoint}`)
  if (code === undefined)
    refuse(`'${mountPoint}' is a mount (${row.type}) that does not answer; unmount it first: fusermount -uz ${mountPoint}`)
  refuse(`'${mountPoint}' is a mount already (${row.type}); unmount it first, or use another folder`)
}

async function requireEmptyFolder(mountPoint: string): Promise<void> {
  const names = await readdir(mountPoint).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') refuse(`there is no folder '${mountPoint}'; make it first: mkdir -p ${mountPoint}`)
    if (error.code === 'ENOTDIR') refuse(`'${mountPoint}' is a file; a mount needs an empty folder`)
    return refuse(`'${mountPoint}' cannot be used for a mount: ${error.message}`)
  })
  if (names.length > 0) refuse(`'${mountPoint}' is not empty ('${names[0]}' is in it); a mount would hide that. Use an empty folder`)
}

/**
 * Checks that a folder can be mounted on. What a mount of this package left there when its process was killed is cleared.
 *
 * @throws `invalid-configuration` with the way out.
 */
export async function prepareMountPoint(mountPoint: string): Promise<void> {
  if (!isAbsolute(mountPoint) || normalize(mountPoint) !== mountPoint || mountPoint.endsWith('/'))
    refuse(`a mount point is an absolute path without '..' and without '/' at its end; '${mountPoint}' is none`)
  if (Buffer.byteLength(mountPoint) > longestPath || mountPoint.includes('\0'))
    refuse(`'${mountPoint}' is too long for a mount point (${longestPath} bytes)`)
  await requireFree(mountPoint)
  await requireEmptyFolder(mountPoint)
}

/** Whether this user can speak to the kernel's FUSE. @throws `invalid-configuration` with the way out. */
export async function requireFuseDevice(): Promise<void> {
  if (process.platform !== 'linux')
    refuse(`mounts work on Linux; this is ${process.platform}. Use 'score download' or 'score view' instead`)
  await access('/dev/fuse', constants.R_OK | constants.W_OK).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT')
      refuse(
        'there is no /dev/fuse: load the kernel module (modprobe fuse), or start the container with --device /dev/fuse --cap-add SYS_ADMIN',
      )
    refuse(`/dev/fuse may not be used by this user (${error.code}): ask for mode 0666 or the group of /dev/fuse`)
  })
}

/** Whether this machine and this user can mount at all. @throws `invalid-configuration` with the way out. */
export async function requireFuse(allowOther: boolean): Promise<void> {
  await requireFuseDevice()
  if (process.getuid?.() === 0) return
  const { missing } = await runProgram('fusermount', ['-V'], probeMs)
  if (missing) refuse(`the program 'fusermount' is missing, which users other than root need to mount; install the package fuse3`)
  if (!allowOther) return
  const settings = await readFile('/etc/fuse.conf', 'utf8').catch(() => '')
  if (!/^\s*user_allow_other\s*$/m.test(settings))
    refuse(`letting other users in needs a line 'user_allow_other' in /etc/fuse.conf, which root can add`)
}
