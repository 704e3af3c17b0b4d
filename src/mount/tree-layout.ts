import { markedName, safeEntryName } from './file-names.ts'
import { indexNamesOf, otherIndexName, parseIndexName } from './index-names.ts'
import type { FileNode, FolderNode, RenamedFile, TreeNode, TreeObject } from './tree-node.ts'

/** How a tree is laid out: `/<analysis>/<file>`, or `/<objectId>`. */
export type TreeLayout = 'bundle' | 'object-id'

/** The unlisted folder of the layout `bundle` where every object is reached by its id. */
export const byIdFolder = '.by-id'

export interface LayoutContext {
  /** A number for what is known by this key; the same key gives the same number. */
  inodeOf(key: string): number
  /** Time of folders without files. */
  readonly built: Date
}

export interface LaidOutTree {
  readonly root: FolderNode
  readonly renamed: readonly RenamedFile[]
}

function inOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function folderOf(
  inode: number,
  entries: ReadonlyMap<string, TreeNode>,
  built: Date,
  unlisted: (name: string) => TreeNode | undefined,
): FolderNode {
  let folders = 0
  let newest = 0
  for (const node of entries.values()) {
    if (node.kind === 'folder') folders += 1
    newest = Math.max(newest, (node.kind === 'folder' ? node.modified : node.object.modified).getTime())
  }
  const modified = entries.size === 0 ? built : new Date(newest)
  return {
    kind: 'folder',
    inode,
    modified,
    names: [...entries.keys()].sort(inOrder),
    folders,
    find: (name) => entries.get(name) ?? unlisted(name),
  }
}

function groupBy<Item>(items: Iterable<Item>, keyOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>()
  for (const item of items) {
    const key = keyOf(item)
    const group = groups.get(key)
    if (group) group.push(item)
    else groups.set(key, [item])
  }
  return groups
}

/** Files by id, with `<objectId>.bai` and the like standing for the index that lies in the same analysis. */
function idFolder(files: readonly FileNode[], inode: number, built: Date): FolderNode {
  const byId = new Map(files.map((file) => [file.object.objectId, file]))
  const byName = new Map(files.map((file) => [`${file.object.analysisId}/${file.object.fileName}`, file]))
  const index = (name: string): FileNode | undefined => {
    const parsed = parseIndexName(name)
    const data = parsed && byId.get(parsed.base)?.object
    if (!parsed || !data) return undefined
    const spellings = indexNamesOf(data.fileName, parsed.extension)
    return spellings.map((spelling) => byName.get(`${data.analysisId}/${spelling}`)).find((found) => found !== undefined)
  }
  return folderOf(inode, byId, built, index)
}

/** The name, or the name with a number where it is taken. */
function freeName(name: string, taken: ReadonlyMap<string, unknown>): string {
  let free = name
  for (let number = 2; taken.has(free); number += 1) free = markedName(name, String(number))
  return free
}

/** Names for the files of one folder. Those that would have the same name all get the first eight letters of their id. */
function nameFiles(files: readonly FileNode[]): { readonly entries: Map<string, FileNode>; readonly clashing: ReadonlySet<FileNode> } {
  const entries = new Map<string, FileNode>()
  const clashing = new Set<FileNode>()
  const groups = groupBy(files, ({ object }) => safeEntryName(object.fileName))
  for (const [name, group] of groups) {
    const [first, second] = group
    if (first !== undefined && second === undefined) entries.set(name, first)
  }
  for (const [name, group] of groups) {
    if (group.length < 2) continue
    for (const file of group) {
      const { objectId } = file.object
      const short = markedName(name, objectId.slice(0, 8))
      entries.set(entries.has(short) ? freeName(markedName(name, objectId), entries) : short, file)
      clashing.add(file)
    }
  }
  return { entries, clashing }
}

function bundleFolder(
  analysisId: string,
  folderName: string,
  files: readonly FileNode[],
  context: LayoutContext,
): { readonly folder: FolderNode; readonly renamed: RenamedFile[] } {
  const { entries, clashing } = nameFiles(files)
  const renamed: RenamedFile[] = []
  for (const [name, file] of entries) {
    const { objectId, fileName } = file.object
    if (name === fileName && folderName === analysisId) continue
    renamed.push({ objectId, fileName, path: `/${folderName}/${name}`, reason: clashing.has(file) ? 'clash' : 'unsafe-name' })
  }
  const otherSpelling = (name: string): TreeNode | undefined => {
    const listed = otherIndexName(name, (candidate) => entries.has(candidate))
    return listed === undefined ? undefined : entries.get(listed)
  }
  return { folder: folderOf(context.inodeOf(`analysis ${analysisId}`), entries, context.built, otherSpelling), renamed }
}

/** Objects as folders and files. Objects must be there once each; their order decides nothing but between equal names. */
export function layOutTree(objects: readonly TreeObject[], layout: TreeLayout, context: LayoutContext): LaidOutTree {
  const files = objects.map((object): FileNode => ({ kind: 'file', inode: context.inodeOf(`object ${object.objectId}`), object }))
  if (layout === 'object-id') return { root: idFolder(files, context.inodeOf('/'), context.built), renamed: [] }
  const entries = new Map<string, FolderNode>()
  const renamed: RenamedFile[] = []
  for (const [analysisId, members] of groupBy(files, ({ object }) => object.analysisId)) {
    const name = freeName(safeEntryName(analysisId, [byIdFolder]), entries)
    const made = bundleFolder(analysisId, name, members, context)
    entries.set(name, made.folder)
    renamed.push(...made.renamed)
  }
  const ids = idFolder(files, context.inodeOf(byIdFolder), context.built)
  const root = folderOf(context.inodeOf('/'), entries, context.built, (name) => (name === byIdFolder ? ids : undefined))
  return { root, renamed }
}
