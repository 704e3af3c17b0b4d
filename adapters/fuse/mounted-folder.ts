import type { MountedFolder } from './fuse-driver.ts'
import { unmountFolder } from './unmount-folder.ts'
import { watchUnmount } from './watch-unmount.ts'

export interface MountedFolderOptions {
  readonly mountPoint: string
  /** How often to look whether somebody else unmounted, ms. */
  readonly watchMs: number
  /** Resolves when the kernel has let go, for drivers that hear of it. */
  readonly letGo?: Promise<void>
  /** Ends what serves the mount, once it is no longer in the tree; called once. */
  readonly finish: () => Promise<void>
}

/** The life of a mount after its begin, whichever driver serves it: it ends once, by us or from outside. */
export function watchMounted({ mountPoint, watchMs, letGo, finish }: MountedFolderOptions): MountedFolder {
  let settle: (how: 'unmounted' | 'outside') => void = () => undefined
  const ended = new Promise<'unmounted' | 'outside'>((resolve) => {
    settle = resolve
  })
  let unmounting: Promise<void> | undefined
  const end = async (how: 'unmounted' | 'outside'): Promise<void> => {
    watch.stop()
    await finish()
    settle(how)
  }
  const endOutside = (): void => {
    unmounting ??= end('outside')
  }
  const watch = watchUnmount(mountPoint, watchMs, endOutside)
  void letGo?.then(endOutside)
  return {
    mountPoint,
    ended,
    unmount() {
      unmounting ??= unmountFolder(mountPoint).then(
        () => end('unmounted'),
        (error: unknown) => {
          unmounting = undefined
          throw error
        },
      )
      return unmounting
    },
  }
}
