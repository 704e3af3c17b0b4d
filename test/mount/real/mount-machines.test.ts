import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { mountedAt } from '../../../adapters/fuse/mount-table.ts'
import { md5OfFile } from '../../adapters/cli/cli-world.ts'
import { suite } from '../../support/suite.ts'
import { run } from './daemon.ts'
import type { DriverName } from './daemon-plan.ts'
import { type MountWorld, onMountWorld } from './mount-world.ts'
import { whyNoMounts } from './why-no-mounts.ts'

const root = join(import.meta.dirname, '..', '..', '..')
/** Bound to where another user may come too: the clone and Node may lie where only root does. */
const programOf = (name: 'score' | 'score-client'): string =>
  `"$1/node" --import "$1/repository/node_modules/tsx/dist/esm/index.mjs" "$1/repository/adapters/cli/${name}.ts"`

interface Machine {
  readonly what: string
  /** Shell: what is different there, in a namespace of mounts of its own. */
  readonly prepare?: string
  /** Shell: the command, behind which stand the options that name folder and server. */
  readonly command: string
  readonly code: number
  readonly says: RegExp
}

const noDevice = 'mount --bind "$1/dev" /dev'
const device = 'mount --bind "$1/fuse" /dev/fuse'
const nobody = 'runuser -u nobody -- env HOME="$1/home"'
const noFuse = /there is no \/dev\/fuse: load the kernel module \(modprobe fuse\), or start the container with --device \/dev\/fuse/

/** No server is there: everything here is refused before one is asked. */
const machines: readonly Machine[] = [
  { what: 'there is no /dev/fuse', prepare: noDevice, command: `${programOf('score')} mount`, code: 2, says: noFuse },
  {
    what: 'there is no /dev/fuse, for the driver kernel in the background',
    prepare: noDevice,
    command: `${programOf('score')} mount --daemonize --driver kernel`,
    code: 2,
    says: noFuse,
  },
  {
    what: 'there is no /dev/fuse, for score-client',
    prepare: noDevice,
    command: `${programOf('score-client')} mount`,
    code: 1,
    says: noFuse,
  },
  {
    what: 'this user may not use /dev/fuse',
    prepare: `chmod 600 "$1/fuse"; ${device}`,
    command: `${nobody} ${programOf('score')} mount`,
    code: 2,
    says: /\/dev\/fuse may not be used by this user \(EACCES\): ask for mode 0666/,
  },
  {
    what: 'a user has no fusermount',
    prepare: `chmod 666 "$1/fuse"; ${device}`,
    command: `${nobody} PATH=/nonexistent ${programOf('score')} mount --driver fuse-native`,
    code: 2,
    says: /the program 'fusermount' is missing, .* install the package fuse3/,
  },
  {
    what: 'a user may not let others in',
    prepare: `chmod 666 "$1/fuse"; ${device}; mount --bind /dev/null /etc/fuse.conf`,
    command: `${nobody} ${programOf('score')} mount --driver fuse-native --options allow_other`,
    code: 2,
    says: /needs a line 'user_allow_other' in \/etc\/fuse\.conf, which root can add/,
  },
  {
    what: 'a user asks for the driver kernel',
    prepare: `chmod 666 "$1/fuse"; ${device}`,
    command: `${nobody} ${programOf('score')} mount --driver kernel`,
    code: 2,
    says: /mounts by itself, which this user may not \(CAP_SYS_ADMIN\): /,
  },
]

suite('score mount on machines that lack something', (plain) => {
  const missing = whyNoMounts()
  let world: MountWorld
  const test = onMountWorld(plain, missing, (made) => {
    world = made
  })
  const canChange = process.getuid?.() === 0 && ['unshare', 'runuser'].every((name) => spawnSync('which', [name]).status === 0)
  const asRoot = canChange ? test : (name: string) => plain.skip(name, missing ?? 'this needs root, to take away what the machine has')

  for (const [index, { what, prepare = 'true', command, code, says }] of machines.entries())
    asRoot(`${what}: exit code ${code}, and the way out`, async () => {
      const folder = join(world.cli.folder, `machine-${index}`)
      mkdirSync(folder)
      for (const path of [world.cli.folder, folder]) chmodSync(path, 0o755)
      const script = `set -e
mkdir "$1/dev" "$1/mnt" "$1/home"; mknod "$1/dev/null" c 1 3; mknod "$1/dev/random" c 1 8; mknod "$1/dev/urandom" c 1 9; mknod "$1/fuse" c 10 229
chown -R nobody "$1"; chown root "$1/fuse"; chmod 666 "$1"/dev/*; cd "$1"
mkdir "$1/repository"; touch "$1/node"; mount --bind "${root}" "$1/repository"; mount --bind "${process.execPath}" "$1/node"
export STORAGE_URL=http://127.0.0.1:9 METADATA_URL=http://127.0.0.1:9 ACCESSTOKEN=none
${prepare}
exec ${command} --mount-point "$1/mnt"`
      const outcome = await run('unshare', ['-m', 'sh', '-c', script, 'sh', folder], 120_000)
      assert.match(outcome.stderr, says)
      assert.is(outcome.code, code, outcome.stderr)
    })

  for (const driver of ['fuse-native', 'kernel'] satisfies readonly DriverName[])
    asRoot(`${driver}: root mounts and unmounts without any fusermount`, async () => {
      const bin = join(world.cli.folder, `bin-${driver}`)
      mkdirSync(bin)
      for (const name of ['mount', 'umount']) symlinkSync(spawnSync('which', [name]).stdout.toString().trim(), join(bin, name))
      const env = { PATH: bin }
      const point = world.pointOf(`bare-${driver}`)
      const args = ['--mount-point', point, '--driver', driver, '--daemonize']
      const mounted = await world.cli.start(['mount', ...args], { env }).ended
      assert.is(mounted.code, 0, mounted.stderr)
      const read = await run('sh', ['-c', `cat ${point}/*/a.bin | md5sum`], 60_000)
      assert.is(read.stdout.slice(0, 32), md5OfFile(join(world.cli.folder, 'a.bin')))
      const unmounted = await world.cli.start(['unmount', point], { env }).ended
      assert.is(unmounted.code, 0, unmounted.stderr)
      assert.is(await mountedAt(point), undefined)
    })
})
