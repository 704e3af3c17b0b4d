import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import * as assert from 'uvu/assert'
import { mountedAt } from '../../../adapters/fuse/mount-table.ts'
import { createRandom, makeBam, sortedRecords } from '../../formats/bam-fixture.ts'
import { suite } from '../../support/suite.ts'
import { idOf } from '../tree-double.ts'
import { cleanUp, type Daemon, inside, makeMountPoint, mountDaemon, run, startDaemon } from './daemon.ts'
import { blackBox, type DaemonPlan, type DriverName, farByte, sampleBytes } from './daemon-plan.ts'
import { whyNoMounts } from './why-no-mounts.ts'

function md5(bytes: Uint8Array): string {
  return createHash('md5').update(bytes).digest('hex')
}

function made(path: string, make: (path: string) => void): string {
  make(path)
  return path
}

const large = sampleBytes(3_000_001)

/** What every driver does with a real kernel and real programs. */
export function driverContract(driver: DriverName): void {
  suite(`a real mount through ${driver}`, (plain) => {
    const missing = whyNoMounts()
    const mountedDaemon = (plan: Partial<DaemonPlan> = {}): Promise<Daemon> => mountDaemon({ driver, ...plan })
    const test = missing === undefined ? plain : (name: string) => plain.skip(name, missing)
    const withProgram = (program: string, name: string, body: () => Promise<void>): void => {
      if (missing === undefined && spawnSync('which', [program]).status !== 0) plain.skip(name, `${program} is not installed`)
      else test(name, body)
    }

    plain.afterEach(cleanUp)

    test('programs read what is there: md5sum, cp, cat, tail, dd of odd sizes', async () => {
      const { mountPoint } = await mountedDaemon()
      const file = join(mountPoint, 'A', 'plain-3000001')
      const copy = join(dirname(mountPoint), 'copy')
      assert.is((await run('md5sum', [file])).stdout.slice(0, 32), md5(large))
      assert.is((await run('cp', ['--preserve=timestamps', file, copy])).code, 0)
      assert.is((await run('cmp', [file, copy])).code, 0)
      assert.is((await run('cat', [join(mountPoint, 'A', 'plain-0')])).stdout, '')
      assert.is((await run('tail', ['-c', '7', file])).stdout, large.subarray(-7).toString('latin1'))
      const dd = await run('dd', [`if=${file}`, 'bs=7919', 'skip=100', 'count=33', 'status=none'])
      assert.is(md5(Buffer.from(dd.stdout, 'latin1')), md5(large.subarray(791_900, 791_900 + 33 * 7919)))
      const direct = await run('dd', [`if=${file}`, 'bs=1M', 'iflag=direct', 'status=none'])
      assert.is(md5(Buffer.from(direct.stdout, 'latin1')), md5(large))
    })

    withProgram('python3', 'a mapped file has the same bytes', async () => {
      const { mountPoint } = await mountedDaemon()
      const script = `import mmap,sys,hashlib
f=open(sys.argv[1],'rb'); m=mmap.mmap(f.fileno(),0,prot=mmap.PROT_READ)
print(hashlib.md5(m[:]).hexdigest(), m[2999999])`
      const { stdout, stderr } = await run('python3', ['-c', script, join(mountPoint, 'A', 'plain-3000001')])
      assert.is(stdout.trim(), `${md5(large)} ${large[2_999_999]}`, stderr)
    })

    test('stat tells size, mode, owner, links, blocks and time; entries their kind', async () => {
      const { mountPoint } = await mountedDaemon()
      const file = await inside(
        mountPoint,
        `const s = fs.statSync(mnt + '/A/plain-4096');
      return JSON.stringify([s.size, (s.mode & 0o7777).toString(8), s.isFile(), s.uid, s.nlink, s.blocks, s.blksize, s.mtimeMs])`,
      )
      assert.equal(JSON.parse(file), [4096, '440', true, process.getuid?.(), 1, 8, 1_048_576, blackBox.modifiedMs])
      const folder = await inside(
        mountPoint,
        `const s = fs.statSync(mnt);
      return JSON.stringify([(s.mode & 0o7777).toString(8), s.isDirectory(), s.nlink])`,
      )
      assert.equal(JSON.parse(folder), ['550', true, 3])
      const kinds = await inside(
        mountPoint,
        `return JSON.stringify(fs.readdirSync(mnt, { withFileTypes: true }).map((e) => [e.name, e.isDirectory()]))`,
      )
      assert.equal(JSON.parse(kinds), [['A', true]])
      const inodes = await inside(
        mountPoint,
        `return new Set(fs.readdirSync(mnt + '/A').map((n) => fs.statSync(mnt + '/A/' + n).ino)).size`,
      )
      assert.is(inodes, '13')
      assert.match((await run('stat', ['-f', '-c', '%T %l %a', mountPoint])).stdout, /^fuseblk 255 0|^fuse 255 0/)
    })

    test('errors are the errors they are', async () => {
      const { mountPoint, words } = await mountedDaemon()
      const table: readonly (readonly [script: string, errno: string])[] = [
        ["fs.statSync(mnt + '/A/none')", 'ENOENT'],
        ["fs.statSync(mnt + '/none/x')", 'ENOENT'],
        ["fs.openSync(mnt + '/A/none')", 'ENOENT'],
        ["fs.statSync(mnt + '/A/plain-1/x')", 'ENOTDIR'],
        ["fs.readdirSync(mnt + '/A/plain-1')", 'ENOTDIR'],
        ["fs.readFileSync(mnt + '/A')", 'EISDIR'],
        ["fs.openSync(mnt + '/A/denied')", 'EACCES'],
        ["fs.openSync(mnt + '/A/gone')", 'ENOENT'],
        ["fs.openSync(mnt + '/A/shrunk')", 'ESTALE'],
        ["fs.readFileSync(mnt + '/A/changed')", 'ESTALE'],
        ["fs.readFileSync(mnt + '/A/revoked')", 'EIO'],
        ["fs.readFileSync(mnt + '/A/defect')", 'EIO'],
        ["fs.readFileSync(mnt + '/A/thrown')", 'EIO'],
        ["fs.readFileSync(mnt + '/A/nothing')", 'EIO'],
        ["fs.statSync(mnt + '/trap')", 'EIO'],
        ["fs.writeFileSync(mnt + '/A/new', 'x')", 'EROFS'],
        ["fs.openSync(mnt + '/A/plain-1', 'r+')", 'EROFS'],
        ["fs.openSync(mnt + '/A/plain-1', 'a')", 'EROFS'],
        ["fs.truncateSync(mnt + '/A/plain-1')", 'EROFS'],
        ["fs.mkdirSync(mnt + '/B')", 'EROFS'],
        ["fs.rmdirSync(mnt + '/A')", 'EROFS'],
        ["fs.unlinkSync(mnt + '/A/plain-1')", 'EROFS'],
        ["fs.renameSync(mnt + '/A/plain-1', mnt + '/A/q')", 'EROFS'],
        ["fs.linkSync(mnt + '/A/plain-1', mnt + '/A/q')", 'EROFS'],
        ["fs.symlinkSync('x', mnt + '/q')", 'EROFS'],
        ["fs.chmodSync(mnt + '/A/plain-1', 0o777)", 'EROFS'],
        ["fs.chownSync(mnt + '/A/plain-1', 1, 1)", 'EROFS'],
        ["fs.utimesSync(mnt + '/A/plain-1', 1, 1)", 'EROFS'],
        ["fs.accessSync(mnt + '/A/plain-1', fs.constants.W_OK)", 'EROFS'],
        ["fs.readlinkSync(mnt + '/A/plain-1')", 'EINVAL'],
      ]
      const script = `return JSON.stringify([${table.map(([work]) => `(() => { try { ${work}; return 'nothing' } catch (e) { return nameOf(e) } })()`).join(',')}])`
      const told = JSON.parse(await inside(mountPoint, script)) as readonly string[]
      assert.equal(
        table.map(([work], at) => [work, told[at]]),
        table.map(([work, errno]) => [work, errno]),
      )
      // And the daemon told why, in its own words.
      assert.ok(words.some((word) => word.kind === 'problem' && word.path === '/A/revoked' && /no longer/.test(word.message)))
      assert.is((await run('md5sum', [join(mountPoint, 'A', 'plain-3000001')])).stdout.slice(0, 32), md5(large))
    })

    test('a store that never answers: EIO in time, everything else goes on, waiting programs can be killed', async () => {
      const daemon = await mountedDaemon({ callMs: 15_000, stuck: 41 })
      const { mountPoint } = daemon
      let over = 0
      const waiting = Array.from({ length: 40 }, async (_, index) => {
        const outcome = await run('cat', [join(mountPoint, 'stuck', `s${index}`)])
        over += 1
        return outcome
      })
      daemon.tell('wait for 40')
      await daemon.heard('waiting')
      assert.is((await run('md5sum', [join(mountPoint, 'A', 'plain-3000001')])).stdout.slice(0, 32), md5(large))
      assert.is((await run('ls', [join(mountPoint, 'A')])).code, 0)
      assert.is((await run('cat', [join(mountPoint, 'stuck', 's40')], 500)).code, 'SIGKILL')
      assert.is(over, 0, 'the rest had to wait')
      for (const { code, stderr } of await Promise.all(waiting)) {
        assert.is(code, 1)
        assert.match(stderr, /Input\/output error/)
      }
    })

    test('5 TiB: right at the far end, and across it', async () => {
      const { mountPoint } = await mountedDaemon()
      const place = blackBox.farBytes - 10
      const read = await inside(
        mountPoint,
        `const fd = fs.openSync(mnt + '/A/far'); const out = [];
      for (const at of [0, 2 ** 32 - 5, 2 ** 32 + 1, 2 ** 41, ${place}]) { const b = Buffer.alloc(20); const n = fs.readSync(fd, b, 0, 20, at); out.push([n, ...b.subarray(0, n)]) }
      return JSON.stringify([fs.fstatSync(fd).size, ...out])`,
      )
      const expected = [0, 2 ** 32 - 5, 2 ** 32 + 1, 2 ** 41, place].map((at) => {
        const count = Math.min(20, blackBox.farBytes - at)
        return [count, ...Array.from({ length: count }, (_, index) => farByte(at + index))]
      })
      assert.equal(JSON.parse(read), [blackBox.farBytes, ...expected])
    })

    test('a folder of 10,000 entries', async () => {
      const { mountPoint } = await mountedDaemon({ many: 10_000 })
      const told = await inside(
        mountPoint,
        `const names = fs.readdirSync(mnt + '/many'); return [names.length, new Set(names).size, fs.statSync(mnt + '/many/f9999').size]`,
      )
      assert.is(told, '10000,10000,1')
      assert.is((await run('find', [mountPoint, '-name', 'f77*', '-type', 'f'])).stdout.trim().split('\n').length, 111)
    })

    test('16 programs that read at random get the bytes of a local copy', async () => {
      const { mountPoint } = await mountedDaemon()
      const copy = join(dirname(mountPoint), 'copy')
      writeFileSync(copy, large)
      const script = (seed: number): string => `let s = ${seed}; const rnd = (n) => (s = (s * 1103515245 + 12345) % 2147483648) % n
      const local = fs.openSync(${JSON.stringify(copy)}); let bytes = 0
      for (let i = 0; i < 60; i++) { const fd = fs.openSync(mnt + '/A/plain-3000001')
        for (let j = 0; j < 4; j++) { const n = 1 + rnd(300000), at = rnd(3000500)
          const a = Buffer.alloc(n), b = Buffer.alloc(n)
          const x = fs.readSync(fd, a, 0, n, at), y = fs.readSync(local, b, 0, n, at)
          if (x !== y || !a.equals(b)) return 'differs at ' + at + ' ' + n; bytes += x }
        fs.closeSync(fd) }
      return bytes > 1e6 ? 'same' : 'too few'`
      const told = await Promise.all(Array.from({ length: 16 }, (_, index) => inside(mountPoint, script(7919 * (index + 1)))))
      assert.equal(new Set(told), new Set(['same']))
    })

    withProgram('samtools', 'samtools finds the index of an object by its id, and beside its file', async () => {
      const { bam, bai } = await makeBam(sortedRecords(createRandom(3), 500))
      const files = [
        { name: 's.bam', base64: Buffer.from(bam).toString('base64') },
        { name: 's.bam.bai', base64: Buffer.from(bai).toString('base64') },
      ]
      const local = join(dirname(makeMountPoint()), 's.bam')
      writeFileSync(local, bam)
      writeFileSync(`${local}.bai`, bai)
      const header = await run('samtools', ['view', '-H', local])
      const name = /SN:(\S+)/.exec(header.stdout)?.[1] ?? ''
      const expected = (await run('samtools', ['view', '-c', local, name])).stdout
      assert.ok(Number(expected) > 0, expected)
      const byId = await mountedDaemon({ layout: 'object-id', files })
      assert.equal(await run('samtools', ['view', '-c', join(byId.mountPoint, idOf(500)), name]), { stdout: expected, stderr: '', code: 0 })
      const bundle = await mountedDaemon({ files })
      const file = join(bundle.mountPoint, 'given', 's.bam')
      assert.equal(await run('samtools', ['view', '-c', file, name]), { stdout: expected, stderr: '', code: 0 })
      assert.is((await run('samtools', ['quickcheck', file])).code, 0)
      assert.is((await run('samtools', ['flagstat', file])).stdout, (await run('samtools', ['flagstat', local])).stdout)
    })

    test('a refresh is seen, and an open file stays', async () => {
      const daemon = await mountedDaemon({ attributeSeconds: 0 })
      const opened = join(dirname(daemon.mountPoint), 'opened')
      const holder = inside(
        daemon.mountPoint,
        `const fd = fs.openSync(mnt + '/A/plain-1'); fs.writeFileSync(${JSON.stringify(opened)}, ''); const b = Buffer.alloc(2); const end = Date.now() + 80_000
      while (Date.now() < end) { try { fs.statSync(mnt + '/A/plain-1') } catch { break } }
      return [fs.existsSync(mnt + '/A/plain-1'), fs.readSync(fd, b, 0, 2, 0), b[0]]`,
      )
      const deadline = Date.now() + 60_000
      while (!existsSync(opened) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20))
      daemon.tell('hide plain-1')
      await daemon.heard('refreshed')
      assert.is(await holder, `false,1,${sampleBytes(1)[0]}`)
    })

    test('leaving while files are open and reads wait: at once, and clean', async () => {
      const daemon = await mountedDaemon({ callMs: 60_000, stuck: 10 })
      const waiting = Array.from({ length: 10 }, (_, index) => run('cat', [join(daemon.mountPoint, 'stuck', `s${index}`)]))
      daemon.tell('wait for 10')
      await daemon.heard('waiting')
      const begun = Date.now()
      daemon.tell('leave')
      assert.is((await daemon.heard('ended')).how, 'unmounted')
      assert.is(await daemon.exited, 0)
      assert.ok(Date.now() - begun < 55_000, 'it waited for the reads')
      assert.is(await mountedAt(daemon.mountPoint), undefined)
      for (const { code, stderr } of await Promise.all(waiting)) {
        assert.is(code, 1)
        assert.match(stderr, /Input\/output error|not connected|connection abort|Bad file descriptor/, stderr)
      }
    })

    test('somebody else unmounts: the process hears of it and ends', async () => {
      const daemon = await mountedDaemon()
      assert.is((await run('umount', [daemon.mountPoint])).code, 0)
      assert.is((await daemon.heard('ended')).how, 'outside')
      assert.is(await daemon.exited, 0)
    })

    test('what a killed process leaves is cleared by the next', async () => {
      const first = await mountedDaemon()
      first.process.kill('SIGKILL')
      assert.is(await first.exited, 'SIGKILL')
      assert.is((await mountedAt(first.mountPoint))?.type, 'fuse.score')
      assert.is(await inside(first.mountPoint, 'return fs.readdirSync(mnt)'), 'ENOTCONN')
      const second = await mountedDaemon({ mountPoint: first.mountPoint })
      assert.is(await inside(second.mountPoint, `return fs.statSync(mnt + '/A/plain-1').size`), '1')
    })

    test('a name of a folder is never a command', async () => {
      const trap = join(dirname(makeMountPoint()), 'executed')
      const daemon = await mountedDaemon({ mountPoint: makeMountPoint(`$(touch ${trap.replaceAll('/', '\\057')}) "ö" \\ x`) })
      assert.is(await inside(daemon.mountPoint, `return fs.statSync(mnt + '/A/plain-1').size`), '1')
      daemon.tell('leave')
      assert.is(await daemon.exited, 0)
      assert.is(await mountedAt(daemon.mountPoint), undefined)
      assert.not(existsSync(trap))
    })

    const refused: readonly (readonly [what: string, prepare: (folder: string) => string, says: RegExp])[] = [
      ['a folder that is not there', (folder) => join(folder, 'none'), /there is no folder '.*none'; make it first/],
      ['a file', (folder) => made(join(folder, 'file'), (path) => writeFileSync(path, '')), /is a file; a mount needs an empty folder/],
      ['a folder with something in it', (folder) => folder, /is not empty \('mnt' is in it\)/],
      ['a relative path', () => 'mnt', /absolute path/],
      ['a path with ..', (folder) => `${folder}/mnt/../mnt`, /absolute path/],
      ['the kernel’s own mount', () => '/proc', /is a mount already \(proc\)/],
      ['a dangling link', (folder) => made(join(folder, 'link'), (path) => symlinkSync('/nowhere/at/all', path)), /there is no folder/],
    ]
    for (const [what, prepare, says] of refused) {
      test(`refused: ${what}`, async () => {
        const folder = dirname(makeMountPoint())
        const daemon = startDaemon({ driver, mountPoint: prepare(folder) })
        const { code, message } = await daemon.heard('refused')
        assert.is(code, 'invalid-configuration')
        assert.match(message, says)
        assert.is(await daemon.exited, 3)
      })
    }

    test('refused: a folder that is mounted already', async () => {
      const first = await mountedDaemon()
      const { message } = await startDaemon({ driver, mountPoint: first.mountPoint }).heard('refused')
      assert.match(message, /is a mount already \(fuse\.score\)/)
      assert.is(await inside(first.mountPoint, `return fs.statSync(mnt + '/A/plain-1').size`), '1')
    })
  })
}
