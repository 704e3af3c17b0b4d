import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { mountedAt } from '../../../adapters/fuse/mount-table.ts'
import { md5OfFile, until } from '../../adapters/cli/cli-world.ts'
import { suite } from '../../support/suite.ts'
import { inside, run } from './daemon.ts'
import { jsonLines, type MountWorld, onMountWorld, type Uploaded } from './mount-world.ts'
import { whyNoMounts } from './why-no-mounts.ts'

const missing = whyNoMounts()

/** A process that ended and that nobody has asked after counts as gone. */
function isGone(pid: number): boolean {
  const path = `/proc/${pid}/stat`
  return !existsSync(path) || /\) Z/.test(readFileSync(path, 'latin1'))
}

suite('score mount', (plain) => {
  let world: MountWorld
  const test = onMountWorld(plain, missing, (made) => {
    world = made
  })

  const fronts = [
    ['fuse-native', 'SIGINT'],
    ['kernel', 'SIGTERM'],
    ['fuse-native', 'SIGHUP'],
  ] as const
  for (const [driver, signal] of fronts)
    test(`in front, ${driver}: ready, readable, told of by --status and SIGUSR2, and unmounted by ${signal} with exit code 0`, async () => {
      const point = world.pointOf('front')
      const log = join(world.cli.folder, `${signal}.log`)
      const one = world.cli.start(['mount', '--mount-point', point, '--driver', driver, '--log', log])
      await until('the mount to be ready', () => one.stderr().includes('now ready for use') || one.child.exitCode !== null)
      const read = await run('sh', ['-c', `md5sum ${point}/*/a.bin`])
      assert.is(read.stdout.slice(0, 32), md5OfFile(join(world.cli.folder, 'a.bin')))
      const [row, ...more] = await world.status()
      assert.equal([row?.['mountPoint'], row?.['state'], row?.['pid'], more.length], [point, 'mounted', one.child.pid, 0])
      assert.equal([row?.['objects'], row?.['driver']], [3, driver])
      assert.match(JSON.stringify(row), /"bytesRead":3\d{6},/)
      const told = (): number => one.stderr().split('reads of').length
      const before = told()
      one.child.kill('SIGUSR2')
      await until('the statistics', () => told() > before)
      assert.match(one.stderr(), /\d+ reads of .+ waiting; fetched .+ in \d+ requests?; cache .+ of .+, resident /)
      one.child.kill(signal)
      assert.is((await one.ended).code, 0, one.stderr())
      assert.is(await mountedAt(point), undefined)
      assert.equal(await world.status(), [])
      const lines = readFileSync(log, 'utf8')
      assert.ok(jsonLines(lines).filter(({ event }) => event === 'statistics').length >= 2, lines)
      for (const text of [lines, one.stderr(), one.stdout()]) assert.not.match(text, new RegExp(`${world.cli.token}|[?&]signature=`, 'i'))
    })

  test('in the background: returns when it is ready; `score unmount` ends it', async () => {
    const point = world.pointOf('back')
    const log = join(world.cli.folder, 'mount.log')
    const { code, stdout, stderr } = await world.ended(['mount', '--mount-point', point, '--daemonize', '--json', '--log', log])
    assert.is(code, 0, stderr)
    const ready = jsonLines(stdout)[0]
    assert.is(ready?.['type'], 'ready')
    assert.is((await run('ls', [point])).code, 0)
    assert.is((await world.status())[0]?.['pid'], ready?.['pid'])
    const unmounted = await world.cli.run(['unmount', point])
    assert.is(unmounted.code, 0, unmounted.stderr)
    assert.is(await mountedAt(point), undefined)
    assert.ok(isGone(Number(ready?.['pid'])))
    const events = jsonLines(readFileSync(log, 'utf8')).map(({ event }) => event)
    assert.ok(events.includes('mounted') && events.includes('statistics') && events.includes('unmounted'), String(events))
    assert.not.match(readFileSync(log, 'utf8'), new RegExp(world.cli.token))
    assert.is((await world.cli.run(['unmount', point])).code, 4)
  })

  test('a manifest shows its objects alone, and warns of those that are not there', async () => {
    const point = world.pointOf('manifest')
    const gone = '00000000-0000-4000-8000-000000000009'
    const [first] = world.files
    writeFileSync(
      join(world.cli.folder, 'manifest.tsv'),
      `repo_code\tfile_id\tobject_id\tfile_format\tfile_name\tfile_size\tmd5_sum\tindex_object_id\tdonor_id/donor_count\tproject_id/project_count\tstudy\n${[first?.objectId, gone].map((id) => `r\tf\t${id}\tBAM\tn\t1\tm\t\td\tp\ts\n`).join('')}`,
    )
    const one = await world.mounted(point, '--manifest', 'manifest.tsv', '--layout', 'object-id')
    assert.equal((await run('ls', [point])).stdout.trim().split('\n'), [first?.objectId])
    assert.match(one.stderr(), new RegExp(gone))
  })

  test('an object by its id, in either layout', async () => {
    const point = world.pointOf('ids')
    const one = world.files.find(({ path }) => path.endsWith('b.bin')) as Uploaded
    await world.mounted(point, '--layout', 'bundle')
    assert.is((await run('md5sum', [join(point, '.by-id', one.objectId)])).stdout.slice(0, 32), md5OfFile(one.path))
  })

  for (const [how, args] of [
    ['SIGHUP', []],
    ['--refresh', ['--refresh', '1']],
  ] as const)
    test(`${how} refreshes a mount in the background, which then shows what was added`, async () => {
      const point = world.pointOf('refresh')
      const name = `added${how}.bin`
      const options = ['--options', 'attr_timeout=0,negative_timeout=0', ...args]
      const { code, stdout, stderr } = await world.ended(['mount', '--mount-point', point, '--daemonize', '--json', ...options])
      assert.is(code, 0, stderr)
      world.cli.makeFile(name, 5000)
      await world.upload(`MORE-${how.slice(-4).toUpperCase()}`, [name])
      if (how === 'SIGHUP') process.kill(Number(jsonLines(stdout)[0]?.['pid']), 'SIGHUP')
      const find = async (): Promise<string> => (await run('find', [point, '-name', name])).stdout
      for (let tries = 0; (await find()) === '' && tries < 600; tries += 1) await new Promise((wake) => setTimeout(wake, 100))
      assert.match(await find(), new RegExp(name))
      assert.is((await world.cli.run(['unmount', point])).code, 0)
    })

  test('kill -9: --status says so, `score unmount` clears it, and so does the next mount', async () => {
    const point = world.pointOf('killed')
    const kill = async (): Promise<void> => {
      const one = await world.mounted(point)
      one.child.kill('SIGKILL')
      await one.ended
      assert.is(await inside(point, 'return fs.readdirSync(mnt)'), 'ENOTCONN')
    }
    await kill()
    assert.is((await world.status())[0]?.['state'], 'stale')
    assert.is((await world.cli.run(['unmount', point])).code, 0)
    assert.is(await mountedAt(point), undefined)
    await kill()
    await world.mounted(point)
    assert.is((await run('ls', [point])).code, 0)
  })

  test('somebody else unmounts: it ends by itself', async () => {
    const point = world.pointOf('outside')
    const one = await world.mounted(point)
    assert.is((await run('fusermount', ['-u', point])).code, 0)
    assert.is((await one.ended).code, 0)
  })

  test('--with-parent: it ends with the process that started it', async () => {
    const point = world.pointOf('parent')
    const log = join(world.cli.folder, 'parent.log')
    const entry = `${process.execPath} --import ${join(import.meta.dirname, '../../../node_modules/tsx/dist/esm/index.mjs')} ${join(import.meta.dirname, '../../../adapters/cli/score.ts')}`
    const script = `${entry} mount --mount-point ${point} --with-parent --log ${log} & sleep 600`
    const env = {
      ...process.env,
      HOME: world.cli.folder,
      XDG_STATE_HOME: join(world.cli.folder, 'state'),
      XDG_CONFIG_HOME: join(world.cli.folder, 'config'),
    }
    const parent = spawn('sh', ['-c', script], { env, stdio: 'ignore', detached: true })
    await until('the mount', () => existsSync(log) && readFileSync(log, 'utf8').includes('"mounted"'))
    parent.kill('SIGKILL')
    await until('the end', () => readFileSync(log, 'utf8').includes('"unmounted"'))
    process.kill(-(parent.pid as number), 'SIGKILL')
    assert.is(await mountedAt(point), undefined)
  })
})
