import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { errnoOf, toFileError } from './file-error.ts'

export interface MakeFolderOptions {
  /** Of each folder that is made; default that of the process. */
  readonly mode?: number
  /** For the message of an error, as in `cannot <doing> '<path>'`; default `make the folder`. */
  readonly doing?: string
}

// Someone may remove empty folders while they are made.
const tries = 16

function wasRaced(error: unknown): boolean {
  return errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR'
}

/** Where `mkdir` failed with `error`, a folder may be there all the same: EEXIST, but also on what is read-only or not ours. */
async function requireFolder(path: string, error: unknown): Promise<void> {
  const found = await stat(path).catch((gone: unknown) => {
    throw errnoOf(error) === 'EEXIST' ? gone : error
  })
  if (!found.isDirectory()) throw error
}

/** @returns the outermost folder that was made; `undefined` when all were there. */
async function make(path: string, options: { readonly mode?: number }): Promise<string | undefined> {
  try {
    await mkdir(path, options)
    return path
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') {
      await requireFolder(path, error)
      return undefined
    }
    const parent = dirname(path)
    const first = parent === path ? undefined : await make(parent, options)
    // A parent that was there all along cannot be what is missing; whoever goes on trying, as Node's own does, never ends.
    if (first === undefined) throw error
    await make(path, options)
    return first
  }
}

/**
 * As `mkdir -p`, also beside those who remove empty folders. Node's recursive `mkdir` never ends where a file system answers
 * ENOENT for a folder whose parent exists: `/proc`, mount points of autofs.
 *
 * @returns the outermost folder that was made; `undefined` when all were there.
 * @throws `local-storage`
 */
export async function makeFolder(path: string, options: MakeFolderOptions = {}): Promise<string | undefined> {
  const { doing = 'make the folder', ...how } = options
  for (let attempt = 1; ; attempt++) {
    try {
      return await make(path, how)
    } catch (error) {
      if (!wasRaced(error) || attempt === tries) throw toFileError(error, doing, path)
    }
  }
}
