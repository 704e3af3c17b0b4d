import { constants } from 'node:fs'
import { posix } from 'node:path'
import { type FileAttributes, type FuseMount, isScoreError, ScoreError } from '../../src/index.ts'
import type { CacheSeconds } from './cache-seconds.ts'
import { type FileOwnership, type FileStat, fileStat } from './file-stat.ts'
import {
  encodeAbsence,
  encodeAttributes,
  encodeEntry,
  encodeListing,
  encodeOpened,
  encodeStatus,
  type ListedEntry,
} from './kernel-answers.ts'
import { isSameVersion, type KernelInode, type KernelInodes } from './kernel-inodes.ts'
import type { KernelHeader, KernelQuestion } from './kernel-requests.ts'

export interface KernelOperationsOptions extends FileOwnership {
  readonly mount: FuseMount
  readonly inodes: KernelInodes
  readonly seconds: CacheSeconds
}

export interface KernelReply {
  readonly pieces: readonly Uint8Array[]
  /** What is to be done when the kernel does not hear of it. */
  readonly undo?: () => void
}

/** What the mount is asked; the rest needs no answer, or not the mount. */
export type AskedOfMount = Exclude<
  KernelQuestion,
  { readonly kind: 'init' | 'forget' | 'interrupt' } | { readonly kind: 'destroy' | 'woken' | 'unknown' }
>

/** What the kernel asks of the mount, by paths. @throws a `ScoreError`, or whatever the mount does. */
export type KernelOperations = (header: KernelHeader, question: AskedOfMount, signal: AbortSignal) => Promise<KernelReply>

interface FolderEntryOf extends ListedEntry {
  readonly path: string
  /** Absent where the kernel is not to keep the entry. */
  readonly attributes?: FileAttributes
}

const accessMode = 0o3

function stale(path: string): ScoreError {
  // The kernel looks the name up again, and comes back with what is there now.
  return new ScoreError('object-changed', `'${path}' is not what it was when it was looked up`)
}

export function createKernelOperations(options: KernelOperationsOptions): KernelOperations {
  const { mount, inodes, seconds } = options
  const statOf = (attributes: FileAttributes): FileStat => fileStat(attributes, options)
  const folders = new Map<number, readonly FolderEntryOf[]>()
  let lastFolder = 0
  const inodeOf = ({ node }: KernelHeader): KernelInode => {
    const inode = inodes.find(node)
    if (inode) return inode
    throw stale(`node ${node}`)
  }
  const nothing: KernelReply = { pieces: [] }

  const lookup = async (header: KernelHeader, name: string | undefined): Promise<KernelReply> => {
    const { path: parent } = inodeOf(header)
    if (name === undefined) throw new ScoreError('path-not-found', `a name in '${parent}' is not UTF-8`)
    const path = posix.join(parent, name)
    try {
      const attributes = await mount.getattr(path)
      const node = inodes.hold(path, attributes)
      return {
        pieces: [encodeEntry(node, statOf(attributes), seconds)],
        undo: () => inodes.forget({ node, lookups: 1 }),
      }
    } catch (error) {
      if (!isScoreError(error, 'path-not-found') || seconds.negative === 0) throw error
      return { pieces: [encodeAbsence(seconds)] }
    }
  }
  const attributesOf = async (header: KernelHeader, handle: number | undefined): Promise<FileAttributes> => {
    if (handle !== undefined) return mount.fgetattr(handle)
    const { path, attributes } = inodeOf(header)
    // A file's node is one version of it. Whether the name still means it, the next look-up tells.
    return attributes?.kind === 'file' ? attributes : mount.getattr(path)
  }
  const open = async (header: KernelHeader, flags: number, signal: AbortSignal): Promise<KernelReply> => {
    const { path, attributes } = inodeOf(header)
    if ((flags & accessMode) !== constants.O_RDONLY) return mount.modify('open for writing', path)
    const handle = await mount.open(path, { signal })
    const opened = await mount.fgetattr(handle)
    if (attributes !== undefined && !isSameVersion(attributes, opened)) {
      await mount.release(handle)
      throw stale(path)
    }
    return { pieces: [encodeOpened(handle, 'file')], undo: () => void mount.release(handle).catch(() => undefined) }
  }
  const openFolder = async (header: KernelHeader): Promise<KernelReply> => {
    const { path } = inodeOf(header)
    const entries = await mount.readdir(path)
    const parent = posix.dirname(path)
    lastFolder += 1
    const handle = lastFolder
    folders.set(handle, [
      { name: '.', path, stat: statOf(await mount.getattr(path)) },
      { name: '..', path: parent, stat: statOf(await mount.getattr(parent)) },
      ...entries.map(({ name, attributes }) => ({ name, path: posix.join(path, name), stat: statOf(attributes), attributes })),
    ])
    return { pieces: [encodeOpened(handle, 'folder')], undo: () => void folders.delete(handle) }
  }
  const list = ({ handle, offset, size, withAttributes }: Extract<AskedOfMount, { readonly kind: 'list' }>): KernelReply => {
    const entries = folders.get(handle)
    if (entries === undefined) throw new ScoreError('not-open', `${handle} is no handle of an open folder`)
    if (!withAttributes) return { pieces: [encodeListing(entries, { from: offset, size, seconds: 0 })] }
    const held: number[] = []
    const nodeOf = ({ path, attributes }: FolderEntryOf): number => {
      if (attributes === undefined) return 0
      const node = inodes.hold(path, attributes)
      held.push(node)
      return node
    }
    const bytes = encodeListing(entries, { from: offset, size, seconds: seconds.attributes, nodeOf })
    return {
      pieces: [bytes],
      undo() {
        for (const node of held) inodes.forget({ node, lookups: 1 })
      },
    }
  }
  return async (header, question, signal) => {
    switch (question.kind) {
      case 'lookup':
        return lookup(header, question.name)
      case 'getattr':
        return { pieces: [encodeAttributes(statOf(await attributesOf(header, question.handle)), seconds.attributes)] }
      case 'open':
        return open(header, question.flags, signal)
      case 'read': {
        const { handle, offset, size } = question
        return { pieces: [await mount.read(handle, { start: offset, end: offset + size }, { signal })] }
      }
      case 'open-folder':
        return openFolder(header)
      case 'list':
        return list(question)
      case 'release':
        // A mount that was closed has forgotten its handles already.
        await mount.release(question.handle).catch((error: unknown) => {
          if (!isScoreError(error, 'not-open')) throw error
        })
        return nothing
      case 'release-folder':
        folders.delete(question.handle)
        return nothing
      case 'statfs':
        return { pieces: [encodeStatus(await mount.statfs())] }
      case 'readlink':
        throw new ScoreError('invalid-request', `'${inodeOf(header).path}' is no symbolic link`)
      case 'change':
        return mount.modify(question.operation, inodeOf(header).path)
    }
  }
}
