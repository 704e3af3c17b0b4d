/** A stored object as a mounted tree knows it. */
export interface TreeObject {
  readonly objectId: string
  readonly study: string
  readonly analysisId: string
  readonly fileName: string
  /** Bytes. */
  readonly size: number
  readonly modified: Date
}

export interface FileNode {
  readonly kind: 'file'
  /** Unlike any other of the mount, the same after a refresh, below 2^32. */
  readonly inode: number
  readonly object: TreeObject
}

export interface FolderNode {
  readonly kind: 'folder'
  readonly inode: number
  readonly modified: Date
  /** Names in order, as `readdir` tells them. */
  readonly names: readonly string[]
  /** How many of them are folders. */
  readonly folders: number
  /** A listed entry, or one that is reached by its name only: another spelling of an index, ids. */
  find(name: string): TreeNode | undefined
}

export type TreeNode = FileNode | FolderNode

/** An object whose name in the tree is not the one of the catalogue. */
export interface RenamedFile {
  readonly objectId: string
  readonly fileName: string
  /** Path in the tree, from `/`. */
  readonly path: string
  readonly reason: 'clash' | 'unsafe-name'
}
