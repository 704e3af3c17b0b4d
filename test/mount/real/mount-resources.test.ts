import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { md5OfFile } from '../../adapters/cli/cli-world.ts'
import { suite } from '../../support/suite.ts'
import { inside, run } from './daemon.ts'
import type { DriverName } from './daemon-plan.ts'
import { type MountSite, onMountSite } from './mount-site.ts'
import { jsonLines, type MountWorld } from './mount-world.ts'
import { whyNoMounts } from './why-no-mounts.ts'

const drivers: readonly DriverName[] = ['fuse-native', 'kernel']
const readMs = 120_000

suite('a mount with little disk, little memory or many objects', (plain) => {
  const missing = whyNoMounts()
  let world: MountWorld
  let site: MountSite
  const test = onMountSite(plain, missing, (...made) => {
    ;[world, site] = made
  })
  const asRoot = process.getuid?.() === 0 ? test : (name: string) => plain.skip(name, missing ?? 'this needs root, to mount a small disk')

  /** MD5 of files of a mount by name, one after the other. */
  const sums = async (point: string, names: readonly string[]): Promise<readonly string[]> => {
    const folder = (await run('ls', [point], readMs)).stdout.trim()
    const all: string[] = []
    for (const name of names) all.push((await run('md5sum', [join(point, folder, name)], readMs)).stdout.slice(0, 32))
    return all
  }
  const local = (names: readonly string[]): readonly string[] => names.map((name) => md5OfFile(join(world.cli.folder, name)))

  asRoot('a disk cache on a disk that is really full: readers notice nothing, the log tells of it once', async () => {
    const disk = join(world.cli.folder, 'small-disk')
    mkdirSync(disk)
    const made = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', disk])
    assert.is(made.status, 0, String(made.stderr))
    try {
      const point = world.pointOf('full')
      const names = ['a.bin', 'b.bin']
      const started = await world.mounted(point, '--study-id', 'DEMO', '--cache-dir', disk, '--log', 'full.log')
      assert.equal(await sums(point, names), local(names))
      assert.equal(await sums(point, names), local(names))
      assert.is((await world.cli.run(['unmount', point])).code, 0)
      assert.is((await started.ended).code, 0, started.stderr())
      const told = jsonLines(readFileSync(join(world.cli.folder, 'full.log'), 'utf8')).filter(({ event }) => event === 'disk-cache')
      assert.is(told.length, 1, JSON.stringify(told))
      assert.match(String(told[0]?.['message']), /no space left/i)
      assert.match(String(told[0]?.['message']), /small-disk/)
      // What did fit serves the next mount, what did not comes from the store.
      const again = world.pointOf('full-again')
      await world.mounted(again, '--study-id', 'DEMO', '--cache-dir', disk)
      assert.equal(await sums(again, names), local(names))
    } finally {
      await world.cleanUp()
      assert.is(spawnSync('umount', ['-l', disk]).status, 0)
    }
  })

  test('a disk cache that is damaged, cut off, or of another version is never believed', async () => {
    const names = ['whole', 'flipped', 'cut', 'other-version', 'rubbish'].map((name) => `${name}.bin`)
    for (const name of names) world.cli.makeFile(name, 300_000)
    await world.upload('PAGES', names)
    const mounted = async (name: string): Promise<string> => {
      const point = world.pointOf(name)
      await world.mounted(point, '--study-id', 'PAGES', '--cache-dir', 'pages')
      return point
    }
    const first = await mounted('pages-first')
    const folder = join(world.cli.folder, 'pages', 'score-pages-1')
    const fileOf = new Map<string, string>()
    for (const name of names) {
      const before = new Set(readdirSync(folder))
      assert.equal(await sums(first, [name]), local([name]))
      // Pages are written behind the reader's back: the name of their file tells that they are on their way.
      const added = await inside(
        folder,
        `const before = new Set(${JSON.stringify([...before])}); for (;;) { const one = fs.readdirSync(mnt).find((n) => !before.has(n)); if (one) return one }`,
        readMs,
      )
      fileOf.set(name, join(folder, added))
    }
    assert.is((await world.cli.run(['unmount', first])).code, 0)

    const change = (name: string, work: (path: string) => void): void => work(fileOf.get(`${name}.bin`) as string)
    change('flipped', (path) => {
      const bytes = readFileSync(path)
      for (let at = 8192; at < bytes.length; at += 4096) bytes[at] = (bytes[at] as number) ^ 1
      writeFileSync(path, bytes)
    })
    change('cut', (path) => truncateSync(path, 40_000))
    change('other-version', (path) => {
      const bytes = readFileSync(path)
      bytes.write('score pages 2', 0)
      writeFileSync(path, bytes)
    })
    change('rubbish', (path) => writeFileSync(path, 'x'.repeat(500_000)))
    // Of a release that is to come, and of somebody else: left alone.
    mkdirSync(join(world.cli.folder, 'pages', 'score-pages-2'))
    writeFileSync(join(folder, 'somebody-elses'), 'kept')

    const second = await mounted('pages-second')
    const requests = (): number => site.proxy.counts().GetObject ?? 0
    for (const name of names) {
      const before = requests()
      assert.equal(await sums(second, [name]), local([name]), name)
      // The first of an object tells its version.
      if (name === 'whole.bin') assert.is(requests() - before, 1)
      else assert.ok(requests() - before > 1, `${name} came from the disk`)
    }
    assert.is(readFileSync(join(folder, 'somebody-elses'), 'utf8'), 'kept')
    assert.is((await world.cli.run(['unmount', second])).code, 0)
  })

  for (const driver of drivers)
    test(`${driver}: the least memory, and many that read in order and at random`, async () => {
      const point = world.pointOf(`little-${driver}`)
      const args = ['--study-id', 'DEMO', '--driver', driver, '--cache-memory', '1M']
      await world.mounted(point, ...args)
      const folder = (await run('ls', [point], readMs)).stdout.trim()
      const file = join(point, folder, 'a.bin')
      const copy = join(world.cli.folder, 'a.bin')
      const random = (seed: number): string => `let s = ${seed}; const rnd = (n) => (s = (s * 1103515245 + 12345) % 2147483648) % n
      const here = fs.openSync('${copy}'), there = fs.openSync(mnt)
      for (let i = 0; i < 40; i++) { const at = rnd(3000001), n = 1 + rnd(200000); const a = Buffer.alloc(n), b = Buffer.alloc(n)
        if (fs.readSync(here, a, 0, n, at) !== fs.readSync(there, b, 0, n, at) || !a.equals(b)) return 'differs at ' + at }
      return 'same'`
      const [inOrder, atRandom] = await Promise.all([
        Promise.all(Array.from({ length: 12 }, () => run('md5sum', [file], readMs))),
        Promise.all(Array.from({ length: 4 }, (_, index) => inside(file, random(31 * (index + 1)), readMs))),
      ])
      assert.equal(new Set(inOrder.map(({ stdout }) => stdout.slice(0, 32))), new Set([md5OfFile(copy)]))
      assert.equal(new Set(atRandom), new Set(['same']))
      const row = (await world.status()).find(({ mountPoint }) => mountPoint === point) as {
        readonly statistics: { readonly cache: { readonly memoryBytes: number; readonly maximumBytes: number } }
      }
      const { memoryBytes, maximumBytes } = row.statistics.cache
      assert.is(maximumBytes, 2 ** 20)
      assert.ok(memoryBytes <= maximumBytes, `${memoryBytes}`)
    })

  test('1,000 objects: a handful of requests, then ready; all are listed', async () => {
    const { catalogue } = site.score
    await catalogue.ensureStudy('MANY')
    const [like] = world.files
    const { dataDir } = world.cli
    const recordOf = (objectId: string): string => join(dataDir, 'store', 'objects', 'data', `${objectId}%parts`)
    const specOf = (objectId: string): string => join(dataDir, 'store', 'state', 'data', `${objectId}.meta`)
    const record = readFileSync(recordOf(like?.objectId ?? ''), 'utf8')
    const spec = readFileSync(specOf(like?.objectId ?? ''), 'utf8')
    const { objectSize, objectMd5 } = JSON.parse(spec) as { readonly objectSize: number; readonly objectMd5: string }
    const files = Array.from({ length: 1000 }, (_, index) => ({
      ...{ fileName: `f${index}.bin`, fileType: 'BIN', fileSize: objectSize, dataType: 'x', fileAccess: 'open' },
      fileMd5sum: objectMd5,
    }))
    const submitted = { studyId: 'MANY', analysisType: { name: 'fileSet' }, files }
    const { analysisId } = await catalogue.submit('MANY', submitted, { allowDuplicates: true })
    // A thousand uploads would take a minute: the objects share the bytes of one.
    for (const { objectId } of await catalogue.files('MANY', analysisId)) {
      writeFileSync(recordOf(objectId), record)
      writeFileSync(specOf(objectId), spec.replaceAll(like?.objectId ?? '', objectId))
    }
    await catalogue.publish('MANY', analysisId)

    const point = world.pointOf('many')
    site.asked.length = 0
    const ready = await world.ended(['mount', '--mount-point', point, '--daemonize', '--json', '--study-id', 'MANY'])
    assert.is(ready.code, 0, ready.stderr)
    assert.is(jsonLines(ready.stdout)[0]?.['objects'], 1000)
    assert.ok(site.asked.length <= 8, site.asked.map(({ method, path }) => `${method} ${path}`).join('\n'))
    assert.is((await run('sh', ['-c', `ls -l ${point}/* | grep -c bin`], readMs)).stdout, '1000\n')
    assert.is((await world.cli.run(['unmount', point])).code, 0)
  })
})
