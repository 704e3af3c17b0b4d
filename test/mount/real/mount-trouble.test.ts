import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { mountedAt } from '../../../adapters/fuse/mount-table.ts'
import { md5OfFile, type Started } from '../../adapters/cli/cli-world.ts'
import type { FaultRule, ProxyFault } from '../../services/support/fault-proxy.ts'
import { suite } from '../../support/suite.ts'
import { type ReaderOutcome, run } from './daemon.ts'
import type { DriverName } from './daemon-plan.ts'
import { type MountSite, startMountSite } from './mount-site.ts'
import { createMountWorld, jsonLines, type MountWorld } from './mount-world.ts'
import { whyNoMounts } from './why-no-mounts.ts'

interface Trouble {
  readonly what: string
  readonly fault?: ProxyFault
  /** How many requests it hits; default all. */
  readonly times?: number
  /** From the first request on, which opens the file; otherwise from the first read on. */
  readonly opening?: boolean
  /** Absent: the right bytes. */
  readonly errno?: 'EIO' | 'ESTALE' | 'ENOENT'
}

const status = (code: number): ProxyFault => ({ kind: 'answer', status: code, body: '<Error/>' })
const rangeOf = (contentRange: string): ProxyFault => ({ kind: 'head', headers: { 'content-range': contentRange } })

const fileBytes = 400_000

const troubles: readonly Trouble[] = [
  { what: 'none' },
  { what: 'answers late', fault: { kind: 'delay', ms: 2000 }, times: 1 },
  { what: 'cuts connections off, twice', fault: { kind: 'reset' }, times: 2 },
  { what: 'cuts connections off, always', fault: { kind: 'reset' }, errno: 'EIO' },
  { what: 'cuts connections off when a file is opened', fault: { kind: 'reset' }, opening: true, errno: 'EIO' },
  { what: 'cuts answers off before their first byte', fault: { kind: 'cut-answer', afterBytes: 0 }, times: 2 },
  { what: 'cuts answers off in the middle', fault: { kind: 'cut-answer', afterBytes: 70_001 }, times: 3 },
  { what: 'answers 500 twice', fault: status(500), times: 2 },
  { what: 'answers 503 twice', fault: status(503), times: 2 },
  { what: 'answers 503 always', fault: status(503), errno: 'EIO' },
  { what: 'answers 503 when a file is opened', fault: status(503), opening: true, errno: 'EIO' },
  { what: 'answers 404 in the middle', fault: status(404), errno: 'EIO' },
  { what: 'answers 404 when a file is opened', fault: status(404), opening: true, errno: 'ENOENT' },
  { what: 'refuses the URL once', fault: status(403), times: 1 },
  { what: 'refuses every URL in the middle', fault: status(403), errno: 'EIO' },
  { what: 'ignores Range', fault: { kind: 'head', status: 200, headers: { 'content-range': '' } }, errno: 'EIO' },
  { what: 'names another range', fault: rangeOf(`bytes 0-9/${fileBytes}`), errno: 'EIO' },
  { what: 'names no range', fault: rangeOf(''), errno: 'EIO' },
  { what: 'gives another range', fault: { kind: 'other-range', of: (first, last) => [first - 1000, last] }, errno: 'EIO' },
  { what: 'gives less than asked', fault: { kind: 'other-range', of: (first, last) => [first, (first + last) >> 1] }, times: 4 },
  { what: 'names another size', fault: rangeOf(`bytes 0-9/${fileBytes + 1}`), errno: 'EIO' },
  { what: 'has another ETag', fault: { kind: 'etag', value: '"another"' }, errno: 'ESTALE' },
  { what: 'has lost the ETag', fault: { kind: 'etag' }, errno: 'ESTALE' },
  { what: 'compresses', fault: { kind: 'head', headers: { 'content-encoding': 'gzip' } }, errno: 'EIO' },
  { what: 'is silent once', fault: { kind: 'silence' }, times: 1 },
  { what: 'is silent always', fault: { kind: 'silence' }, errno: 'EIO' },
  { what: 'is silent when a file is opened', fault: { kind: 'silence' }, opening: true, errno: 'EIO' },
  { what: 'stands still in the middle', fault: { kind: 'drip', afterBytes: 1000 }, errno: 'EIO' },
  { what: 'gives a byte from time to time', fault: { kind: 'drip', afterBytes: 1000, everyMs: 500 }, errno: 'EIO' },
]

const words: Readonly<Record<string, RegExp>> = {
  EIO: /Input\/output error/,
  ESTALE: /Stale file handle/,
  ENOENT: /No such file or directory/,
}

const drivers: readonly DriverName[] = ['fuse-native', 'kernel']
/** A call ends within 30 s, and the kernel tries a read twice; the rest is for machines that have much to do. */
const boundMs = 240_000

interface Mounted {
  readonly driver: DriverName
  readonly point: string
  readonly started: Started
  readonly log: string
  /** By the file's name. */
  readonly reads: ReadonlyMap<string, Promise<ReaderOutcome>>
  /** What was done while reads waited. */
  readonly meanwhile: Promise<Readonly<Record<'list' | 'healthy' | 'killed', ReaderOutcome>>>
}

const nameOf = (driver: DriverName, index: number): string => `${driver}-${index}.bin`

