import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'

/** Why real mounts cannot be tested here, and the way to have them; `undefined` where they can. */
export function whyNoMounts(): string | undefined {
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
  } catch {
    return '/dev/fuse is not here, or not for this user: modprobe fuse, or a container with --device /dev/fuse --cap-add SYS_ADMIN'
  }
  if (process.getuid?.() === 0 || spawnSync('fusermount', ['-V']).status === 0) return undefined
  return 'fusermount is not installed: apt-get install fuse3'
}
