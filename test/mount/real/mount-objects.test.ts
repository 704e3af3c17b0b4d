import { closeSync, ftruncateSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { md5OfFile, type Started } from '../../adapters/cli/cli-world.ts'
import { suite } from '../../support/suite.ts'
import { inside, run } from './daemon.ts'
import type { DriverName } from './daemon-plan.ts'
import { type MountSite, onMountSite, stranger } from './mount-site.ts'
import { jsonLines, type MountWorld, type Uploaded } from './mount-world.ts'
import { whyNoMounts } from './why-no-mounts.ts'

const drivers: readonly DriverName[] = ['fuse-native', 'kernel']
const farBytes = 5 * 2 ** 40
const marker = 'the far end'

interface RecordFile {
  readonly uploadId: string
  readonly size: number
}

/** The store of a data folder, changed behind the server's back. */
function storeOf(dataDir: string) {
  const objects = join(dataDir, 'store', 'objects')
  const recordOf = (objectId: string): string => join(objects, 'data', `${objectId}%parts`)
  const open = (objectId: string) => {
    const [header = '', part = ''] = readFileSync(recordOf(objectId), 'utf8').split('\n')
    const record = JSON.parse(header) as RecordFile
    return { record, part, folder: join(objects, '.score', 'segments', record.uploadId, '000') }
  }
  return {
    /** Gives the bytes of an object of one part another length; what is new is zeros that take no room. */
    resize(objectId: string, size: number): void {
      const { record, part, folder } = open(objectId)
      const longer = part.replace(/\d+$/, String(size))
      renameSync(join(folder, part), join(folder, longer))
      const file = openSync(join(folder, longer), 'r+')
      ftruncateSync(file, size)
      if (size === farBytes) writeSync(file, marker, size - marker.length)
      closeSync(file)
      writeFileSync(recordOf(objectId), `${JSON.stringify({ ...record, size })}\n${longer}\n`)
    },
    /** What the service believes of its length. */
    describe(objectId: string, size: number): void {
      const path = join(dataDir, 'store', 'state', 'data', `${objectId}.meta`)
      const spec = JSON.parse(readFileSync(path, 'utf8')) as object
      writeFileSync(path, JSON.stringify({ ...spec, objectSize: size }))
    },
    remove(objectId: string): void {
      rmSync(open(objectId).folder, { recursive: true })
      rmSync(recordOf(objectId))
    },
  }
}

function manifestOf(objectIds: readonly string[]): string {
  const head =
    'repo_code\tfile_id\tobject_id\tfile_format\tfile_name\tfile_size\tmd5_sum\tindex_object_id\tdonor_id/donor_count\tproject_id/project_count\tstudy'
  return `${[head, ...objectIds.map((id) => `r\tf\t${id}\tBAM\tn\t1\tm\t\td\tp\ts`)].join('\n')}\n`
}

suite('a mount of objects that are odd, gone or forbidden', (plain) => {
  const missing = whyNoMounts()
  let world: MountWorld
  let site: MountSite
  const test = onMountSite(plain, missing, (...made) => {
    ;[world, site] = made
  })

  const uploaded = async (study: string, ...names: readonly string[]): Promise<readonly string[]> => {
    for (const name of names) world.cli.makeFile(name, 200_000)
    const files = await world.upload(study, names)
    return names.map((name) => (files.find(({ path }) => path.endsWith(`/${name}`)) as Uploaded).objectId)
  }
  const manifest = (objectIds: readonly string[]): string => {
    writeFileSync(join(world.cli.folder, 'manifest.tsv'), manifestOf(objectIds))
    return 'manifest.tsv'
  }
  const problemsOf = (log: string): string =>
    jsonLines(readFileSync(join(world.cli.folder, log), 'utf8'))
      .filter(({ event }) => event === 'problem')
      .map(({ path, message }) => `${path} ${message}`)
      .join('\n')

  for (const driver of drivers) {
    test(`${driver}: 5 TiB, no bytes, another size than the catalogue's, and gone`, async () => {
      const study = `ODD-${driver}`.toUpperCase()
      const [far = '', zero = '', differs = '', gone = ''] = await uploaded(
        study,
        ...['far', 'zero', 'differs', 'gone'].map((name) => `${name}-${driver}.bin`),
      )
      const store = storeOf(world.cli.dataDir)
      store.resize(far, farBytes)
      store.describe(far, farBytes)
      store.resize(zero, 0)
      store.describe(zero, 0)
      store.resize(differs, 199_999)
      const point = world.pointOf(`odd-${driver}`)
      const args = ['--driver', driver, '--layout', 'object-id', '--log', `odd-${driver}.log`]
      const started = await world.mounted(point, ...args, '--manifest', manifest([far, zero, differs, gone]))
      assert.is(jsonLines(started.stdout()).find(({ type }) => type === 'ready')?.['objects'], 4)

      const tail = await run('tail', ['-c', '20', join(point, far)], 60_000)
      assert.is(tail.stdout, marker.padStart(20, '\0'), tail.stderr)
      const dd = await run(
        'dd',
        [`if=${join(point, far)}`, 'bs=1000003', `skip=${Math.floor(farBytes / 1_000_003)}`, 'status=none'],
        60_000,
      )
      assert.is(dd.stdout, marker.padStart(farBytes % 1_000_003, '\0'))
      const head = await run('head', ['-c', '100000', join(point, far)], 60_000)
      assert.ok(
        head.stdout ===
          readFileSync(join(world.cli.folder, `far-${driver}.bin`))
            .subarray(0, 100_000)
            .toString('latin1'),
      )

      assert.equal(await run('cat', [join(point, zero)], 60_000), { stdout: '', stderr: '', code: 0 })
      assert.match((await run('cat', [join(point, differs)], 60_000)).stderr, /Stale file handle/)
      store.remove(gone)
      assert.match((await run('cat', [join(point, gone)], 60_000)).stderr, /No such file or directory/)
      assert.match(problemsOf(`odd-${driver}.log`), /has 199999 bytes in the store and 200000 in the mounted tree; refresh the mount/)
    })

    const begun = async (name: string, ...more: readonly string[]): Promise<{ readonly files: string; readonly started: Started }> => {
      const point = world.pointOf(name)
      const started = await world.mounted(point, '--study-id', 'DEMO', '--driver', driver, '--log', `${name}.log`, ...more)
      return { files: join(point, (await run('ls', [point])).stdout.trim()), started }
    }
    const tailOf = (path: string): string => readFileSync(path).subarray(-1000).toString('latin1')
    const wanted = (name: string): string => tailOf(join(world.cli.folder, name))

    test(`${driver}: a URL that ran out is replaced, for a file that is open too`, async () => {
      const { files } = await begun(`url-${driver}`)
      const signals = { held: join(world.cli.folder, `held-${driver}`), go: join(world.cli.folder, `go-${driver}`) }
      const holder = inside(
        files,
        `const fd = fs.openSync(mnt + '/a.bin'); fs.readSync(fd, Buffer.alloc(1), 0, 1, 0); fs.writeFileSync('${signals.held}', '');
      while (!fs.existsSync('${signals.go}')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
      const b = Buffer.alloc(1000); const n = fs.readSync(fd, b, 0, 1000, 3000001 - 1000); return n + ' ' + b.toString('hex')`,
        120_000,
      )
      assert.is((await run('sh', ['-c', `until test -e ${signals.held}; do sleep 0.05; done`], 120_000)).code, 0)
      site.nextWeek()
      site.asked.length = 0
      writeFileSync(signals.go, '')
      assert.is(await holder, `1000 ${Buffer.from(wanted('a.bin'), 'latin1').toString('hex')}`)
      assert.is(site.asked.filter(({ route, status }) => route === '/download/:objectId' && status === 200).length, 1)
    })

    test(`${driver}: a token that ran out: bytes flow on while URLs hold; then EIO, EACCES for what is opened, and the way out`, async () => {
      const { files, started } = await begun(`token-${driver}`)
      assert.is((await run('head', ['-c', '10', join(files, 'a.bin')], 60_000)).code, 0)
      site.good.delete(site.token)
      try {
        assert.is((await run('tail', ['-c', '1000', join(files, 'a.bin')], 60_000)).stdout, wanted('a.bin'))
        site.nextWeek()
        const dd = ['bs=1000', 'skip=1500', 'count=1', 'status=none']
        assert.match((await run('dd', [`if=${join(files, 'a.bin')}`, ...dd], 60_000)).stderr, /Input\/output error/)
        assert.match((await run('cat', [join(files, 'b.bin')], 60_000)).stderr, /Permission denied/)
        assert.is((await run('ls', ['-l', files], 60_000)).code, 0)
        assert.match(problemsOf(`token-${driver}.log`), /b\.bin .*token/)
        assert.not.match(started.stderr(), new RegExp(site.token))
      } finally {
        site.good.add(site.token)
      }
      assert.is((await run('md5sum', [join(files, 'b.bin')], 60_000)).stdout.slice(0, 32), md5OfFile(join(world.cli.folder, 'b.bin')))
    })

    test(`${driver}: a token file that is replaced renews the mount`, async () => {
      const path = join(world.cli.folder, 'token-file')
      writeFileSync(path, `${site.token}\n`)
      const { files, started } = await begun(`renewed-${driver}`, '--token-file', 'token-file')
      assert.is((await run('head', ['-c', '10', join(files, 'a.bin')], 60_000)).code, 0)
      const next = `next-token-${driver}`
      site.good.add(next)
      site.good.delete(site.token)
      try {
        // As people should: the new one takes the old one's place at once.
        writeFileSync(`${path}.new`, `${next}\n`)
        renameSync(`${path}.new`, path)
        site.nextWeek()
        assert.is((await run('tail', ['-c', '1000', join(files, 'a.bin')], 60_000)).stdout, wanted('a.bin'))
        assert.is((await run('md5sum', [join(files, 'b.bin')], 60_000)).stdout.slice(0, 32), md5OfFile(join(world.cli.folder, 'b.bin')))
        assert.not.match(started.stderr(), /token/)
      } finally {
        site.good.add(site.token)
      }
    })
  }

  test('in a manifest: what is not published is listed and EACCES; where all is forbidden, nothing is mounted', async () => {
    const [seen = '', hidden = ''] = [...(await uploaded('SEEN', 'seen.bin')), ...(await uploaded('HIDDEN', 'hidden.bin'))]
    await site.score.catalogue.unpublish('HIDDEN', (await site.score.catalogue.entity(hidden)).analysisId)
    const point = world.pointOf('hidden')
    await world.mounted(point, '--layout', 'object-id', '--log', 'hidden.log', '--manifest', manifest([seen, hidden]))
    assert.is((await run('ls', [point])).stdout, `${[seen, hidden].sort().join('\n')}\n`)
    assert.match((await run('cat', [join(point, hidden)])).stderr, /Permission denied/)
    assert.match(problemsOf('hidden.log'), /publish/i)

    writeFileSync(join(world.cli.folder, 'stranger'), stranger)
    const asStranger = ['mount', '--token-file', 'stranger', '--manifest', 'manifest.tsv', '--mount-point', world.pointOf('stranger-point')]
    const alone = await world.ended(asStranger)
    assert.equal([alone.code, readdirSync(join(world.cli.folder, 'stranger-point'))], [3, []], alone.stderr)
    // Both are asked for at once; whichever is refused first is named.
    assert.match(alone.stderr, new RegExp(`${seen}|${hidden}`))
  })
})
