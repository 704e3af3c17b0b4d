import { randomBytes } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ScoreError } from '../core/errors.ts'
import { createFileExclusive, isTemporaryName } from '../files/atomic-write.ts'
import { errnoOf, toFileError } from '../files/file-error.ts'
import { makeFolder } from '../files/make-folder.ts'

/** Version of the layout of a data folder; goes up when an older release could no longer read it. */
export const dataFolderVersion = 1

/** Where things are in a data folder. */
export interface DataFolder {
  readonly path: string
  readonly store: string
  readonly catalogue: string
  readonly signingKey: string
  /** File that holds the local access token. */
  readonly token: string
}

async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw toFileError(error, 'read', path)
  })
}

/** Names that are found in a folder fresh from a file system or a desktop, and are nobody's data. */
const harmless = new Set(['lost+found', '.DS_Store', '.snapshot'])

async function requireEmpty(path: string): Promise<void> {
  const names = await readdir(path).catch((error: unknown) => {
    throw toFileError(error, 'read', path)
  })
  const foreign = names.filter((name) => !harmless.has(name) && !isTemporaryName(name) && name !== 'VERSION')
  if (foreign.length === 0 || (await readIfThere(join(path, 'VERSION'))) !== undefined) return
  throw new ScoreError(
    'invalid-configuration',
    `'${path}' is no data folder of Score and not empty ('${foreign[0]}' is in it); name an empty or a new folder`,
  )
}

async function requireVersion(path: string): Promise<void> {
  const file = join(path, 'VERSION')
  if ((await readIfThere(file)) === undefined) {
    await requireEmpty(path)
    await createFileExclusive(file, `${dataFolderVersion}\n`)
  }
  const text = ((await readIfThere(file)) ?? '').trim()
  const version = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (version === dataFolderVersion) return
  if (version > dataFolderVersion)
    throw new ScoreError(
      'invalid-configuration',
      `'${path}' was written by a newer release (layout ${version}, this one knows up to ${dataFolderVersion}); update score-sdk`,
    )
  throw new ScoreError(
    'invalid-configuration',
    `'${file}' must hold the number of a layout such as ${dataFolderVersion}, not '${text.slice(0, 40)}'`,
  )
}

/**
 * Makes a data folder (mode 0700), or opens one. Any number of processes may do so at once.
 *
 * @throws `invalid-configuration` for the folder of a newer release, or one that is something else's; `local-storage`.
 */
export async function openDataFolder(path: string): Promise<DataFolder> {
  await makeFolder(path, { mode: 0o700, doing: 'create' })
  await requireVersion(path)
  return {
    path,
    store: join(path, 'store'),
    catalogue: join(path, 'catalogue'),
    signingKey: join(path, 'signing-key'),
    token: join(path, 'token'),
  }
}

/**
 * The access token of a local server, made at its first start and the same ever after; its file has the mode 0600. Of
 * several first starts at once, one makes it and all use it.
 *
 * @throws `invalid-configuration` when the file holds no token; `local-storage`.
 */
export async function loadOrCreateToken(path: string): Promise<string> {
  if ((await readIfThere(path)) === undefined) await createFileExclusive(path, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 })
  const token = ((await readIfThere(path)) ?? '').trim()
  if (/^[A-Za-z0-9\-._~+/]{16,}=*$/.test(token)) return token
  throw new ScoreError('invalid-configuration', `'${path}' holds no access token (16 characters or more); remove it, and a new one is made`)
}
