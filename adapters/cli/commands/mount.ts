import { access, constants, readdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { ProblemCode, TreeReport } from '../../../src/index.ts'
import type { CommandValues, Run } from '../command-run.ts'
import { checkConnection } from '../connection-check.ts'
import type { CommandContext } from '../context.ts'
import { isScoreErrorLike } from '../error-report.ts'
import { formatBytes, formatElapsed, plural, printable } from '../format.ts'
import { isDaemon, startDaemon, tellParent } from '../mount-daemon.ts'
import { openMountLog } from '../mount-log.ts'
import { selectionOf, servicesOf } from '../mount-objects.ts'
import { parseFuseOptions } from '../mount-options.ts'
import { mountFile } from '../mount-record.ts'
import { type MountRun, mountUntilEnded } from '../mount-run.ts'
import { showMounts } from '../mount-status.ts'
import { isRefusal, refusal } from '../refusal.ts'
import { openSession } from '../session.ts'

type Values = CommandValues<'mount'>

/** Somebody waits for each request: it must fail while they still do. */
const patience = { attempts: 4, seconds: 10 }

/** How many of what is left out, or renamed, are named one by one. */
const mostNamed = 10

/** The original's words for what it looks at first. */
async function checkAsOriginal(mountPoint: string, { strict }: CommandContext): Promise<void> {
  if (!strict) return
  const cannot = (advice: string): Error => refusal(`Cannot mount to '${mountPoint}'. Please ${advice}`)
  const { R_OK, W_OK, X_OK } = constants
  const names = await access(mountPoint, R_OK | W_OK | X_OK)
    .then(() => readdir(mountPoint))
    .catch(() => undefined)
  if (names === undefined) throw cannot('check directory permissions and try again')
  if (names.length > 0) throw cannot('ensure the directory is empty and is not already mounted')
}

function checkValues({ connections, refresh, cacheDir, cacheDirSize, daemonize, withParent }: Values): void {
  if (connections < 1 || connections > 256) throw refusal(`--connections must lie between 1 and 256, and is ${connections}`)
  if (refresh < 0) throw refusal(`--refresh must not be negative, and is ${refresh}`)
  if (cacheDirSize !== undefined && cacheDir === undefined) throw refusal('--cache-dir-size goes with --cache-dir')
  if (daemonize && withParent) throw refusal('--with-parent and --daemonize exclude each other: a daemon has no parent to end with')
}

function tellReport({ leftOut, renamed }: TreeReport, context: CommandContext): void {
  const { output } = context
  for (const { message } of leftOut.slice(0, mostNamed)) output.warn(`not shown: ${printable(message)}`)
  if (leftOut.length > mostNamed) output.warn(`not shown: ${leftOut.length - mostNamed} more`)
  for (const { path, fileName } of renamed.slice(0, mostNamed)) output.warn(`'${printable(fileName)}' is called ${printable(path)}`)
  if (renamed.length > mostNamed) output.warn(`${renamed.length - mostNamed} more have other names than in the catalogue`)
}

interface Place {
  readonly mountPoint: string
  readonly logPath: string | undefined
  readonly driver: MountRun['driver']
}

/** Everything that can be refused without asking any server. */
async function checkPlace(values: Values, context: CommandContext): Promise<Place> {
  const { cwd } = context
  checkValues(values)
  const { options, ignored } = parseFuseOptions(values.options)
  if (ignored.length > 0 && !context.strict) context.output.warn(`--options: ${ignored.join(', ')} has no effect here`)
  const { chooseDriver, locateMountPoint } = await import('../../fuse/index.ts')
  const mountPoint = await locateMountPoint(values.mountPoint as string, cwd)
  const driver = chooseDriver(values.driver)
  await driver.check({ mountPoint, allowOther: options.allowOther })
  await checkAsOriginal(mountPoint, context)
  return { mountPoint, driver, logPath: values.log === undefined ? undefined : resolve(cwd, values.log) }
}

/** Gathers what is to be shown, mounts it, and serves it until it ends. */
async function mountHere(values: Values, place: Place, context: CommandContext): Promise<number> {
  const { output, now, strict, signal } = context
  const begun = now()
  const sdk = await import('../../../src/index.ts')
  const { boundYoungGeneration } = await import('../../fuse/index.ts')
  boundYoungGeneration()
  const { mountPoint, driver, logPath } = place
  const session = await openSession(context, { patience })
  const log = openMountLog({ path: logPath, redact: sdk.redactText, now })
  const background = isDaemon(context)
  try {
    await checkConnection(values.verifyConnection, session, context)
    const { services, refresh } = await servicesOf(values, session, context)
    if (strict) output.say('Indexing remote entities and objects (Tip: use --cache-metadata to keep them for the next mount)')
    const selection = await selectionOf(values, session, context)
    const tree = await sdk.createFileTree(services, { selection, layout: values.layout, signal, now })
    const { network } = session.reach
    const diskCache =
      values.cacheDir === undefined
        ? undefined
        : await sdk.openDiskCache({
            folder: resolve(context.cwd, values.cacheDir),
            now,
            ...(values.cacheDirSize !== undefined && { maximumBytes: values.cacheDirSize }),
            onProblem: (error) => log.tell('disk-cache', { message: error instanceof Error ? error.message : String(error) }),
          })
    const opener = sdk.createObjectOpener({
      ...(diskCache && { diskCache }),
      api: session.api(),
      connections: values.connections,
      now,
      ...(network && { network }),
      onRetry: ({ error }) => log.tell('retry', { message: error.message }),
    })
    const cache = {
      connections: values.connections,
      ...(values.cacheMemory !== undefined && { maximumBytes: values.cacheMemory }),
    }
    const mount = sdk.createFuseMount({ tree, open: opener.open, cache, now })
    const announce = (report: TreeReport): void => {
      const { objects, bytes, leftOut } = report
      const event = { type: 'ready', mountPoint, pid: process.pid, driver: driver.name, objects, bytes, leftOut: leftOut.length }
      const lines = [
        `${plural(objects, 'object')} of ${formatBytes(bytes)}, after ${formatElapsed((now() - begun) / 1000)}`,
        `Successfully mounted file system at ${mountPoint} and is now ready for use.`,
      ]
      if (background) return void tellParent({ kind: 'ready', event, lines })
      tellReport(report, context)
      output.event(event)
      for (const line of lines) output.say(line)
    }
    const { options } = parseFuseOptions(values.options)
    const run = {
      ...{ driver, tree, mount, opener, mountPoint, log, logPath, background, announce, ...options },
      ...{ url: session.config.text('storage.url'), layout: values.layout, withParent: values.withParent },
      ...{ refreshSeconds: values.refresh, refreshServices: refresh },
    }
    await mountUntilEnded(run, context)
    await diskCache?.close()
    const { bytesRead, cache: counted } = mount.statistics()
    const moved = `${formatBytes(bytesRead)} read, ${plural(counted.fetches, 'request')} to the store`
    output.say(
      strict
        ? `Shut down mount after ${formatElapsed((now() - begun) / 1000)} with a total of ${counted.fetches} connects and ${bytesRead} bytes read.`
        : `Unmounted ${mountPoint}: ${moved}.`,
    )
    return 0
  } finally {
    log.close()
    await session.close()
  }
}

/** In the background: what goes wrong before the mount is ready is said by the process that waits. */
async function mountInBackground(values: Values, context: CommandContext): Promise<number> {
  try {
    const place = await checkPlace(values, context)
    // A folder that this process stands in could not be unmounted.
    process.chdir('/')
    return await mountHere(values, place, context)
  } catch (error) {
    const code: ProblemCode = isRefusal(error) || isScoreErrorLike(error) ? error.code : 'internal'
    await tellParent({ kind: 'failed', code, message: error instanceof Error ? error.message : String(error) })
    throw error
  }
}

export const run: Run<'mount'> = async (values, _args, context) => {
  const { output } = context
  if (values.status) return showMounts(values.mountPoint, context)
  if (isDaemon(context)) return mountInBackground(values, context)
  const place = await checkPlace(values, context)
  if (!values.daemonize) return mountHere(values, place, context)
  const { makeFolder } = await import('../../../src/index.ts')
  const errors = place.logPath ?? mountFile(context.env, place.mountPoint, 'log')
  await makeFolder(resolve(errors, '..'), { mode: 0o700 })
  const { event, lines } = await startDaemon(errors, context)
  output.event(event)
  for (const line of lines) output.say(line)
  output.say(`It runs in the background as process ${event['pid']}; end it with: score unmount ${place.mountPoint}`)
  return 0
}
