import { createPageCache, type PageCacheOptions, type PageCacheStatistics, type ReadOptions } from '../bytes/page-cache.ts'
import type { ByteRange } from '../core/byte-range.ts'
import type { CallOptions } from '../core/call-options.ts'
import { type ProblemCode, ScoreError } from '../core/errors.ts'
import { createCallTally } from './call-tally.ts'
import type { FileTree } from './file-tree.ts'
import { createOpenFiles, defaultMountLimits, type MountLimits } from './open-files.ts'
import type { OpenObject } from './shared-sources.ts'
import type { FileNode, FolderNode, TreeNode, TreeObject } from './tree-node.ts'

export interface FuseMountOptions {
  readonly tree: Pick<FileTree, 'lookup' | 'report'>
  readonly open: OpenObject
  /** Memory for what was read and what is read ahead, of all files together, and how it is filled. */
  readonly cache?: Omit<PageCacheOptions, 'now'>
  readonly limits?: Partial<MountLimits>
  /** Clock in ms since 1970; default the system's. */
  readonly now?: () => number
}

/** What `stat` tells, but for the owner, whom the driver knows. */
export interface FileAttributes {
  readonly kind: 'file' | 'folder'
  /** Bytes; 0 for a folder. */
  readonly size: number
  readonly modified: Date
  /** Permission bits: 0o444 of a file, 0o555 of a folder. */
  readonly permissions: number
  /** Unlike any other of the mount, the same after a refresh, below 2^32. */
  readonly inode: number
  /** 1 of a file; of a folder 2 and one for each folder in it. */
  readonly links: number
  /** Units of 512 bytes. */
  readonly blocks: number
  /** Best size of a read. */
  readonly blockSize: number
}

export interface FolderEntry {
  readonly name: string
  readonly attributes: FileAttributes
}

/** What `statfs` tells; nothing is free. */
export interface FileSystemStatus {
  readonly blockSize: number
  /** Of all objects, in units of `blockSize`, rounded up. */
  readonly blocks: number
  readonly files: number
  readonly maximumNameBytes: number
}

/** For people who look after a mount: counts since it began. */
export interface MountStatistics {
  readonly since: Date
  readonly openFiles: number
  readonly openSources: number
  /** Calls that are not done. */
  readonly pending: number
  /** How long the oldest of them has waited, ms. */
  readonly oldestPendingMs: number
  readonly reads: number
  readonly bytesRead: number
  /** Calls that failed, by code. */
  readonly failures: Readonly<Partial<Record<ProblemCode, number>>>
  /** Calls that failed because their callers gave them up: a program got a signal. */
  readonly interrupted: number
  readonly cache: PageCacheStatistics
}

/**
 * A read-only file system over a tree of objects, without any kernel: what a kernel asks, in promises. Every failure is a
 * `ScoreError` whose code has an errno in `problems`, and every call ends within {@link MountLimits.callMs}.
 */
export interface FuseMount {
  readonly limits: MountLimits
  /** @throws `path-not-found`, `not-a-folder`. */
  getattr(path: string, options?: CallOptions): Promise<FileAttributes>
  /** What was told of an open file when it was opened, whatever the tree says now. @throws `not-open`. */
  fgetattr(handle: number, options?: CallOptions): Promise<FileAttributes>
  /** Entries in order of name, without `.` and `..`. @throws `path-not-found`, `not-a-folder`. */
  readdir(path: string, options?: CallOptions): Promise<readonly FolderEntry[]>
  /**
   * A handle, from 1, below 2^31. It keeps to the object as it is now, also after the tree was refreshed.
   *
   * @throws `path-not-found`, `not-a-folder`, `is-a-folder`, `too-many-open`; `object-not-found`, `access-denied` and the
   *   like for an object that is gone or not allowed; `object-changed` when its size is not the tree's; `unavailable`.
   */
  open(path: string, options?: CallOptions): Promise<number>
  /**
   * The bytes of the range that lie in the file, all of them: fewer than asked for only at its end, none behind it.
   *
   * @throws `not-open`, `invalid-range` for a range that is none; `object-changed` when the object is no longer the one
   *   that was opened; `unavailable` for anything else on the way, a URL that was refused included.
   */
  read(handle: number, range: ByteRange, options?: ReadOptions): Promise<Uint8Array>
  /**
   * As {@link FuseMount.read}, when all of it is in memory: `use` is given it in pieces that hold until it returns.
   *
   * @returns false when it is not; `use` was not called then.
   * @throws `not-open`, `invalid-range`.
   */
  readNow(handle: number, range: ByteRange, use: (pieces: readonly Uint8Array[]) => void): boolean
  /** @throws `not-open`. */
  release(handle: number, options?: CallOptions): Promise<void>
  statfs(options?: CallOptions): Promise<FileSystemStatus>
  /** What every change comes to. @throws `read-only`, always. */
  modify(operation: string, path: string): Promise<never>
  statistics(): MountStatistics
  /** Closes what is open; later calls fail with `not-open`. Calls under way end with `unavailable`. */
  close(): Promise<void>
}

