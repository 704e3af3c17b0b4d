import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import { mountedAt } from '../../../adapters/fuse/mount-table.ts'
import { until } from '../../adapters/cli/cli-world.ts'
import { suite } from '../../support/suite.ts'
import { cleanUp, type Daemon, makeMountPoint, mountDaemon, run } from './daemon.ts'
import { type DaemonPlan, sampleBytes } from './daemon-plan.ts'
import { driverContract } from './driver-contract.ts'
import { whyNoMounts } from './why-no-mounts.ts'

driverContract('kernel')

const missing = whyNoMounts()
const noNamespace =
  missing ??
  (spawnSync('unshare', ['-Urm', 'true']).status === 0
    ? undefined
    : 'user namespaces are not allowed here: sysctl kernel.unprivileged_userns_clone=1, or user.max_user_namespaces')

/** A program that keeps a file open, and says so by making `held`. */
async function hold(file: string, held: string): Promise<{ end(): Promise<void> }> {
  const script = `const fs = require('fs'); const fd = fs.openSync(process.argv[1]); fs.readSync(fd, Buffer.alloc(1)); fs.writeFileSync(process.argv[2], ''); setTimeout(() => {}, 120000)`
  const child = spawn(process.execPath, ['-e', script, file, held], { stdio: 'ignore' })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  await until('the file to be open', () => existsSync(held))
  return {
    async end() {
      child.kill('SIGKILL')
      await exited
    },
  }
}

suite('a process that speaks the kernel’s protocol', (plain) => {
  const test = missing === undefined ? plain : (name: string) => plain.skip(name, missing)
  const mounted = (plan: Partial<DaemonPlan> = {}): Promise<Daemon> => mountDaemon({ driver: 'kernel', ...plan })
  plain.afterEach(cleanUp)

  const ends: readonly (readonly [how: string, word: string, code: number])[] = [
    ['leaves', 'leave', 0],
    ['exits in the midst', 'exit', 7],
    ['fails in the midst', 'fail', 1],
  ]
  for (const [how, word, code] of ends)
    test(`ends when it ${how}, also while a file is open, and nothing stays mounted`, async () => {
      const daemon = await mounted()
      const holder = await hold(join(daemon.mountPoint, 'A', 'plain-4096'), join(dirname(daemon.mountPoint), 'held'))
      try {
        daemon.tell(word)
        assert.is(await daemon.exited, code)
        assert.is(await mountedAt(daemon.mountPoint), undefined)
      } finally {
        await holder.end()
      }
    })

  test('a direct read that waits ends with the signal that its program gets', async () => {
    const daemon = await mounted({ callMs: 100_000, stuck: 1 })
    const args = [`if=${join(daemon.mountPoint, 'stuck', 's0')}`, 'bs=4096', 'iflag=direct', 'of=/dev/null']
    const child = spawn('dd', args, { stdio: 'ignore' })
    const exited = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)))
    daemon.tell('wait for 1')
    await daemon.heard('waiting')
    child.kill('SIGKILL')
    // The kernel lets a killed program go only once its read is answered: by the signal, long before the limit of the call.
    const early = new AbortController()
    const tooLate = wait(60_000, 'too late', { signal: early.signal }).catch(() => undefined)
    assert.is(await Promise.race([exited, tooLate]), 'SIGKILL')
    early.abort()
    daemon.tell('leave')
    const { statistics } = await daemon.heard('ended')
    assert.is(statistics.pending, 0)
  })

  const inNamespace = noNamespace === undefined ? plain : (name: string) => plain.skip(name, noNamespace)
  inNamespace('in a user namespace, for whoever is root there', async () => {
    const mountPoint = makeMountPoint()
    const folder = dirname(mountPoint)
    const plan: DaemonPlan = { driver: 'kernel', mountPoint }
    const script = `mkfifo "$1/in"; "$2" --import tsx "$3" "$4" <"$1/in" >"$1/out" & exec 3>"$1/in"
until grep -q -e ready -e refused "$1/out"; do sleep 0.05; done
cat "$1/out" >&2; md5sum <"$1/mnt/A/plain-3000001"; echo leave >&3; wait $!; echo "exit $?"`
    const daemon = join(import.meta.dirname, 'mount-daemon.ts')
    const args = ['-Urm', 'sh', '-c', script, 'sh', folder, process.execPath, daemon, JSON.stringify(plan)]
    const { stdout, stderr } = await run('unshare', args, 100_000)
    const local = spawnSync('md5sum', { input: sampleBytes(3_000_001) }).stdout.toString()
    assert.is(stdout, `${local}exit 0\n`, stderr)
  })
})
