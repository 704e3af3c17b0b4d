import type { FuseMount } from '../../src/index.ts'

export interface MountRequest {
  /** What is mounted. It is closed when the mount ends, however it ends. */
  readonly mount: FuseMount
  /** Absolute path of an empty folder. */
  readonly mountPoint: string
  /** Let other users in; plain users need `user_allow_other` in /etc/fuse.conf. Default false. */
  readonly allowOther?: boolean
  /** How long the kernel may keep what it was told of a name; default 60 s. Bounds how late a refresh is seen. */
  readonly attributeSeconds?: number
  /** How long the kernel may keep that a name is not there; default 5 s. */
  readonly negativeSeconds?: number
  /** Told of failures that a program on the mount saw as EIO, ESTALE, EACCES or EMFILE, with their cause. */
  readonly onProblem?: (error: unknown, operation: string, path: string) => void
}

export interface MountedFolder {
  readonly mountPoint: string
  /** Resolves when it is no longer mounted: `unmounted` by us, `outside` when somebody else did it. */
  readonly ended: Promise<'unmounted' | 'outside'>
  /**
   * Takes the mount away at once, also while files on it are open, fails what waits, and gives programs up to two seconds
   * to close what they had open. Repeating it is safe.
   *
   * @throws `unavailable` when the system refuses.
   */
  unmount(): Promise<void>
}

/** One way to hand a `FuseMount` to a kernel. */
export interface FuseDriver {
  readonly name: string
  /**
   * Whether this machine, this user and this folder can, before anything else is begun. What a killed process of ours left
   * on the folder is cleared.
   *
   * @throws `invalid-configuration` with the way out.
   */
  check(place: Pick<MountRequest, 'mountPoint' | 'allowOther'>): Promise<void>
  /**
   * Resolves when the kernel has it: the first `ls` works.
   *
   * @throws `invalid-configuration` with the way out, when this machine, this user or this folder cannot; `unavailable`
   *   when the kernel does not take it in time.
   */
  mount(request: MountRequest): Promise<MountedFolder>
}