const readBlockBytes = 1024 * 1024

/** Data and the extension of the index that its readers look for. Of a small file the index would cost more than it gives. */
const dataWithIndex: readonly (readonly [data: RegExp, extension: string])[] = [
  [/\.bam$/i, 'bai'],
  [/\.cram$/i, 'crai'],
  [/\.vcf\.b?gz$/i, 'tbi'],
  [/\.bcf$/i, 'csi'],
]
const smallestIndexed = 1024 * 1024

function attributesOf(node: TreeNode): FileAttributes {
  if (node.kind === 'folder') {
    const { inode, modified, folders } = node
    return { kind: 'folder', size: 0, modified, permissions: 0o555, inode, links: 2 + folders, blocks: 0, blockSize: 4096 }
  }
  const { size, modified } = node.object
  const blocks = Math.ceil(size / 512)
  return { kind: 'file', size, modified, permissions: 0o444, inode: node.inode, links: 1, blocks, blockSize: readBlockBytes }
}

/** A mount over a tree; `open` gives the bytes of an object.
 * @throws `invalid-configuration` for a cache of less than 1 MiB. */
export function createFuseMount(options: FuseMountOptions): FuseMount {
  const { tree, now = Date.now } = options
  const limits = { ...defaultMountLimits, ...options.limits }
  const cache = createPageCache({ ...options.cache, now })
  const files = createOpenFiles({ open: options.open, cache, limits })
  const tally = createCallTally(now)
  const folderAt = (path: string): FolderNode => {
    const node = tree.lookup(path)
    if (node.kind === 'folder') return node
    throw new ScoreError('not-a-folder', `'${path}' is a file`)
  }
  const fileAt = (path: string): FileNode => {
    const node = tree.lookup(path)
    if (node.kind === 'file') return node
    throw new ScoreError('is-a-folder', `'${path}' is a folder; files can be read`)
  }
  const indexOf = (path: string, { object }: FileNode): TreeObject | undefined => {
    const [, extension] = dataWithIndex.find(([data]) => data.test(object.fileName)) ?? []
    if (extension === undefined || object.size < smallestIndexed) return undefined
    const slash = path.lastIndexOf('/')
    const index = folderAt(path.slice(0, slash)).find(`${path.slice(slash + 1)}.${extension}`)
    return index?.kind === 'file' ? index.object : undefined
  }
  return {
    limits,
    getattr: (path) => tally.track(async () => attributesOf(tree.lookup(path))),
    fgetattr: (handle) => tally.track(async () => attributesOf(files.nodeOf(handle))),
    readdir: (path) =>
      tally.track(async () => {
        const folder = folderAt(path)
        return folder.names.map((name) => ({ name, attributes: attributesOf(folder.find(name) as TreeNode) }))
      }),
    open: (path, call) =>
      tally.track(async () => {
        const node = fileAt(path)
        // Whoever reads a region of it reads its index first: that is here by then.
        const index = indexOf(path, node)
        if (index) files.warm(index)
        return files.open(node, call)
      }, call?.signal),
    readNow: files.readNow,
    read: (handle, range, call) => tally.track(() => files.read(handle, range, call), call?.signal),
    release: (handle) => tally.track(() => files.release(handle)),
    statfs: () =>
      tally.track(async () => {
        const { objects, bytes } = tree.report()
        return { blockSize: readBlockBytes, blocks: Math.ceil(bytes / readBlockBytes), files: objects, maximumNameBytes: 255 }
      }),
    modify: (operation, path) =>
      tally.track(async () => {
        throw new ScoreError('read-only', `${operation} of '${path}': the mount is read-only`)
      }),
    statistics() {
      const { files: openFiles, sources: openSources, reads, bytesRead } = files.count()
      return { ...tally.told(), openFiles, openSources, reads, bytesRead, cache: cache.statistics() }
    },
    async close() {
      await files.close()
      cache.close()
    },
  }
}
