import { createHash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { MountStatistics, ProcessIdentity } from '../../src/index.ts'
import type { Environment } from './context.ts'
import { listStateFiles, readStateFile, stateFolder, writeStateFile } from './state-file.ts'

/** What a running `score mount` leaves for `--status` and `score unmount` of the same user. Mode 0600. */
export interface MountRecord {
  /** Absolute, as the kernel's table names it. */
  readonly mountPoint: string
  readonly process: ProcessIdentity
  /** Of the Score server. */
  readonly url: string
  readonly driver: string
  readonly layout: string
  /** ISO 8601. */
  readonly startedAt: string
  readonly objects: number
  readonly bytes: number
  readonly log?: string
  /** What SIGUSR2 asked for last. */
  readonly told?: ToldStatistics
}

export interface ToldStatistics {
  /** ISO 8601. */
  readonly at: string
  readonly residentBytes: number
  readonly mount: MountStatistics
}

function mountsFolder(environment: Environment): string {
  return join(stateFolder(environment), 'mounts')
}

/** Files of a mount have a name of their own, whatever its folder is called. */
export function mountFile(environment: Environment, mountPoint: string, extension: 'json' | 'log'): string {
  return join(mountsFolder(environment), `${createHash('sha256').update(mountPoint).digest('hex').slice(0, 16)}.${extension}`)
}

function isRecord(value: unknown): value is MountRecord {
  if (typeof value !== 'object' || value === null) return false
  const { mountPoint, process: identity, url } = value as Record<string, unknown>
  return typeof mountPoint === 'string' && typeof url === 'string' && typeof identity === 'object' && identity !== null
}

export function writeMountRecord(environment: Environment, record: MountRecord): Promise<void> {
  return writeStateFile(mountFile(environment, record.mountPoint, 'json'), record)
}

export async function readMountRecord(environment: Environment, mountPoint: string): Promise<MountRecord | undefined> {
  const value = await readStateFile(mountFile(environment, mountPoint, 'json'))
  return isRecord(value) && value.mountPoint === mountPoint ? value : undefined
}

/** Removes the record of a mount if it is still that of the process. */
export async function removeMountRecord(environment: Environment, { mountPoint, process: { pid } }: MountRecord): Promise<void> {
  const record = await readMountRecord(environment, mountPoint)
  if (record?.process.pid === pid) await rm(mountFile(environment, mountPoint, 'json'), { force: true })
}

export async function listMountRecords(environment: Environment): Promise<MountRecord[]> {
  const values = await Promise.all((await listStateFiles(mountsFolder(environment), /^[0-9a-f]{16}\.json$/)).map(readStateFile))
  return values.filter(isRecord).sort((a, b) => (a.mountPoint < b.mountPoint ? -1 : 1))
}