suite('a mount of a store in trouble', (plain) => {
  const missing = whyNoMounts()
  let world: MountWorld
  let site: MountSite
  const mounts = new Map<DriverName, Promise<Mounted>>()

  const waiting = async (point: string): Promise<boolean> => {
    const row = (await world.status()).find(({ mountPoint }) => mountPoint === point) as
      | { readonly statistics?: { readonly pending?: number } }
      | undefined
    return (row?.statistics?.pending ?? 0) > 0
  }
  const untilWaiting = async (point: string): Promise<void> => {
    for (const deadline = Date.now() + boundMs; !(await waiting(point)); ) assert.ok(Date.now() < deadline, 'no read waits')
  }

  /** Mounts the files of a driver, and begins to read each of them. */
  const begin = async (driver: DriverName): Promise<Mounted> => {
    const study = driver.toUpperCase()
    const names = troubles.map((_, index) => nameOf(driver, index))
    for (const name of names) world.cli.makeFile(name, fileBytes)
    const uploaded = await world.upload(study, names)
    const idOf = (index: number): string => uploaded.find(({ path }) => path.endsWith(nameOf(driver, index)))?.objectId as string
    troubles.forEach(({ fault, times = Number.POSITIVE_INFINITY, opening }, index) => {
      if (fault) rules.push({ operation: 'GetObject', path: idOf(index), fault, times, after: opening ? 0 : 1 })
    })
    site.proxy.script(...rules)
    const point = world.pointOf(`mnt-${driver}`)
    const log = join(world.cli.folder, `${driver}.log`)
    const started = await world.mounted(point, '--driver', driver, '--study-id', study, '--log', log)
    const folder = join(point, (await run('ls', [point])).stdout.trim())
    const read = (name: string): Promise<ReaderOutcome> => run('md5sum', [join(folder, name)], boundMs)
    const reads = new Map(names.map((name) => [name, read(name)]))
    const still = troubles.findIndex(({ what }) => what === 'is silent always')
    const during = async () => {
      await untilWaiting(point)
      const killed = await run('cat', [join(folder, nameOf(driver, still))], 1000)
      return { list: await run('ls', [folder], boundMs), healthy: await read(nameOf(driver, 0)), killed }
    }
    return { driver, point, started, log, reads, meanwhile: during() }
  }
  const rules: FaultRule[] = []
  const mountOf = (driver: DriverName): Promise<Mounted> => mounts.get(driver) as Promise<Mounted>

  if (missing === undefined) {
    plain.before(async () => {
      world = await createMountWorld(async (place) => {
        site = await startMountSite(place)
        return site
      })
      for (const driver of drivers) mounts.set(driver, begin(driver))
      await Promise.all(mounts.values())
    })
    plain.after(async () => {
      await world?.cleanUp()
      await world?.close()
    })
  }
  const test = missing === undefined ? plain : (name: string) => plain.skip(name, missing)

  for (const driver of drivers) {
    troubles.forEach(({ what, errno }, index) => {
      test(`${driver}: the store's trouble is: ${what}; a reader gets ${errno ?? 'the right bytes'}`, async () => {
        const name = nameOf(driver, index)
        const outcome = await (await mountOf(driver)).reads.get(name)
        if (errno === undefined) assert.is(outcome?.stdout.slice(0, 32), md5OfFile(join(world.cli.folder, name)), outcome?.stderr)
        else assert.match(`${outcome?.code} ${outcome?.stderr}`, words[errno] as RegExp)
      })
    })

    test(`${driver}: while reads wait, folders are listed, other files read, and programs killed`, async () => {
      const { meanwhile } = await mountOf(driver)
      const { list, healthy, killed } = await meanwhile
      assert.is(list.stdout.trim().split('\n').length, troubles.length)
      assert.is(healthy.stdout.slice(0, 32), md5OfFile(join(world.cli.folder, nameOf(driver, 0))))
      assert.is(killed.code, 'SIGKILL')
    })

    test(`${driver}: each EIO and ESTALE is told with its cause, in the log and to whoever mounted, and no secret with it`, async () => {
      const { log, started, reads } = await mountOf(driver)
      await Promise.all(reads.values())
      const text = readFileSync(log, 'utf8')
      const problems = jsonLines(text).filter(({ event }) => event === 'problem')
      troubles.forEach(({ errno }, index) => {
        const told = problems.some(({ path }) => String(path).endsWith(`/${nameOf(driver, index)}`))
        assert.is(told, errno !== undefined && errno !== 'ENOENT', `${nameOf(driver, index)}: ${troubles[index]?.what}`)
      })
      for (const where of [text, started.stderr(), started.stdout()])
        assert.not.match(where, new RegExp(`${site.token}|signature=[^R]|Credential=`, 'i'))
      assert.match(started.stderr(), /read of .* failed: /)
    })

    test(`${driver}: every trouble took place`, async () => {
      for (const mounted of mounts.values()) await Promise.all((await mounted).reads.values())
      assert.is(site.proxy.pending, 0)
    })

    test(`${driver}: while a read waits it is unmounted, which ends the read`, async () => {
      const { point, started, reads } = await mountOf(driver)
      await Promise.all(reads.values())
      const still = troubles.findIndex(({ what }) => what === 'is silent always')
      const folder = (await run('ls', [point])).stdout.trim()
      const stuck = run('cat', [join(point, folder, nameOf(driver, still))], boundMs)
      await untilWaiting(point)
      const unmounted = await world.cli.run(['unmount', point])
      assert.is(unmounted.code, 0, unmounted.stderr)
      assert.is(await mountedAt(point), undefined)
      assert.is((await started.ended).code, 0, started.stderr())
      assert.is((await stuck).code, 1)
    })
  }
})
