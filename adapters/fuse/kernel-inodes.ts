import type { FileAttributes } from '../../src/index.ts'
import type { ForgottenNode } from './kernel-requests.ts'

/** What the kernel calls by a number: a path, and for a file the version of the object that was there. */
export interface KernelInode {
  readonly node: number
  readonly path: string
  /** When it was first told of; of a file these stay. Of the root there are none. */
  readonly attributes: FileAttributes | undefined
}

export interface KernelInodes {
  /** `undefined` for a number that the kernel was not given, or has forgotten. */
  find(node: number): KernelInode | undefined
  /** The number of what is at a path now; the kernel holds it once more. */
  hold(path: string, attributes: FileAttributes): number
  forget(forgotten: ForgottenNode): void
  /** Numbers of the files that the kernel holds. */
  files(): Iterable<number>
  /** Without the root. */
  count(): number
}

interface Held extends KernelInode {
  lookups: number
}

export const rootNode = 1

/** Whether bytes that the kernel keeps of the one are those of the other. */
export function isSameVersion(one: FileAttributes, other: FileAttributes): boolean {
  if (one.kind !== other.kind || one.inode !== other.inode) return false
  return one.kind === 'folder' || (one.size === other.size && one.modified.getTime() === other.modified.getTime())
}

/**
 * Numbers are never given twice: another object at a path, or another version of it, is another node, so the kernel never
 * mixes their bytes. A node stays until the kernel has forgotten every answer that named it.
 */
export function createKernelInodes(): KernelInodes {
  const root: KernelInode = { node: rootNode, path: '/', attributes: undefined }
  const held = new Map<number, Held>()
  const byPath = new Map<string, Held>()
  let last = rootNode
  return {
    find: (node) => (node === rootNode ? root : held.get(node)),
    hold(path, attributes) {
      const known = byPath.get(path)
      if (known?.attributes !== undefined && isSameVersion(known.attributes, attributes)) {
        known.lookups += 1
        return known.node
      }
      last += 1
      const added: Held = { node: last, path, attributes, lookups: 1 }
      held.set(last, added)
      byPath.set(path, added)
      return last
    },
    forget({ node, lookups }) {
      const known = held.get(node)
      if (known === undefined) return
      known.lookups -= lookups
      if (known.lookups > 0) return
      held.delete(node)
      if (byPath.get(known.path) === known) byPath.delete(known.path)
    },
    files: () => [...held.values()].filter(({ attributes }) => attributes?.kind === 'file').map(({ node }) => node),
    count: () => held.size,
  }
}
