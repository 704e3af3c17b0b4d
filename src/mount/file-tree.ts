import type { CallOptions } from '../core/call-options.ts'
import { ScoreError } from '../core/errors.ts'
import { type LaidOutTree, layOutTree, type TreeLayout } from './tree-layout.ts'
import type { RenamedFile, TreeNode } from './tree-node.ts'
import { findTreeObjects, type LeftOut, type ObjectSelection, type TreeObjectsDependencies } from './tree-objects.ts'

export interface FileTreeOptions extends CallOptions {
  readonly selection: ObjectSelection
  /** Default `bundle`. */
  readonly layout?: TreeLayout
  /** Objects asked about at once, where they are asked for one by one; default 16. */
  readonly concurrency?: number
  /** Clock in ms since 1970; default the system's. */
  readonly now?: () => number
}

/** What a tree shows and what it does not. */
export interface TreeReport {
  readonly objects: number
  /** Sum of the objects' sizes. */
  readonly bytes: number
  readonly leftOut: readonly LeftOut[]
  readonly renamed: readonly RenamedFile[]
  readonly built: Date
}

/** Folders and files in memory. Nothing but {@link FileTree.refresh} asks a service. */
export interface FileTree {
  /**
   * What is at a path such as `/a/b`, in time that does not grow with the tree.
   *
   * @throws `path-not-found`; `not-a-folder` for a path that goes through a file.
   */
  lookup(path: string): TreeNode
  /** Told of the tree as it is now. */
  report(): TreeReport
  /**
   * Builds the tree anew and puts it in the old one's place at once; calls at the same time share one (the
   * signal of the first ends it). When it fails the old tree stays.
   *
   * @throws as {@link createFileTree}.
   */
  refresh(options?: CallOptions): Promise<TreeReport>
}

function lookUp(root: TreeNode, path: string): TreeNode {
  let node = root
  for (const name of path.split('/')) {
    if (name === '') continue
    if (node.kind === 'file') throw new ScoreError('not-a-folder', `'${path}' goes through a file`)
    const next = node.find(name)
    if (next === undefined) throw new ScoreError('path-not-found', `there is no '${path}'`)
    node = next
  }
  return node
}

/** Numbers that stay with their key; 1 is the root's. */
function createNumbering(): (key: string) => number {
  const numbers = new Map<string, number>()
  return (key) => {
    const known = numbers.get(key)
    if (known !== undefined) return known
    numbers.set(key, numbers.size + 1)
    return numbers.size
  }
}

/** A time for objects whose store tells none: when this version was first seen here. */
function createSightings(now: () => number): (objectId: string, size: number) => Date {
  const seen = new Map<string, { readonly size: number; readonly at: Date }>()
  return (objectId, size) => {
    const known = seen.get(objectId)
    if (known?.size === size) return known.at
    const at = new Date(now())
    seen.set(objectId, { size, at })
    return at
  }
}

/**
 * Lists what is selected and lays it out. Objects that cannot be shown are left out and told of in the report, as are
 * names that had to be changed: two files of one name in an analysis both get `~` and eight letters of their id, and what
 * a file system cannot carry is percent-encoded.
 *
 * @throws when nothing of what was named is there; `invalid-request` for an id that is none; what the services throw.
 */
export async function createFileTree(dependencies: TreeObjectsDependencies, options: FileTreeOptions): Promise<FileTree> {
  const { selection, layout = 'bundle', concurrency = 16, now = Date.now } = options
  const inodeOf = createNumbering()
  inodeOf('/')
  const modifiedOf = createSightings(now)
  const build = async (call: CallOptions): Promise<{ readonly tree: LaidOutTree; readonly report: TreeReport }> => {
    const { objects, leftOut } = await findTreeObjects(dependencies, { ...call, selection, modifiedOf, concurrency })
    const built = new Date(now())
    const tree = layOutTree(objects, layout, { inodeOf, built })
    const bytes = objects.reduce((sum, { size }) => sum + size, 0)
    return { tree, report: { objects: objects.length, bytes, leftOut, renamed: tree.renamed, built } }
  }
  let current = await build(options.signal ? { signal: options.signal } : {})
  let refreshing: Promise<TreeReport> | undefined
  return {
    lookup: (path) => lookUp(current.tree.root, path),
    report: () => current.report,
    refresh(call = {}) {
      refreshing ??= build(call)
        .then((next) => {
          current = next
          return next.report
        })
        .finally(() => {
          refreshing = undefined
        })
      return refreshing
    },
  }
}
