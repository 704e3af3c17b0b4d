import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { mountedAt } from '../../../adapters/fuse/mount-table.ts'
import { md5OfFile } from '../../adapters/cli/cli-world.ts'
import { suite } from '../../support/suite.ts'
import { run } from './daemon.ts'
import { jsonLines, type MountWorld, onMountWorld } from './mount-world.ts'
import { whyNoMounts } from './why-no-mounts.ts'

const missing = whyNoMounts()

suite('score mount, refused and in other words', (plain) => {
  let world: MountWorld
  const test = onMountWorld(plain, missing, (made) => {
    world = made
  })

  const failures: readonly (readonly [what: string, args: (point: string) => readonly string[], code: number, says: RegExp])[] = [
    ['a server that is not there', () => ['--storage-url', 'http://127.0.0.1:2', '--verify-connection', 'false'], 7, /127\.0\.0\.1:2/],
    ['an unknown study', () => ['--study-id', 'NONE'], 4, /NONE/],
    ['a memory too small', () => ['--cache-memory', '1K'], 2, /at least 1 MiB/],
    ['options that nobody knows', () => ['--options', 'allow_root,exec'], 2, /'allow_root' is unknown/],
    ["an option that is none, by the kernel's driver", () => ['--driver', 'kernel', '--options', 'x'], 2, /unknown|not part/],
  ]
  for (const [what, args, code, says] of failures) {
    test(`in the background with ${what}: the exit code and the reason come from there`, async () => {
      const point = world.pointOf('failing')
      const outcome = await world.ended(['mount', '--mount-point', point, '--daemonize', ...args(point)])
      assert.is(outcome.code, code, outcome.stderr)
      assert.match(outcome.stderr, says)
      assert.is(await mountedAt(point), undefined)
    })
  }

  test('a mount point by a symbolic link is mounted, watched and unmounted as what it is', async () => {
    const point = world.pointOf('real')
    symlinkSync(point, join(world.cli.folder, 'link'))
    await world.mounted(join(world.cli.folder, 'link'))
    assert.is((await mountedAt(point))?.type, 'fuse.score')
    assert.is((await world.cli.run(['unmount', 'link'])).code, 0)
    assert.is(await mountedAt(point), undefined)
  })

  const refused: readonly (readonly [what: string, point: () => string, says: RegExp])[] = [
    ['missing', () => join(world.cli.folder, 'nowhere'), /there is no folder '.*nowhere'; make it first/],
    ['not empty', () => world.cli.folder, /is not empty/],
    ['a file', () => world.cli.makeFile('file', 1), /is a file/],
    ['not ours', () => '/proc', /is a mount already \(proc\)/],
  ]
  for (const [what, point, says] of refused) {
    test(`a mount point that is ${what} is refused before any server is asked`, async () => {
      const outcome = await world.ended(['mount', '--mount-point', point(), '--storage-url', 'http://127.0.0.1:9'])
      assert.is(outcome.code, 2, outcome.stderr)
      assert.match(outcome.stderr, says)
    })
  }

  test('a folder that is mounted already is refused, and unmounting what is not ours too', async () => {
    const point = world.pointOf('twice')
    await world.mounted(point)
    const outcome = await world.ended(['mount', '--mount-point', point])
    assert.is(outcome.code, 2)
    assert.match(outcome.stderr, /is a mount already \(fuse\.score\)/)
    assert.is((await run('ls', [point])).code, 0)
    assert.match((await world.cli.run(['unmount', '/proc'])).stderr, /mount of another program \(proc\)/)
  })

  test('score-client: the words and the exit codes of the original', async () => {
    const point = world.pointOf('client')
    const missingPoint = await world.ended(['mount'], 'score-client')
    assert.equal([missingPoint.code, /The following option is required: {5}--mount-point /.test(missingPoint.stderr)], [1, true])
    const nowhere = await world.ended(['mount', '--mount-point', join(world.cli.folder, 'nowhere')], 'score-client')
    assert.match(nowhere.stderr, /Invalid option: --mount-point: .*nowhere does not exist/)
    const { code, stderr } = await world.ended(['mount', '--mount-point', point, '--daemonize'], 'score-client')
    assert.is(code, 0, stderr)
    assert.match(stderr, /Successfully mounted file system at .*client and is now ready for use\./)
    const summed = await run('sh', ['-c', `cat ${point}/*/b.bin | md5sum`])
    assert.is(summed.stdout.slice(0, 32), md5OfFile(join(world.cli.folder, 'b.bin')))
    assert.is((await world.cli.run(['unmount', point])).code, 0)
  })

  test('--cache-metadata: the second mount asks for no listing', async () => {
    const point = world.pointOf('cached')
    const home = join(world.cli.folder, '.cache', 'score', 'listings')
    const first = await world.mounted(point, '--cache-metadata')
    first.child.kill('SIGTERM')
    assert.is((await first.ended).code, 0)
    const [folder = ''] = readdirSync(home)
    const kept = JSON.parse(readFileSync(join(home, folder, '.entities.cache'), 'utf8')) as readonly object[]
    writeFileSync(join(home, folder, '.entities.cache'), JSON.stringify(kept.slice(0, 1)))
    const second = await world.mounted(point, '--cache-metadata')
    assert.is(jsonLines(second.stdout()).find(({ type }) => type === 'ready')?.['objects'], 1)
  })
})
