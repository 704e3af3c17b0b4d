import { constants } from 'node:fs'
import { access, readFile, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { ScoreError } from '../core/errors.ts'
import { writeFileAtomic } from '../files/atomic-write.ts'
import { errnoOf, toFileError } from '../files/file-error.ts'
import { makeFolder } from '../files/make-folder.ts'
import { clearStateFolder, makeStateFolder, stateFolder } from './state-folder.ts'
import {
  type JournalContent,
  type JournalHeader,
  type JournalSegment,
  type JournalWriter,
  openJournal,
  readJournal,
} from './transfer-journal.ts'
import type { UploadTask } from './transfer-task.ts'

const journalName = 'upload.journal'
const uploadIdName = 'uploadId'

/** What is kept here about an upload: the original's `uploadId` file, and our journal beside it. */
export interface UploadState {
  readonly folder: string
  readonly lockPath: string
  /** Makes the folder in which lock and state live. */
  prepare(): Promise<void>
  read(): Promise<LocalUpload>
  /** Notes that an upload is about to be opened, so that one that this process then dies over is known as ours. */
  opening(header: JournalHeader, segment: JournalSegment): Promise<void>
  /** Opens the journal of this upload; goes on with what is there when it is of the same. */
  begin(header: JournalHeader, segment: JournalSegment): Promise<JournalWriter>
  clear(): Promise<void>
}

export interface LocalUpload {
  readonly uploadId?: string
  readonly journal?: JournalContent
}

async function readUploadId(path: string): Promise<string | undefined> {
  try {
    const text = await readFile(path, 'utf8')
    return text.split(/\r?\n/, 1)[0]?.trim() || undefined
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw toFileError(error, 'read the upload id', path)
  }
}

async function removeFile(path: string): Promise<void> {
  try {
    await rm(path, { force: true })
  } catch (error) {
    throw toFileError(error, 'remove', path)
  }
}

async function makeWritableFolder(path: string): Promise<void> {
  try {
    await makeFolder(path)
    await access(path, constants.W_OK)
  } catch (error) {
    const errno = errnoOf(error) ?? errnoOf((error as Error).cause)
    if (errno === undefined) throw error
    throw new ScoreError(
      'local-storage',
      `the state of the upload would be kept in '${path}', which cannot be written to (${errno}): name another folder with stateDir (client.uploadStateDir)`,
      { cause: error },
    )
  }
}

/** @returns `undefined` for a source of bytes that no folder was named for. */
export function uploadState(task: UploadTask, journalDir: string | undefined): UploadState | undefined {
  const own = 'path' in task.from ? dirname(resolve(task.from.path)) : undefined
  const parent = task.stateDir ?? journalDir ?? own
  if (parent === undefined) return undefined
  const folder = stateFolder(parent, task.objectId)
  const journalPath = join(folder, journalName)
  const uploadIdPath = join(folder, uploadIdName)
  return {
    folder,
    lockPath: join(parent, `.${task.objectId}.upload.lock`),
    prepare: () => makeWritableFolder(parent),
    async read() {
      const [written, journal] = await Promise.all([readUploadId(uploadIdPath), readJournal(journalPath)])
      const uploadId = written ?? journal?.header.uploadId
      return { ...(uploadId ? { uploadId } : {}), ...(journal?.header.direction === 'upload' ? { journal } : {}) }
    },
    async opening(header, segment) {
      await makeStateFolder(folder)
      await removeFile(uploadIdPath)
      const writer = await openJournal({ path: journalPath, header, segment })
      await writer.close()
    },
    async begin(header, segment) {
      await makeStateFolder(folder)
      await writeFileAtomic(uploadIdPath, `${header.uploadId}\n`, { mode: 0o600 })
      const found = await readJournal(journalPath)
      const same = found?.header.direction === 'upload' && found.header.uploadId === header.uploadId && found.header.plan === header.plan
      return openJournal({ path: journalPath, header, segment, ...(same && found ? { resume: found } : {}) })
    },
    clear: () => clearStateFolder(folder, [journalName, uploadIdName]),
  }
}
