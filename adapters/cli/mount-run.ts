import type { FileTree, FuseMount, MountStatistics, ObjectOpener, TreeReport } from '../../src/index.ts'
import type { FuseDriver, MountedFolder } from '../fuse/index.ts'
import type { CommandContext } from './context.ts'
import { formatBytes, plural } from './format.ts'
import type { MountLog } from './mount-log.ts'
import { type MountRecord, removeMountRecord, writeMountRecord } from './mount-record.ts'

/** What is to be mounted, and how. */
export interface MountRun {
  readonly driver: FuseDriver
  readonly tree: FileTree
  readonly mount: FuseMount
  readonly opener: ObjectOpener
  readonly mountPoint: string
  readonly log: MountLog
  readonly logPath: string | undefined
  /** Address of the Score server. */
  readonly url: string
  readonly layout: string
  readonly allowOther: boolean
  readonly attributeSeconds?: number
  readonly negativeSeconds?: number
  /** Ends with the process that started this one. */
  readonly withParent: boolean
  /** In the background: SIGHUP refreshes. Otherwise it ends the mount, as a terminal that is closed does. */
  readonly background: boolean
  /** 0: never by itself. */
  readonly refreshSeconds: number
  /** Has what is kept of listings asked for anew. */
  readonly refreshServices: () => void
  /** Says that it is ready. */
  readonly announce: (report: TreeReport) => void
}

const parentEveryMs = 500

function describeStatistics({ openFiles, reads, bytesRead, pending, cache }: MountStatistics, residentBytes: number): string {
  const { fetchedBytes, fetches, memoryBytes, maximumBytes } = cache
  return [
    `${plural(openFiles, 'file')} open, ${reads} reads of ${formatBytes(bytesRead)}, ${pending} waiting`,
    `fetched ${formatBytes(fetchedBytes)} in ${plural(fetches, 'request')}`,
    `cache ${formatBytes(memoryBytes)} of ${formatBytes(maximumBytes)}, resident ${formatBytes(residentBytes)}`,
  ].join('; ')
}

function firstOf(signal: AbortSignal, more: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
    more.then(
      () => resolve(),
      () => resolve(),
    )
  })
}

async function recordOf(run: MountRun, now: () => number): Promise<MountRecord> {
  const { ownProcess } = await import('../../src/index.ts')
  const { objects, bytes } = run.tree.report()
  const { mountPoint, url, layout, driver, logPath } = run
  const startedAt = new Date(now()).toISOString()
  const log = logPath === undefined ? {} : { log: logPath }
  return { mountPoint, process: await ownProcess(), url, driver: driver.name, layout, startedAt, objects, bytes, ...log }
}

interface Watch {
  /** Resolves when something other than the signal of the context says to end. */
  readonly told: Promise<void>
  stop(): void
}

/** Signals of people and of `--status`, the parent, and the clock. */
function watchOver(run: MountRun, record: MountRecord, context: CommandContext): Watch {
  const { tree, mount, log, background } = run
  let tell: () => void = () => undefined
  const told = new Promise<void>((resolve) => {
    tell = resolve
  })
  const refresh = (): void => {
    run.refreshServices()
    tree.refresh().then(
      ({ objects, bytes }) => log.tell('refreshed', { objects, bytes }),
      (error: unknown) => {
        const message = error instanceof Error ? error.message : String(error)
        log.tell('refresh-failed', { message })
        context.output.warn(`the tree could not be refreshed and stays as it was: ${message}`)
      },
    )
  }
  const statistics = (): void => {
    const residentBytes = process.memoryUsage.rss()
    const counted = mount.statistics()
    log.tell('statistics', { residentBytes, ...counted })
    context.output.say(describeStatistics(counted, residentBytes))
    const at = new Date(context.now()).toISOString()
    writeMountRecord(context.env, { ...record, told: { at, residentBytes, mount: counted } }).catch((error: unknown) =>
      log.tell('record-failed', { message: String(error) }),
    )
  }
  const hangUp = (): void => (background ? refresh() : tell())
  process.on('SIGUSR2', statistics)
  process.on('SIGHUP', hangUp)
  const parent = process.ppid
  const timers = [
    run.withParent ? setInterval(() => process.ppid !== parent && tell(), parentEveryMs) : undefined,
    run.refreshSeconds > 0 ? setInterval(refresh, run.refreshSeconds * 1000) : undefined,
  ]
  return {
    told,
    stop() {
      process.off('SIGUSR2', statistics)
      process.off('SIGHUP', hangUp)
      for (const timer of timers) clearInterval(timer)
    },
  }
}

async function serve(run: MountRun, folder: MountedFolder, context: CommandContext): Promise<void> {
  const { log, tree, opener } = run
  const record = await recordOf(run, context.now)
  const watch = watchOver(run, record, context)
  try {
    await writeMountRecord(context.env, record)
    log.tell('mounted', { mountPoint: run.mountPoint, driver: run.driver.name, url: run.url })
    run.announce(tree.report())
    await firstOf(context.signal, Promise.race([watch.told, folder.ended]))
    await folder.unmount()
    log.tell('unmounted', { how: await folder.ended, ...run.mount.statistics() })
  } finally {
    watch.stop()
    await removeMountRecord(context.env, record)
    await opener.close()
  }
}

/** Mounts, says so, and serves until a signal, the parent or somebody else ends it. */
export async function mountUntilEnded(run: MountRun, context: CommandContext): Promise<void> {
  const { driver, mount, mountPoint, allowOther, attributeSeconds, negativeSeconds, log } = run
  const folder = await driver.mount({
    mount,
    mountPoint,
    allowOther,
    ...(attributeSeconds !== undefined && { attributeSeconds }),
    ...(negativeSeconds !== undefined && { negativeSeconds }),
    onProblem(error, operation, path) {
      const message = error instanceof Error ? error.message : String(error)
      log.tell('problem', { operation, path, message })
      if (!run.background) context.output.warn(`${operation} of ${JSON.stringify(path)} failed: ${message}`)
    },
  })
  try {
    await serve(run, folder, context)
  } finally {
    // Whatever went wrong on the way: nothing stays mounted without a process behind it.
    await folder.unmount()
  }
}
