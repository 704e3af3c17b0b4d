import { constants } from 'node:fs'
import type { FileAttributes } from '../../src/index.ts'

/** Whose the files are, and who may read them. */
export interface FileOwnership {
  readonly owner: { readonly uid: number; readonly gid: number }
  /** Whether others than the owner may read. */
  readonly allowOther: boolean
}

/** What `stat` gives a kernel; times in ms since 1970. */
export interface FileStat {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  readonly nlink: number
  readonly ino: number
  readonly blksize: number
  readonly blocks: number
  readonly atime: number
  readonly mtime: number
  readonly ctime: number
}

export function fileStat(attributes: FileAttributes, { owner, allowOther }: FileOwnership): FileStat {
  const { kind, size, inode, links, blockSize, blocks, modified } = attributes
  const type = kind === 'file' ? constants.S_IFREG : constants.S_IFDIR
  const permissions = allowOther ? attributes.permissions : attributes.permissions & 0o770
  const time = modified.getTime()
  return {
    mode: type | permissions,
    ...owner,
    size,
    nlink: links,
    ino: inode,
    blksize: blockSize,
    blocks,
    atime: time,
    mtime: time,
    ctime: time,
  }
}
