import { setTimeout as wait } from 'node:timers/promises'
import { ScoreError } from '../../src/index.ts'
import { type Answers, createAnswers } from './answers.ts'
import { cacheSecondsOf } from './cache-seconds.ts'
import type { FuseDriver, MountRequest } from './fuse-driver.ts'
import { encodeNativeStat, type FuseNativeLibrary, loadFuseNative, type NativeMount, nativeRead } from './fuse-native-library.ts'
import { mountType, prepareMountPoint, requireFuse } from './mount-point.ts'
import { watchMounted } from './mounted-folder.ts'
import { nativeOperations } from './native-operations.ts'
import { unmountFolder } from './unmount-folder.ts'

export interface FuseNativeDriverOptions {
  /** Where the library comes from; default the package fuse-native. */
  readonly load?: () => FuseNativeLibrary
  /** How often to look whether somebody else unmounted, ms; default 2000. */
  readonly watchMs?: number
  /** How long the kernel may take to begin, ms; default 10,000. */
  readonly startMs?: number
}

/** The library's own limit lies behind ours, which lies behind the mount's: each is there for the one before. */
const answerAfterMs = 2000
const libraryAfterMs = 5000

const quietStepMs = 25
const quietForMs = 250
const longestQuietingMs = 2000

/** One string that libfuse reads; nothing in it comes from outside but checked numbers. */
function mountOptions(request: MountRequest): string {
  const { attributes, negative } = cacheSecondsOf(request)
  const options = [
    'ro',
    'nosuid',
    'nodev',
    'fsname=score',
    `subtype=${mountType.slice('fuse.'.length)}`,
    'default_permissions',
    'auto_cache',
    'use_ino',
    // The kernel's 12 lets a dozen reads that wait stop every other one.
    'max_background=128',
    'congestion_threshold=96',
    `attr_timeout=${attributes}`,
    `entry_timeout=${attributes}`,
    `negative_timeout=${negative}`,
    ...(request.allowOther ? ['allow_other'] : []),
  ]
  return `-o${options.join(',')}`
}

async function begin(native: NativeMount, mountPoint: string, startMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(
        () => reject(new ScoreError('unavailable', `the kernel did not begin to use '${mountPoint}' within ${startMs / 1000} s`)),
        startMs,
      )
      native.mount((error) => {
        if (error)
          reject(
            new ScoreError(
              'invalid-configuration',
              `'${mountPoint}' cannot be mounted: ${error.message}; the reason is on stderr, from fusermount`,
              { cause: error },
            ),
          )
        else resolve()
      })
    })
  } catch (error) {
    await unmountFolder(mountPoint)
    throw error
  } finally {
    clearTimeout(timer)
  }
}

/** Lets go of the library's hold on the event loop; its own way of unmounting was taken from it. */
function letGo(native: NativeMount): Promise<void> {
  return new Promise((resolve) => native.unmount(() => resolve()))
}

/**
 * Waits until programs have their answers and have closed what they had open. Threads of the library must not be at work
 * when the process ends: their memory goes with it.
 */
async function quietDown({ activity }: Answers): Promise<void> {
  let { asked } = activity()
  let quietMs = 0
  for (let waitedMs = 0; waitedMs < longestQuietingMs && quietMs < quietForMs; waitedMs += quietStepMs) {
    await wait(quietStepMs)
    const now = activity()
    quietMs = now.owed === 0 && now.asked === asked ? quietMs + quietStepMs : 0
    asked = now.asked
  }
}

/** Mounts through the package fuse-native, which is loaded at the first mount. Main thread only; two mounts at once are fine. */
export function createFuseNativeDriver(options: FuseNativeDriverOptions = {}): FuseDriver {
  const { load = loadFuseNative, watchMs = 2000, startMs = 10_000 } = options
  const check: FuseDriver['check'] = async ({ mountPoint, allowOther = false }) => {
    await requireFuse(allowOther)
    await prepareMountPoint(mountPoint)
    load()
  }
  return {
    name: 'fuse-native',
    check,
    async mount(request) {
      const { mount, mountPoint, allowOther = false, onProblem } = request
      const nativeOptions = mountOptions(request)
      await check(request)
      const library = load()
      const { callMs } = mount.limits
      const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
      const answers = createAnswers({ answerMs: callMs + answerAfterMs, ...(onProblem ? { onProblem } : {}) })
      const operations = nativeOperations({ mount, answers, owner, allowOther })
      const native = new library(mountPoint, operations, { timeout: callMs + libraryAfterMs })
      native._fuseOptions = () => nativeOptions
      native._handlers[library.binding.op_read] = nativeRead(library.binding, operations)
      native._op_fgetattr = (signal, path, handle) =>
        operations.fgetattr(path, handle, (error, stat) => signal(error, stat && encodeNativeStat(stat)))
      await begin(native, mountPoint, startMs)
      const finish = async (): Promise<void> => {
        await mount.close()
        await quietDown(answers)
        await letGo(native)
      }
      return watchMounted({ mountPoint, watchMs, finish })
    },
  }
}
