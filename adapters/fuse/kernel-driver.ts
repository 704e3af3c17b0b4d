import { spawnSync } from 'node:child_process'
import { setTimeout as wait } from 'node:timers/promises'
import { ScoreError } from '../../src/index.ts'
import { cacheSecondsOf } from './cache-seconds.ts'
import type { FuseDriver, MountRequest } from './fuse-driver.ts'
import { attach, raiseReadAhead, requireMayMount } from './kernel-attach.ts'
import { type KernelChannel, openKernelChannel } from './kernel-channel.ts'
import { createKernelSession } from './kernel-session.ts'
import { prepareMountPoint, requireFuseDevice } from './mount-point.ts'
import { watchMounted } from './mounted-folder.ts'
import { unmountFolder } from './unmount-folder.ts'

export interface KernelDriverOptions {
  /** How often to look whether somebody else unmounted while files are open, ms; default 2000. */
  readonly watchMs?: number
  /** How long mount(8), and the kernel after it, may take to begin, ms; default 10,000. */
  readonly startMs?: number
}

/** Behind the mount's own limit: each is there for the one before. */
const answerAfterMs = 2000
const closingMs = 2000
const exitUnmountMs = 5000

async function within(limitMs: number, work: Promise<void>, what: string): Promise<void> {
  const stop = new AbortController()
  const late = wait(limitMs, undefined, { signal: stop.signal }).then(() => {
    throw new ScoreError('unavailable', `${what} within ${limitMs / 1000} s`)
  })
  late.catch(() => undefined)
  try {
    await Promise.race([work, late])
  } finally {
    stop.abort()
  }
}

/** A process cannot end while a read of the device waits, so whoever ends it in the midst has this done first. */
function leaveAtExit(channel: KernelChannel, mountPoint: string): () => void {
  const leave = (): void => {
    channel.abandon()
    spawnSync('umount', ['-l', '--', mountPoint], { stdio: 'ignore', timeout: exitUnmountMs, killSignal: 'SIGKILL' })
  }
  process.once('exit', leave)
  return () => void process.off('exit', leave)
}

/**
 * Speaks the kernel's protocol itself: no native code, any machine that runs Linux and Node. For root, and for users in a
 * user namespace of their own. Each mount of a process keeps one thread of Node's pool (UV_THREADPOOL_SIZE).
 */
export function createKernelDriver({ watchMs = 2000, startMs = 10_000 }: KernelDriverOptions = {}): FuseDriver {
  const check: FuseDriver['check'] = async ({ mountPoint }) => {
    requireMayMount()
    await requireFuseDevice()
    await prepareMountPoint(mountPoint)
  }
  const begin = async (request: MountRequest, channel: KernelChannel): Promise<void> => {
    const { mount, mountPoint, allowOther = false, onProblem } = request
    const ownership = { owner: { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }, allowOther }
    const answerMs = mount.limits.callMs + answerAfterMs
    const session = createKernelSession({
      ...ownership,
      mount,
      seconds: cacheSecondsOf(request),
      send: channel.send,
      answerMs,
      ...(onProblem ? { onProblem } : {}),
    })
    channel.start(session.receive, session.files)
    await attach({ ...ownership, mountPoint, descriptor: channel.descriptor, limitMs: startMs })
    await within(startMs, session.agreed, `the kernel did not begin to use '${mountPoint}'`)
    await raiseReadAhead(mountPoint)
  }
  return {
    name: 'kernel',
    check,
    async mount(request) {
      const { mount, mountPoint, onProblem } = request
      cacheSecondsOf(request)
      await check(request)
      const channel = openKernelChannel({ onProblem: (error, operation) => onProblem?.(error, operation, mountPoint) })
      const stay = leaveAtExit(channel, mountPoint)
      try {
        await begin(request, channel)
      } catch (error) {
        await unmountFolder(mountPoint)
        await channel.stop()
        stay()
        throw error
      }
      const finish = async (): Promise<void> => {
        await mount.close()
        const enough = new AbortController()
        await Promise.race([channel.ended, wait(closingMs, undefined, { signal: enough.signal }).catch(() => undefined)])
        enough.abort()
        await channel.stop()
        stay()
      }
      return watchMounted({ mountPoint, watchMs, letGo: channel.ended, finish })
    },
  }
}
