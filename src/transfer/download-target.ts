import type { BigIntStats } from 'node:fs'
import { open, readdir, rename, rm, stat, truncate } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { ScoreError } from '../core/errors.ts'
import { syncDirectory } from '../files/atomic-write.ts'
import { errnoOf, toFileError } from '../files/file-error.ts'
import { clearStateFolder, stateFolder } from './state-folder.ts'
import type { DownloadTask } from './transfer-task.ts'

/** Where a download lives while it grows and when it is done. All in one folder, so that the last step is one rename. */
export interface DownloadPlaces {
  readonly target: string
  readonly work: string
  readonly folder: string
  readonly state: string
  readonly journalName: string
  readonly journal: string
  readonly lock: string
  /** The original's working file, under the bare object id. */
  readonly originalWork: string
}

/** A range gets names of its own: it must never be taken for the whole, or for another range. */
function rangeMark({ range }: DownloadTask): string {
  return range && (range.start !== 0 || range.end !== undefined) ? `.${range.start}-${range.end ?? 'end'}` : ''
}

export function downloadPlaces(task: DownloadTask, journalDir: string | undefined): DownloadPlaces {
  const target = resolve(task.path)
  const folder = dirname(target)
  const { objectId } = task
  const mark = rangeMark(task)
  const workName = task.workName ?? `.${objectId}${mark}.partial`
  if (basename(workName) !== workName) {
    throw new ScoreError('invalid-request', `the working name '${workName}' must be a bare file name: the file grows beside its target`)
  }
  const state = stateFolder(journalDir ?? folder, objectId)
  const journalName = `download${mark}.journal`
  return {
    target,
    folder,
    work: join(folder, workName),
    state,
    journalName,
    journal: join(state, journalName),
    lock: join(folder, `.${objectId}${mark}.download.lock`),
    originalWork: join(folder, objectId),
  }
}

export function targetExists(path: string): ScoreError {
  return new ScoreError('target-exists', `'${path}' exists already: remove it, choose another name, or replace it with overwrite (--force)`)
}

/** @returns `undefined` when there is no such file. @throws `invalid-request` when it is no regular file. */
export async function statIfThere(path: string): Promise<BigIntStats | undefined> {
  try {
    const found = await stat(path, { bigint: true })
    if (found.isFile()) return found
    throw new ScoreError('target-exists', `'${path}' exists and is no regular file: choose another name`)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw toFileError(error, 'look at', path)
  }
}

/** Says which file this is: a rename keeps it, a copy (also on another machine) has another. */
export function fileIdentity(found: BigIntStats): string {
  return `${found.ino}-${found.birthtimeNs}`
}

/** Makes the working file, or brings it to its full length; sparse, so it costs nothing yet. @returns its identity. */
export async function prepareWorkFile(path: string, size: number): Promise<string> {
  try {
    const handle = await open(path, 'a')
    try {
      const found = await handle.stat({ bigint: true })
      if (found.size !== BigInt(size)) await truncate(path, size)
      return fileIdentity(found)
    } finally {
      await handle.close()
    }
  } catch (error) {
    throw toFileError(error, 'make the working file', path)
  }
}

/** Flushes the working file and gives it its final name, so that both survive a power cut. */
export async function publishWorkFile(places: DownloadPlaces): Promise<void> {
  try {
    const handle = await open(places.work, 'r+')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(places.work, places.target)
  } catch (error) {
    throw toFileError(error, `give its final name '${places.target}' to`, places.work)
  }
  await syncDirectory(places.folder)
}

export async function removeFile(path: string): Promise<void> {
  try {
    await rm(path, { force: true })
  } catch (error) {
    throw toFileError(error, 'remove', path)
  }
}

const probeBytes = 4096

/** Whether the range was never written, as far as its first and last 4 KiB tell: not worth reading as a whole. */
export async function looksLikeHole(path: string, start: number, end: number): Promise<boolean> {
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw toFileError(error, 'read', path)
  })
  try {
    const length = Math.min(probeBytes, end - start)
    const probe = Buffer.alloc(length)
    for (const at of [start, end - length]) {
      await handle.read(probe, 0, length, at)
      if (probe.some((byte) => byte !== 0)) return false
    }
    return true
  } finally {
    await handle.close()
  }
}

/**
 * What the original's client left of an unfinished download: its state folder holds `meta`, and a marker `part-%08x` for
 * each finished part (score-client.md 3.3).
 */
export interface OriginalDownload {
  /** Numbers of the parts that it had finished. */
  readonly parts: readonly number[]
  /** Length of its working file. */
  readonly size: number
}

const originalMarker = /^part-[0-9a-f]{8}$/

function originalFolder(places: DownloadPlaces): string {
  return stateFolder(places.folder, basename(places.originalWork))
}

async function originalNames(places: DownloadPlaces): Promise<string[]> {
  const folder = originalFolder(places)
  try {
    return (await readdir(folder)).filter((name) => name === 'meta' || originalMarker.test(name))
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []
    throw toFileError(error, 'read the state folder', folder)
  }
}

export async function findOriginalDownload(places: DownloadPlaces): Promise<OriginalDownload | undefined> {
  const names = await originalNames(places)
  if (!names.includes('meta')) return undefined
  const work = await statIfThere(places.originalWork)
  if (!work) return undefined
  const markers = names.filter((name) => originalMarker.test(name))
  return { parts: markers.map((name) => Number.parseInt(name.slice(5), 16)), size: Number(work.size) }
}

/** Removes the original's markers once its working file is no longer there: they would mislead its client. */
export async function clearOriginalMarkers(places: DownloadPlaces): Promise<void> {
  const names = await originalNames(places)
  if (names.length === 0) return
  if (places.originalWork !== places.target && (await statIfThere(places.originalWork))) return
  await clearStateFolder(originalFolder(places), names)
}
