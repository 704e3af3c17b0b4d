import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { makeDemoBam } from '../../../examples/demo/make-bam.ts'
import { suite } from '../../support/suite.ts'
import { run } from './daemon.ts'
import { jsonLines, type MountWorld, onMountWorld } from './mount-world.ts'
import { whyNoMounts } from './why-no-mounts.ts'

const missing =
  whyNoMounts() ?? (spawnSync('which', ['samtools']).status === 0 ? undefined : 'samtools is not installed: apt-get install samtools')

/** Reads through `score mount`, our server and its signed URLs, as people do. */
suite('programs on a mount of a server', (plain) => {
  let world: MountWorld
  const test = onMountWorld(plain, missing, async (made) => {
    world = made
    const { folder } = world.cli
    await makeDemoBam({ path: join(folder, 's.bam'), targetBytes: 3_000_000 })
    const header = (await run('samtools', ['view', '-H', join(folder, 's.bam')])).stdout
    const sequences = [...header.matchAll(/^@SQ\tSN:(\S+)\tLN:(\d+)/gm)].map(([, name, length]) => {
      return `>${name}\n${'ACGTTGCA'.repeat(Math.ceil(Number(length) / 8)).slice(0, Number(length))}\n`
    })
    writeFileSync(join(folder, 'ref.fa'), sequences.join(''))
    for (const args of [
      ['index', 's.bam'],
      ['faidx', 'ref.fa'],
      ['view', '-C', '-T', 'ref.fa', '-o', 's.cram', 's.bam'],
      ['index', 's.cram'],
    ]) {
      const made = spawnSync('samtools', args, { cwd: folder })
      assert.is(made.status, 0, `${args.join(' ')}: ${made.stderr}`)
    }
    const uploaded = await world.cli.run([
      'upload',
      '--study',
      'READS',
      's.bam',
      's.bam.bai',
      's.cram',
      's.cram.crai',
      'ref.fa',
      'ref.fa.fai',
    ])
    assert.is(uploaded.code, 0, uploaded.stderr)
  })
  const mountReads = async (name: string, ...args: readonly string[]): Promise<string> => {
    const point = world.pointOf(name)
    await world.mounted(point, '--study-id', 'READS', ...args)
    const folder = (await run('ls', [point])).stdout.trim()
    return join(point, folder)
  }

  for (const driver of ['fuse-native', 'kernel'])
    test(`${driver}: samtools finds the same as in local files, with a remote reference too`, async () => {
      const mounted = await mountReads(`samtools-${driver}`, '--driver', driver)
      const { folder } = world.cli
      const name = /SN:(\S+)/.exec((await run('samtools', ['view', '-H', join(folder, 's.bam')])).stdout)?.[1] ?? ''
      const commands: readonly (readonly string[])[] = [
        ['view', 's.bam'],
        ['view', 's.bam', `${name}:1-2000`],
        ['view', '-c', 's.bam', name],
        ['flagstat', 's.bam'],
        ['idxstats', 's.bam'],
        ['quickcheck', '-v', 's.bam'],
        ['view', '-T', 'ref.fa', 's.cram'],
        ['view', '-T', 'ref.fa', 's.cram', `${name}:1-2000`],
        ['quickcheck', '-v', 's.cram'],
        ['faidx', 'ref.fa', `${name}:5-60`],
        ['index', '-o', '-', 's.bam'],
      ]
      for (const [command = '', ...args] of commands) {
        const at = (place: string): string[] => [command, ...args.map((one) => (/\.(bam|cram|fa)$/.test(one) ? join(place, one) : one))]
        const [local, remote] = [await run('samtools', at(folder)), await run('samtools', at(mounted))]
        assert.is(remote.code, local.code, `${command} ${args.join(' ')}: ${remote.stderr}`)
        assert.ok(remote.stdout === local.stdout, `${command} ${args.join(' ')} differs`)
      }
    })

  test('64 programs at once, with little memory, from disk too', async () => {
    const mounted = await mountReads('many', '--cache-memory', '2M', '--cache-dir', 'disk', '--cache-dir-size', '64M')
    const sums = await Promise.all(Array.from({ length: 64 }, () => run('md5sum', [join(mounted, 's.bam')], 120_000)))
    const expected = (await run('md5sum', [join(world.cli.folder, 's.bam')])).stdout.slice(0, 32)
    assert.equal(new Set(sums.map(({ stdout }) => stdout.slice(0, 32))), new Set([expected]))
    const statistics = JSON.stringify((await world.status())[0])
    assert.match(statistics, /"maximumBytes":2097152/)
    assert.ok(existsSync(join(world.cli.folder, 'disk', 'score-pages-1')))
  })

  test('an object that went: open files go on as they can, new ones are ENOENT or EACCES', async () => {
    const mounted = await mountReads('gone', '--options', 'attr_timeout=0')
    assert.is((await run('head', ['-c', '10', join(mounted, 'ref.fa.fai')])).code, 0)
    const listed = await world.cli.run(['ls', '--study-id', 'READS', '--json'])
    const analysis = String(jsonLines(listed.stdout)[0]?.['analysisId'])
    assert.is((await world.cli.run(['unpublish', analysis, '--study', 'READS'])).code, 0)
    const read = await run('cat', [join(mounted, 's.cram.crai')])
    assert.is(read.code, 1)
    assert.match(read.stderr, /Permission denied/)
    assert.is((await world.cli.run(['publish', analysis, '--study', 'READS'])).code, 0)
    assert.is((await run('cat', [join(mounted, 's.cram.crai')])).code, 0)
  })

  const asPlainUser = process.getuid?.() === 0 && spawnSync('which', ['runuser']).status === 0
  const plainUser = asPlainUser ? test : (name: string) => plain.skip(name, missing ?? 'this needs root, to become another user')
  plainUser('a user who is not root mounts with fusermount, and root cannot look in', async () => {
    const { folder, named } = world.cli
    chmodSync(folder, 0o755)
    const home = join(folder, 'nobody')
    for (const path of [home, join(home, 'mnt'), join(home, 'repository')]) mkdirSync(path)
    writeFileSync(join(home, 'node'), '')
    const repository = join(import.meta.dirname, '../../..')
    // A device of its own, in a namespace of its own: the machine's stays as it is. What runs may lie where only root comes.
    const script = `set -e
cd ${home}; mount --bind ${repository} ${home}/repository; mount --bind ${process.execPath} ${home}/node
mknod ${home}/fuse c 10 229; chmod 666 ${home}/fuse; mount --bind ${home}/fuse /dev/fuse; chown nobody ${home} ${home}/mnt
runuser -u nobody -- env HOME=${home} STORAGE_URL=${named['STORAGE_URL']} METADATA_URL=${named['METADATA_URL']} ACCESSTOKEN=${named['ACCESSTOKEN']} \\
  ${home}/node --import ${home}/repository/node_modules/tsx/dist/esm/index.mjs ${home}/repository/adapters/cli/score.ts \\
  mount --mount-point ${home}/mnt --study-id READS --daemonize --log ${home}/log
runuser -u nobody -- sh -c 'cat ${home}/mnt/*/s.bam | md5sum'
ls ${home}/mnt 2>&1 || true
runuser -u nobody -- fusermount -u ${home}/mnt
for i in $(seq 600); do grep -q '"unmounted"' ${home}/log && exit 0; sleep 0.1; done; exit 9`
    const outcome = await run('unshare', ['-m', 'sh', '-c', script], 180_000)
    assert.is(outcome.code, 0, `${outcome.stdout}\n${outcome.stderr}`)
    assert.match(outcome.stdout, new RegExp((await run('md5sum', [join(folder, 's.bam')])).stdout.slice(0, 32)))
    assert.match(outcome.stdout, /Permission denied/)
    assert.not.match(readFileSync(join(home, 'log'), 'utf8'), new RegExp(world.cli.token))
  })
})
